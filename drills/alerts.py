"""Whether somebody is told, and how soon: alerts as Alertmanager shows them, and mail in the administrator's box."""

import contextlib
import json
import math
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from drills.drill import Figure, NotSeen
from drills.patience import seconds_until
from stacks.deployed_stack import DeployedStack

MAILBOX = "/var/mail/debian"  # on the monitoring machine
Alert = tuple[str, str]  # its name, and the machine, server, backup or probe that it is of; empty where it is of all


def firing(stack: DeployedStack, monitoring: str) -> set[Alert]:
    answer = stack.on(monitoring, "curl -fsS 'http://127.0.0.1:9093/api/v2/alerts?active=true'")
    found = set()
    for alert in json.loads(answer):
        labels = alert["labels"]
        of = (labels[name] for name in ("server", "backup", "probe", "machine") if name in labels)
        found.add((labels["alertname"], next(of, "")))
    return found


def told(stack: DeployedStack, monitoring: str, since: float, wanted: Mapping[Alert, float]) -> list[Figure]:
    """How long after a moment each alert is shown, which is to be within so many seconds; infinite where it is not.

    Half as long again is waited for.
    """
    after: dict[Alert, float] = {}
    while (passed := time.time() - since) < 1.5 * max(wanted.values()) and len(after) < len(wanted):
        for alert in firing(stack, monitoring) & wanted.keys() - after.keys():
            after[alert] = round(passed)
        time.sleep(2)
    return [
        Figure(f"alert {' '.join(filter(None, alert))} after", after.get(alert, math.inf), "s", goal=within)
        for alert, within in wanted.items()
    ]


def silent(stack: DeployedStack, monitoring: str, wanted: Iterable[Alert]) -> None:
    """None of the alerts is shown yet; what an earlier drill has raised ends within minutes."""
    deadline = time.monotonic() + 400
    while already := firing(stack, monitoring).intersection(wanted):
        if time.monotonic() > deadline:
            raise NotSeen(f"{already}: shown before anything is broken")
        time.sleep(5)


@contextlib.contextmanager
def aged(stack: DeployedStack, machine: str, metric: str) -> Iterator[None]:
    """A backup that has not run for 27 hours, which nobody waits for."""
    file = f"/var/lib/prometheus/node-exporter/{metric}.prom"
    stack.on(machine, f'sudo cp -a {file} /run/drill; sudo sed -i "s/ .*/ $(date +%s -d -27hours)/" {file}')
    try:
        yield
    finally:
        stack.on(machine, f"sudo mv /run/drill {file}")


def clean(stack: DeployedStack, monitoring: str) -> None:
    """No mail, and no memory of earlier alerts: a group holds a new one back for five minutes, the log for hours."""
    stack.on(
        monitoring,
        "sudo systemctl stop prometheus-alertmanager; sudo rm -f /var/lib/prometheus/alertmanager/nflog; "
        f"sudo systemctl start prometheus-alertmanager; sudo truncate --no-create --size=0 {MAILBOX}",
    )


def mails(stack: DeployedStack, monitoring: str, alert: Alert) -> list[str]:
    """Those in the administrator's box that tell of an alert."""
    name, of = alert
    box = stack.on(monitoring, f"sudo sh -c 'cat {MAILBOX} 2>/dev/null || true'")
    found = [mail for mail in re.split(r"^(?=From )", box, flags=re.MULTILINE) if mail]
    return [mail for mail in found if re.search(rf"^Subject: .*\b{name}\b", mail, re.MULTILINE) and of in mail]


def mailed(stack: DeployedStack, monitoring: str, alert: Alert, since: float, within: float) -> Figure:
    """How long after a moment the first mail came that tells of an alert; NotSeen if there is none."""
    told = mails(stack, monitoring, alert)
    if not told:
        raise NotSeen(f"no mail that tells of {' '.join(alert)}")
    stamp = " ".join(told[0].splitlines()[0].split()[2:])
    zone = stack.on(monitoring, "date +%z").strip()
    came = datetime.strptime(f"{stamp} {zone}", "%a %b %d %H:%M:%S %Y %z").timestamp()
    return Figure("mail in the administrator's box after", round(came - since), "s", goal=within)


def mail_awaited(stack: DeployedStack, monitoring: str, alert: Alert, since: float, within: float) -> Figure:
    """The same of a mail that may be on its way yet."""
    seconds_until(lambda: bool(mails(stack, monitoring, alert)), "a mail", 240, every=5)
    return mailed(stack, monitoring, alert, since, within)
