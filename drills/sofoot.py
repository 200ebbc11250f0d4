"""So Foot's drills: any one machine that serves is lost, in every way there is (SOF-10), and the peak (SOF-9)."""

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager

from drills import faults, sofoot_changes
from drills.drill import Drill, Figure
from drills.serving import under_load
from stacks.running import Running

RATE = 50  # requests a second
NO_INTERRUPTION = "no interruption for a month: any one HAProxy, web server or instance can be lost"
PROBES = (
    "an IP Load Balancing and HAProxy take a server out after three failed probes, two seconds apart, each with a "
    "second to answer; a request that has reached it by then is lost "
    "(components/load_balancer_ip, components/haproxy_tier)"
)

Fault = Callable[[Running], AbstractContextManager[float]]


def lost(machine: str, how: str, fault: Fault, failed: int, clean: float) -> Drill:
    def run(stack: Running) -> list[Figure]:
        targets = [f"GET {stack.outputs['url']}/"]
        broken = functools.partial(fault, stack)
        return under_load(targets, broken, rate=RATE, seconds=20, failed=failed, clean=clean)

    return Drill(name=f"{machine} {how}", claims=("SOF-10",), promise=NO_INTERRUPTION, limit=PROBES, run=run)


def ways(machine: str, unit: str) -> list[Drill]:
    return [
        lost(machine, "loses power", lambda stack: faults.power_loss(stack, machine), failed=RATE * 8, clean=8),
        lost(machine, f"has {unit} killed", lambda stack: faults.killed(stack, machine, unit), failed=RATE, clean=8),
        lost(machine, "freezes", lambda stack: faults.frozen(stack, machine, 20), failed=RATE * 8, clean=8),
        lost(machine, "is cut off", lambda stack: faults.cut_off(stack, machine, 20), failed=RATE * 8, clean=8),
    ]


DRILLS = [
    *ways("haproxy-1", "haproxy"),
    *ways("web-1", "nginx"),  # a dedicated server
    *ways("web-8", "nginx"),  # an instance
    *sofoot_changes.DRILLS,
]
