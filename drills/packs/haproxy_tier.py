"""HaproxyTier: addresses that move between its machines, and a machine that is cut from its servers alone."""

import functools
import json
import time
from collections.abc import Callable, Sequence
from fnmatch import filter as matching
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

from drills import faults
from drills.drill import Drill, Figure, NotSeen
from drills.load import load
from drills.outage import AFTER, BEFORE, outage, served
from drills.patience import seconds_until
from stacks.deployed_stack import DeployedStack


class Members(NamedTuple):
    """The machines of a tier, by a pattern of their names, and the private network whose addresses move."""

    pattern: str
    network: str

    def names(self, stack: DeployedStack) -> list[str]:
        return matching(stack.machines, self.pattern)

    def moving(self, stack: DeployedStack, machine: str) -> set[str]:
        """Addresses that are on a machine, besides its own."""
        devices = json.loads(stack.on(machine, "ip -json -4 address"))
        found = {one["local"] for device in devices for one in device["addr_info"]}
        inside = {one for one in found if ip_address(one) in ip_network(self.network)}
        return inside - {str(stack.machines[machine].private)}

    def holder(self, stack: DeployedStack) -> str:
        """The one machine that has the one address."""
        [found] = [one for one in self.names(stack) if self.moving(stack, one)]
        return found

    def at_home(self, stack: DeployedStack) -> float:
        """Seconds until each machine has the address that is its own."""
        return seconds_until(
            lambda: all(len(self.moving(stack, one)) == 1 for one in self.names(stack)), "each one's own address", 150
        )

    def elsewhere(self, stack: DeployedStack, machine: str) -> Callable[[float], Sequence[Figure]]:
        """For `outage`: sees that another takes over the machine's address."""
        [address] = self.moving(stack, machine)
        others = [one for one in self.names(stack) if one != machine]

        def see(_: float) -> Sequence[Figure]:
            seconds_until(lambda: any(address in self.moving(stack, one) for one in others), f"{address} elsewhere", 20)
            return ()

        return see

    def comes_home(self, stack: DeployedStack, targets: Sequence[str], rate: int, machine: str) -> list[Figure]:
        """One that was away takes its address back under load."""
        self.at_home(stack)
        with load(targets, rate=rate, seconds=600, strangers=True) as seen:
            with faults.power_loss(stack, machine):
                time.sleep(BEFORE)
            back = time.time()
            home = self.at_home(stack)
            time.sleep(AFTER)
            seen.stop()
        return [
            Figure("its address at home after", round(home, 1), "s"),
            Figure("requests failed when it moved home", sum(one.ended > back for one in seen.failed), goal=0),
        ]


def usable(stack: DeployedStack, machine: str) -> bool:
    """What its page says to a balancer in front, and to keepalived."""
    ask = "import urllib.request as u; u.urlopen('http://127.0.0.1:8404/usable', timeout=2); print('usable')"
    return "usable" in stack.on(machine, f'python3 -c "{ask}" 2>/dev/null || true')


def parted_from(
    machine: str,
    servers: str,
    visitors: Callable[[Any], Sequence[str]],
    rate: int,
    *,
    seconds: int,
    clean: float,
    share: float,
    claims: tuple[str, ...],
    promise: str,
    limit: str,
) -> Drill:
    """A member is cut from the level below alone, both ways, while everybody else reaches both.

    servers  the machines behind it, by a pattern of their names
    clean    within how many seconds no visitor's request may fail any more
    share    the part of the visitors who meet the member
    """

    def run(stack: DeployedStack[Any]) -> list[Figure]:
        addresses = [str(stack.machines[name].private) for name in matching(stack.machines, servers)]
        if not addresses:
            raise NotSeen(f"no machine is called {servers}")
        fault = functools.partial(faults.parted, machine=machine, addresses=addresses, seconds=seconds)

        def says_ill(began: float) -> list[Figure]:
            seconds_until(lambda: not usable(stack, machine), f"{machine} saying that it is of no use", 30)
            return [Figure("it says that it is of no use after", round(time.time() - began, 1), "s", goal=8)]

        def well_again() -> list[Figure]:
            return [
                Figure("well again after", round(seconds_until(lambda: usable(stack, machine), "well", 30), 1), "s")
            ]

        failed = round(rate * share * clean)
        watch = served(visitors(stack), rate, failed=failed, clean=clean)
        return outage(stack, fault, seconds, watch, meanwhile=says_ill, recovered=well_again)

    return Drill(name=f"{machine} is cut from its servers alone", claims=claims, promise=promise, limit=limit, run=run)
