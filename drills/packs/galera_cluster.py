"""GaleraCluster broken: a member, the network between, all of them, a member's disk.

Applications write through HAProxy. Members are known by what they say themselves (`galera status`); who writes is
asked through HAProxy.
"""

import contextlib
import functools
import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import filter as matching
from typing import Any

from drills import faults
from drills.drill import Drill, Figure, NotSeen
from drills.ledger import TABLE, TIMEOUT, Ledger, ledger, told
from drills.outage import Check, Outage, nothing, outage
from drills.patience import seconds_until
from stacks.deployed_stack import CommandFailed, DeployedStack, WithAccount, WithDatabase

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
BEGIN_AGAIN = (
    "who is left alone stops within seconds, as it must; a daemon is started again by systemd, and the members begin "
    "anew once each has told its position, at most 30 s after they have given each other up (GaleraCluster)"
)
DONOR = "a member that gives its data away takes no clients meanwhile, as long as there is another (GaleraCluster)"


@dataclass(frozen=True)
class Application:
    """Who writes: over a machine that itself stays whole (the last one of a pattern), through an address.

    name  before its figures, where there are several
    """

    over: str
    address: Callable[[Any], str]
    name: str = ""
    table: str = TABLE


@dataclass(frozen=True)
class Cluster:
    """A stack's cluster.

    members       which of its machines' names are: `db-*`
    applications  who writes, at the same time
    claims        what its drills measure
    arbitrators   machines that vote as well
    """

    members: str
    applications: tuple[Application, ...]
    claims: tuple[str, ...]
    arbitrators: tuple[str, ...] = ()

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

    def rejoined(self, stack: DeployedStack) -> list[Figure]:
        """Until every member has all data: how long, and how many of an operator's commands that took."""
        began, commands = time.monotonic(), 0
        try:
            seconds_until(lambda: self.whole(stack), "every member synced", PATIENCE)
        except NotSeen:
            for name in self.names(stack):
                if not self.standings(stack).get(name, {}).get("synced"):
                    stack.on(name, "sudo systemctl restart mariadb", timeout=PATIENCE)
                    commands += 1
            seconds_until(lambda: self.whole(stack), "every member synced", PATIENCE)
        return [
            Figure("all members have all data after it came back", round(time.monotonic() - began, 1), "s"),
            Figure("commands that needed", commands, goal=0),
        ]

    def writer(self, stack: DeployedStack[WithDatabase]) -> str:
        """The member that HAProxy has everybody write to."""
        rows = told(stack, matching(stack.machines, self.applications[0].over)[-1], "SELECT @@hostname")
        if not rows or rows[0][0] not in self.names(stack):
            raise NotSeen(f"nobody writes: {rows}")
        return str(rows[0][0])

    def another(self, stack: DeployedStack[WithDatabase]) -> str:
        """The last member that is not the writer."""
        return [name for name in self.names(stack) if name != self.writer(stack)][-1]

    def others(self, stack: DeployedStack, machine: str) -> list[str]:
        """The addresses of all members but one."""
        return [str(stack.machines[name].private) for name in self.names(stack) if name != machine]

    @contextlib.contextmanager
    def written(
        self,
        stack: DeployedStack[WithAccount],
        check: Callable[[Ledger, Outage], Sequence[Figure]] = nothing,
        *,
        gap: float | None = None,
        gaps: Mapping[str, float] | None = None,
        servers: int | None = None,
        settled: float = 60,
    ) -> Iterator[Check]:
        """Writes and reads of every application, whose figures `check` adds to.

        gap      seconds without a write that are borne; `gaps`: by an application's name
        servers  how many have to acknowledge; where several applications write, so do several servers at once
        """
        bears = gaps or {}

        def figures(application: Application, book: Ledger, when: Outage) -> Iterator[Figure]:
            several = len(self.applications) > 1
            borne = bears.get(application.name, gap)
            for one in (*book.figures(gap=borne, servers=servers, any_writes=several), *check(book, when)):
                yield one._replace(name=f"{application.name}: {one.name}") if several else one

        with contextlib.ExitStack() as kept:
            books = []
            for application in self.applications:
                over, address = matching(stack.machines, application.over)[-1], application.address(stack)
                opened = ledger(stack, over=over, write=address, read=address, settled=settled, table=application.table)
                books.append((application, kept.enter_context(opened)))
            yield lambda when: [one for book in books for one in figures(*book, when)]
            for _, book in books:
                book.go_on()


def lost(
    cluster: Cluster,
    who: str,
    how: str,
    fault: Callable[[str], faults.Fault],
    *,
    find: Callable[[DeployedStack[Any]], str] | None = None,
    gap: float,
    limit: str,
    promise: str = NO_EFFECT,
    claims: tuple[str, ...] = (),
    servers: int | None = None,
) -> Drill:
    """A member.

    find     which one it is just then; it is `who` itself otherwise
    servers  how many have to write: one where writes take no notice, two where one takes over
    """

    def run(stack: DeployedStack[WithAccount]) -> list[Figure]:
        cluster.rejoined(stack)
        machine = find(stack) if find else who
        writes = cluster.written(stack, gap=gap, servers=servers)
        return outage(stack, fault(machine), 20, writes, recovered=lambda: cluster.rejoined(stack))

    return Drill(name=f"{who} {how}", claims=claims or cluster.claims, promise=promise, limit=limit, run=run)


def without_majority(cluster: Cluster, stack: DeployedStack[WithAccount]) -> list[Figure]:
    """Every member is alone: none may write, for the others might."""
    seconds = 20

    @contextlib.contextmanager
    def all_parted(stack: DeployedStack) -> Iterator[float]:
        with contextlib.ExitStack() as cuts:
            for name in cluster.names(stack):
                moment = cuts.enter_context(faults.parted(stack, name, cluster.others(stack, name), seconds))
            yield moment

    def check(book: Ledger, when: Outage) -> list[Figure]:
        alone = [one for one in book.acknowledged if when.began < one.began and one.ended < when.began + seconds / 2]
        return [
            Figure("writes acknowledged without a majority", len(alone), goal=0),
            Figure("written again after it was healed", round(book.gap_after(when.over), 1), "s", goal=40),
        ]

    cluster.rejoined(stack)
    writes = cluster.written(stack, check)
    return outage(stack, all_parted, seconds / 2, writes, recovered=lambda: cluster.rejoined(stack))


def all_lost(
    cluster: Cluster, stack: DeployedStack[WithAccount], again: float | None = 90, settled: float = PATIENCE
) -> list[Figure]:
    """With the arbitrators: nobody is left who knows.

    again  within how many seconds of the machines' start somebody has to write
    """

    def check(book: Ledger, when: Outage) -> list[Figure]:
        took = round(book.gap_after(when.over), 1)
        return [Figure("written again after the machines had started", took, "s", goal=again)]

    cluster.rejoined(stack)
    off = functools.partial(faults.power_loss_of_all, machines=[*cluster.names(stack), *cluster.arbitrators])
    writes = cluster.written(stack, check, settled=settled)
    return outage(stack, off, 5, writes, recovered=lambda: cluster.rejoined(stack))


def all_killed(
    cluster: Cluster, stack: DeployedStack[WithAccount], spared: int = 0, settled: float = PATIENCE
) -> list[Figure]:
    """Daemons end at once on machines that run on, as by a query that crashes whoever applies it."""
    cluster.rejoined(stack)
    machines = cluster.names(stack)
    writes = cluster.written(stack, gap=90, settled=settled)
    fault = functools.partial(faults.all_killed, machines=machines[: len(machines) - spared], unit="mariadb")
    return outage(stack, fault, 5, writes, recovered=lambda: cluster.rejoined(stack))


def emptied(cluster: Cluster, stack: DeployedStack[WithDatabase]) -> list[Figure]:
    """A member's disk is a new one: it copies everything from another, while all are written to."""
    cluster.rejoined(stack)
    machine = cluster.another(stack)

    @contextlib.contextmanager
    def empty(stack: DeployedStack) -> Iterator[float]:
        moment = time.time()
        stack.on(machine, "sudo systemctl stop mariadb", timeout=120)
        stack.on(machine, "sudo find /var/lib/mysql -mindepth 1 -delete")
        if (state := cluster.standings(stack)[machine]["state"]) != "blank":
            raise NotSeen(f"{machine} is {state}, not blank")
        yield moment
        stack.on(machine, "sudo systemctl start mariadb", timeout=600)
        cluster.rejoined(stack)

    def check(_: Ledger, when: Outage) -> list[Figure]:
        size = stack.on(machine, "sudo du --summarize --block-size=1M --exclude=galera.cache /var/lib/mysql")
        return [
            Figure("MiB copied", int(size.split()[0])),
            Figure("copied after", round(when.over - when.began, 1), "s"),
        ]

    return outage(stack, empty, 0, cluster.written(stack, check, gap=5))


def drills(cluster: Cluster) -> list[Drill]:
    """Of a cluster with one writer."""

    def parted(seconds: int, sides: Sequence[str]) -> Callable[[str], faults.Fault]:
        return lambda machine: (
            lambda stack: faults.parted(stack, machine, cluster.others(stack, machine), seconds, sides)
        )

    whole: dict[str, tuple[Callable[[Cluster, DeployedStack[Any]], list[Figure]], str]] = {
        "every member is cut from the others": (without_majority, SEEN_AGAIN),
        "all members lose power at once": (all_lost, ALL_TELL),
        "all members have mariadb killed at once": (all_killed, BEGIN_AGAIN),
        "all members but one have mariadb killed at once": (functools.partial(all_killed, spared=1), BEGIN_AGAIN),
        "a member comes back empty": (emptied, DONOR),
    }
    ways = faults.every_way("mariadb")
    writer = functools.partial(lost, cluster, "the writer", find=cluster.writer, servers=2)
    other = functools.partial(lost, cluster, "another member", find=cluster.another, servers=1)
    return [
        *(writer(how, fault, gap=10, limit=MOVES) for how, fault in ways.items()),
        *(
            writer(how.format("the other members"), parted(*parting), gap=13, limit=WITHOUT_MAJORITY)
            for how, parting in faults.PARTINGS.items()
        ),
        *(other(how, fault, gap=8, limit=SUSPICION) for how, fault in ways.items()),
        *(
            Drill(name=name, claims=cluster.claims, promise=NO_EFFECT, limit=limit, run=functools.partial(run, cluster))
            for name, (run, limit) in whole.items()
        ),
    ]
