"""Logs: lines that are written while the log server is lost."""

import time
from collections.abc import Sequence

from drills import faults
from drills.drill import Figure
from drills.outage import outage, served
from drills.packs import monitoring
from drills.packs.backup import succeeds
from drills.patience import seconds_until
from stacks.deployed_stack import DeployedStack, world


def lost(stack: DeployedStack, front: str, targets: Sequence[str], rate: int) -> list[Figure]:
    """Told by mail by day; lines are kept where they are until the store is back.

    front  an address that logs each request
    """
    mark, alert = f"drill-{time.time_ns()}", ("MachineDown", "logs")
    query = f"curl -fsS 'http://127.0.0.1:9200/logs-http-*/_count?q=message:%22{mark}%22'"

    def meanwhile(moment: float) -> list[Figure]:
        world("curl", "-s", "--max-time", "9", f"http://{front}/{mark}")
        return [monitoring.mail_awaited(stack, "monitoring", alert, moment, 185)]

    def recovered() -> list[Figure]:
        found = seconds_until(lambda: succeeds(stack, "logs", f"{query} | grep -v '\"count\":0'"), mark, 240)
        return [Figure("a line written meanwhile found after it was back", round(found), "s")]

    monitoring.silent(stack, "monitoring", [alert])
    monitoring.clean(stack, "monitoring")
    visits = served(targets, rate, failed=0, clean=0)
    off = faults.way("loses power")("logs")
    return outage(stack, off, 0, visits, meanwhile=meanwhile, recovered=recovered)
