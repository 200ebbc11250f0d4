"""A site under load that loses something: the requests that fail, and how soon none does any more."""

import json
import time
from collections.abc import Callable, Sequence
from ipaddress import ip_address, ip_network

from drills.drill import Figure
from drills.faults import Fault
from drills.load import load
from stacks.deployed_stack import DeployedStack, WithUrl, world

BEFORE, AFTER = 5, 5  # seconds of load around what is measured


def under_load(
    stack: DeployedStack,
    targets: Sequence[str],
    fault: Fault,
    *,
    rate: int,
    seconds: int,
    failed: int,
    clean: float,
) -> list[Figure]:
    """Requests from the world, of strangers, while something is broken for `seconds` and comes back.

    failed  how many requests may fail at most
    clean   within how many seconds of the fault none may fail any more
    """
    longest = BEFORE + seconds + AFTER + 240  # switching a machine on takes its time
    with load(targets, rate=rate, seconds=longest, strangers=True) as seen:
        time.sleep(BEFORE)
        with fault(stack) as moment:
            time.sleep(seconds)
        back = time.time()
        time.sleep(AFTER)
        seen.stop()
    return [
        Figure("requests sent", len(seen.requests)),
        Figure("requests failed", len(seen.failed), goal=failed),
        Figure("clean after", round(seen.clean_after(moment, back), 2), "s", goal=clean),
        Figure("requests failed when it came back", sum(one.began > back for one in seen.failed), goal=0),
        Figure("99 % answered within", round(1000 * seen.percentile(0.99)), "ms"),
    ]


def serves(stack: DeployedStack[WithUrl], machine: str) -> Callable[[], bool]:
    """Whether one of some visitors meets the machine."""
    look = f"for n in 1 2 3; do curl -skI --max-time 5 {stack.outputs.url}; done"
    return lambda: f"x-served-by: {machine}" in world("sh", "-c", look, check=False).lower()


def moving(stack: DeployedStack, machine: str, network: str) -> set[str]:
    """Addresses of a private network that are on a machine, besides its own: a HAProxy tier's, which move."""
    devices = json.loads(stack.on(machine, "ip -json -4 address"))
    found = {one["local"] for device in devices for one in device["addr_info"]}
    return {one for one in found if ip_address(one) in ip_network(network)} - {stack.machines[machine].private}
