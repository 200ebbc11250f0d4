"""Whether somebody is told: alerts as Alertmanager shows them on the monitoring machine, and how soon."""

import json
import math
import time
from collections.abc import Mapping

from drills.drill import Figure, NotSeen
from stacks.running import Running

Alert = tuple[str, str]  # its name, and the machine, server, backup or probe that it is of; empty where it is of all


def firing(stack: Running, monitoring: str) -> set[Alert]:
    answer = stack.on(monitoring, "curl -fsS 'http://127.0.0.1:9093/api/v2/alerts?active=true'")
    found = set()
    for alert in json.loads(answer):
        labels = alert["labels"]
        of = (labels[name] for name in ("server", "backup", "probe", "machine") if name in labels)
        found.add((labels["alertname"], next(of, "")))
    return found


def told(stack: Running, monitoring: str, since: float, wanted: Mapping[Alert, float]) -> list[Figure]:
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


def silent(stack: Running, monitoring: str, wanted: Mapping[Alert, float]) -> None:
    """None of the alerts is shown yet; what an earlier drill has raised ends within minutes."""
    deadline = time.monotonic() + 400
    while already := firing(stack, monitoring) & wanted.keys():
        if time.monotonic() > deadline:
            raise NotSeen(f"{already}: shown before anything is broken")
        time.sleep(5)
