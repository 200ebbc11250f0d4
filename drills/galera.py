"""A Galera cluster with one writer broken: the writer, another member, the network between, all, a member's disk.

The clients of the ledger write through HAProxy, as applications do. Members are known by what they say themselves
(`galera status`); who writes is asked through HAProxy.
"""

import contextlib
import functools
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import filter as matching
from typing import Any, TypeAlias

from drills import faults
from drills.drill import Drill, Figure, NotSeen
from drills.ledger import TIMEOUT, Ledger, ledger, told
from drills.patience import seconds_until
from stacks.deployed_stack import CommandFailed, DeployedStack, WithDatabase

Stack: TypeAlias = DeployedStack[WithDatabase]
PATIENCE = 180  # seconds in which members come back by themselves
NO_EFFECT = "one node lost has no effect: what was acknowledged stays, and never do two write"
SUSPICION = (
    "the others commit nothing until they have given a silent member up: 5 s (Galera's evs.suspect_timeout), looked "
    "for every 0.5 s (evs.inactive_check_period), and agreed upon in about 1 s"
)
MOVES = (
    f"{SUSPICION}; HAProxy leaves a silent writer after 6.5 s (GaleraCluster), and a client that has asked "
    f"it gives up after {TIMEOUT} s"
)
WITHOUT_MAJORITY = (
    f"{SUSPICION}; only then does a writer without a majority say so: HAProxy has left it 3 s later, and its clients "
    f"come back within {TIMEOUT} s"
)
ALL_TELL = (
    "members begin again once each has told its position, the one with the newest data first; the machines have to "
    "start for that (GaleraCluster)"
)
SEEN_AGAIN = (
    "members that see each other again go on at once, or are begun anew by their keepers after 30 s (GaleraCluster)"
)
DONOR = "a member that gives its data away takes no clients meanwhile, as long as there is another (GaleraCluster)"

WRITER, OTHER = "the writer", "another member"


@dataclass(frozen=True)
class Cluster:
    """A stack's cluster.

    members  of which its machines' names are: `db-*`
    over     a machine that writes to it and itself stays whole
    claims   what its drills measure
    """

    members: str
    over: str
    claims: tuple[str, ...]

    def names(self, stack: DeployedStack) -> list[str]:
        return matching(stack.machines, self.members)

    def standings(self, stack: DeployedStack) -> dict[str, dict[str, Any]]:
        """What the members say of themselves, those that say something."""
        for name in self.names(stack):
            with contextlib.suppress(CommandFailed, subprocess.TimeoutExpired):
                members = json.loads(stack.on(name, "sudo galera status", timeout=30))["members"]
                return {member: one for member, one in members.items() if isinstance(one, dict)}
        return {}

    def whole(self, stack: DeployedStack) -> bool:
        """Whether every member has all data."""
        found = self.standings(stack)
        return found.keys() >= set(self.names(stack)) and all(one["synced"] for one in found.values())

    def rejoined(self, stack: DeployedStack) -> tuple[float, int]:
        """Seconds until every member has all data, and how many of an operator's commands that took."""
        began, commands = time.monotonic(), 0
        with contextlib.suppress(NotSeen):
            return seconds_until(lambda: self.whole(stack), "every member synced", PATIENCE), commands
        for name in self.names(stack):
            if not self.standings(stack).get(name, {}).get("synced"):
                stack.on(name, "sudo systemctl restart mariadb", timeout=PATIENCE)
                commands += 1
        seconds_until(lambda: self.whole(stack), "every member synced", PATIENCE)
        return time.monotonic() - began, commands

    def writer(self, stack: Stack) -> str:
        """The member that HAProxy has everybody write to."""
        rows = told(stack, self.over, "SELECT @@hostname")
        if not rows or rows[0][0] not in self.names(stack):
            raise NotSeen(f"nobody writes: {rows}")
        return str(rows[0][0])

    def another(self, stack: Stack) -> str:
        """The last member that is not the writer."""
        return [name for name in self.names(stack) if name != self.writer(stack)][-1]

    @contextlib.contextmanager
    def written(self, stack: Stack, settled: float = 60) -> Iterator[Ledger]:
        """Writes and reads of an application."""
        address = stack.outputs.database.address
        with ledger(stack, over=self.over, write=address, read=address, settled=settled) as found:
            yield found

    def others(self, stack: DeployedStack, machine: str) -> list[str]:
        """The addresses of all members but one."""
        return [str(stack.machines[name].private) for name in self.names(stack) if name != machine]


def came_back(back: float, commands: int) -> list[Figure]:
    return [
        Figure("all members have all data after it came back", round(back, 1), "s"),
        Figure("commands that needed", commands, goal=0),
    ]


def lost(cluster: Cluster, who: str, how: str, fault: Callable[[str], faults.Fault], gap: float, limit: str) -> Drill:
    """`who` is `the writer`, whose place another has to take, or `another member`, of which writes take no notice."""
    writer = who == WRITER

    def run(stack: Stack) -> list[Figure]:
        cluster.rejoined(stack)
        machine = cluster.writer(stack) if writer else cluster.another(stack)
        with cluster.written(stack) as book:
            time.sleep(2)
            with fault(machine)(stack):
                time.sleep(20)
            back, commands = cluster.rejoined(stack)
            time.sleep(3)
        if writer and len(book.servers) < 2:
            raise NotSeen(f"only {book.servers} wrote, so nobody took over from {machine}")
        return [*book.figures(gap=gap, servers=None if writer else 1), *came_back(back, commands)]

    return Drill(name=f"{who} {how}", claims=cluster.claims, promise=NO_EFFECT, limit=limit, run=run)


def without_majority(cluster: Cluster, stack: Stack) -> list[Figure]:
    """Every member is alone: none may write, for the others might."""
    cluster.rejoined(stack)
    with cluster.written(stack) as book:
        time.sleep(2)
        with contextlib.ExitStack() as cuts:
            for name in cluster.names(stack):
                moment = cuts.enter_context(faults.parted(stack, name, cluster.others(stack, name), 20))
            time.sleep(10)
            over = time.time()
        healed = time.time()
        back, commands = cluster.rejoined(stack)
        time.sleep(3)
    alone = [one for one in book.acknowledged if moment < one.began and one.ended < over]
    return [
        *book.figures(),
        Figure("writes acknowledged without a majority", len(alone), goal=0),
        Figure("written again after it was healed", round(book.gap_after(healed), 1), "s", goal=40),
        *came_back(back, commands),
    ]


def all_lost(cluster: Cluster, stack: Stack) -> list[Figure]:
    cluster.rejoined(stack)
    with cluster.written(stack, settled=PATIENCE) as book:
        time.sleep(5)
        with faults.power_loss_of_all(stack, cluster.names(stack)):
            time.sleep(5)
        on = time.time()
        back, commands = cluster.rejoined(stack)
        time.sleep(5)
    return [
        *book.figures(),
        Figure("written again after the machines had started", round(book.gap_after(on), 1), "s", goal=90),
        *came_back(back, commands),
    ]


def emptied(cluster: Cluster, stack: Stack) -> list[Figure]:
    """A member's disk is a new one: it copies everything from another, while all are written to."""
    cluster.rejoined(stack)
    machine = cluster.another(stack)
    with cluster.written(stack) as book:
        stack.on(machine, "sudo systemctl stop mariadb", timeout=120)
        stack.on(machine, "sudo find /var/lib/mysql -mindepth 1 -delete")
        if (state := cluster.standings(stack)[machine]["state"]) != "blank":
            raise NotSeen(f"{machine} is {state}, not blank")
        began = time.monotonic()
        stack.on(machine, "sudo systemctl start mariadb", timeout=600)
        cluster.rejoined(stack)
        took = time.monotonic() - began
        time.sleep(3)
    size = stack.on(machine, "sudo du --summarize --block-size=1M --exclude=galera.cache /var/lib/mysql").split()[0]
    return [*book.figures(gap=5), Figure("MiB copied", int(size)), Figure("copied after", round(took, 1), "s")]


def drills(cluster: Cluster) -> list[Drill]:
    def parted(machine: str) -> faults.Fault:
        return lambda stack: faults.parted(stack, machine, cluster.others(stack, machine), 25)

    whole: dict[str, tuple[Callable[[Cluster, Stack], list[Figure]], str]] = {
        "every member is cut from the others": (without_majority, SEEN_AGAIN),
        "all members lose power at once": (all_lost, ALL_TELL),
        "a member comes back empty": (emptied, DONOR),
    }
    ways = faults.every_way("mariadb")
    return [
        *(lost(cluster, WRITER, how, fault, 10, MOVES) for how, fault in ways.items()),
        lost(cluster, WRITER, "is cut from the other members alone", parted, 13, WITHOUT_MAJORITY),
        *(lost(cluster, OTHER, how, fault, 8, SUSPICION) for how, fault in ways.items()),
        *(
            Drill(name=name, claims=cluster.claims, promise=NO_EFFECT, limit=limit, run=functools.partial(run, cluster))
            for name, (run, limit) in whole.items()
        ),
    ]
