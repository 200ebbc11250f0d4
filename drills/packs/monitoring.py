"""Whether somebody is told, and how soon: alerts as Alertmanager shows them, and mail in the administrator's box."""

import contextlib
import json
import math
import re
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from drills import faults
from drills.drill import Figure, NotSeen
from drills.packs.autoscaler import changed
from drills.patience import seconds_until
from stacks.deployed_stack import DeployedStack, from_the_world, world

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
    file = f"/var/lib/casebook-metrics/{metric}.prom"
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


def somebody_is_told(
    stack: DeployedStack,
    *,
    stopped: Mapping[str, str],
    old: tuple[str, str],
    off: str,
    wanted: Mapping[Alert, float],
) -> list[Figure]:
    """Faults of several machines at once, each of which has an alert of its own.

    stopped  machine -> its units, in the order in which they are stopped
    old      a machine, and the metric of its backup, which has not run
    off      a machine that loses power
    """
    silent(stack, "monitoring", wanted)
    with contextlib.ExitStack() as broken:
        for machine, units in stopped.items():
            broken.enter_context(without(stack, machine, units))
        broken.enter_context(aged(stack, *old))
        moment = broken.enter_context(faults.power_loss(stack, off))
        return told(stack, "monitoring", moment, wanted)


@contextlib.contextmanager
def without(stack: DeployedStack, machine: str, units: str) -> Iterator[None]:
    stack.on(machine, f"sudo systemctl stop {units}")
    try:
        yield
    finally:
        stack.on(machine, f"sudo systemctl start {' '.join(reversed(units.split()))}", timeout=300)


TELEPHONE = 8089
# Ends after the message that is waited for, or some minutes.
OPERATOR = """
import http.server, sys, time
port, machine, told = int(sys.argv[1]), sys.argv[2], []
class Answer(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        told.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
        print(told[-1], flush=True)
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
server, until = http.server.HTTPServer(("", port), Answer), time.monotonic() + 400
server.timeout = 1
while time.monotonic() < until and not any("MachineDown" in one and machine in one for one in told):
    server.handle_request()
"""


def by_night(machine: str, stack: DeployedStack) -> list[Figure]:
    """It is night for this hour, and the telephones' operator is a program in the world."""
    now = datetime.now(UTC)
    hours = [(now + timedelta(hours=hour)).strftime("%H:%M") for hour in (-1, 2)]
    operator = {"url": f"http://{world('hostname', '-I').split()[0]}:{TELEPHONE}/", "token": "drill"}
    settings = {
        "sms": {"to": ["+33612345678"], "operators": [operator]},
        "night": {"start": hours[0], "end": hours[1], "time_zone": "UTC"},
    }
    telephone = from_the_world("python3", "-c", OPERATOR, str(TELEPHONE), machine)
    with tempfile.TemporaryFile("w+") as messages, changed(stack.name, settings):
        clean(stack, "monitoring")

        def arrived() -> bool:
            messages.seek(0)
            return any("MachineDown" in one and machine in one for one in messages)

        with subprocess.Popen(telephone, stdout=messages), faults.power_loss(stack, machine) as moment:
            seconds_until(arrived, f"a text message about {machine}", 300)
            after = time.time() - moment
        number = len(mails(stack, "monitoring", ("MachineDown", machine)))
    return [
        Figure("text message after", round(after), "s", goal=185),
        Figure("mails about it by night", number, goal=0),
    ]
