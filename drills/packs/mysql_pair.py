"""MysqlPair broken: its writer, its replica; it is promoted, and goes home; its password is rotated."""

import contextlib
import functools
import json
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from drills import faults
from drills.changes import held, password_rotated
from drills.drill import Drill, Figure, NotSeen
from drills.ledger import Ledger
from drills.limits import DATABASE_STARTED_AGAIN, ROOM_AGAIN
from drills.outage import AFTER, Bears, Outage, Watch, outage, written
from drills.patience import seconds_until
from stacks.deployed_stack import CommandFailed, DeployedStack, WithDatabase

Stack = DeployedStack[WithDatabase]
UNTIL_IT_IS_BACK = "one machine writes; until it is back, or the other is promoted by hand, nothing is written"
# Without a write at most, while nobody promotes anything.
PRIMARY = {
    "has mariadb killed": Bears(10, 15, DATABASE_STARTED_AGAIN),
    "loses power": Bears(20, 60, f"off for 20 s, and its start; {UNTIL_IT_IS_BACK}"),
    "freezes": Bears(20, 35, "frozen for 25 s, a client's 3 s until it gives a connection up, and the next"),
    "is cut off": Bears(20, 35, "cut off for 25 s, a client's 3 s until it gives a connection up, and the next"),
    faults.FULL: Bears(20, 95, f"full for 25 s; {ROOM_AGAIN}"),
}


def status(stack: DeployedStack, machine: str) -> dict[str, Any]:
    """What the database of a machine says of itself; empty while it says nothing."""
    try:
        found: dict[str, Any] = json.loads(stack.on(machine, "sudo mysql-pair status", timeout=30))
    except (CommandFailed, subprocess.TimeoutExpired):
        return {}
    return found


def writes(stack: DeployedStack, machine: str) -> bool:
    return status(stack, machine).get("role") == "writer"


def replicates(stack: DeployedStack, machine: str) -> bool:
    found = status(stack, machine)
    return found.get("role") == "replica" and found["lag"] is not None


def promote(stack: DeployedStack, machine: str, *options: str) -> None:
    stack.on(machine, f"sudo mysql-pair promote {' '.join(options)}", timeout=120)


def rejoined(
    stack: DeployedStack, machine: str, works: Callable[[DeployedStack[Any], str], bool] = replicates
) -> tuple[float, int]:
    """Seconds until a machine that came back works, and how many of an operator's commands that took."""
    began = time.monotonic()
    with contextlib.suppress(NotSeen):
        return seconds_until(lambda: works(stack, machine), f"{machine} at work again", 120), 0
    stack.on(machine, "sudo mysql-pair rejoin --discard", timeout=300)
    seconds_until(lambda: works(stack, machine), f"{machine} at work again", 120)
    return time.monotonic() - began, 1


@dataclass(frozen=True)
class Pair:
    """A stack's two databases: the one that writes at first, and the other.

    over    a machine of the application's that itself stays whole
    claims  what its drills measure
    """

    first: str
    second: str
    over: str
    claims: tuple[str, ...]

    def at_first(self, stack: DeployedStack) -> None:
        """Each does what it did after the first `up`."""
        if not writes(stack, self.first):
            promote(stack, self.first)
        seconds_until(lambda: replicates(stack, self.second), f"{self.second} replicating", 180)

    def written(
        self,
        stack: Stack,
        check: Callable[[Ledger, Outage], Sequence[Figure]],
        *,
        read: str | None = None,
        over: str | None = None,
    ) -> Watch:
        """Writes to whoever writes, and reads from one of the two, the second if it is not said."""
        address = stack.outputs.database.address
        reads = f"{stack.machines[read or self.second].private}:{address.partition(':')[2]}"
        return written(stack, check, over=over or self.over, write=address, read=reads, settled=180)

    def way_home(self, stack: Stack, *, over: str | None = None) -> list[Figure]:
        """The first writes again, as planned."""

        def check(book: Ledger, _: Outage) -> list[Figure]:
            return [
                Figure("acknowledged writes lost on the way home", len(book.lost), goal=0),
                Figure("two servers wrote on the way home", max(0.0, round(book.two_writers, 2)), "s", goal=0),
                Figure("no write for, on the way home", round(book.longest_gap, 2), "s", goal=15),
            ]

        return outage(stack, promoted(self.first), AFTER, self.written(stack, check, over=over))

    def accounts(self, stack: DeployedStack) -> list[str]:
        """What the servers hold of accounts, by digest."""
        return held(stack, (self.first, self.second), "/etc/mysql-pair.json")

    def password_rotated(self, targets: Callable[[Any], Sequence[str]], rate: int, over: str) -> Callable[..., Any]:
        """The application's, while it serves."""

        def run(stack: Stack) -> list[Figure]:
            return password_rotated(stack, targets(stack), rate, self.accounts, "database-application", over=over)

        return run


def promoted(machine: str, *options: str) -> faults.Fault:
    """For `outage`: a command of the operator's, at its moment."""

    @contextlib.contextmanager
    def command(stack: DeployedStack) -> Iterator[float]:
        moment = time.time()
        promote(stack, machine, *options)
        yield moment

    return command


def replica_lost(pair: Pair, how: str, fault: faults.Fault, seconds: int) -> Drill:
    def recovered(stack: Stack) -> list[Figure]:
        back, commands = rejoined(stack, pair.second)
        return [
            Figure("replicates again after it came back", round(back, 1), "s"),
            Figure("commands that needed", commands, goal=0),
        ]

    def run(stack: Stack) -> list[Figure]:
        pair.at_first(stack)
        writing = pair.written(stack, lambda book, _: book.figures(gap=1, servers=1))
        return outage(stack, fault, seconds, writing, recovered=lambda: recovered(stack))

    return Drill(
        name=f"{pair.second}, the replica, {how}",
        claims=pair.claims,
        promise="nothing that writes notices that the slave is lost",
        run=run,
    )


def primary_lost(pair: Pair, how: str, fault: faults.Fault, bears: Bears) -> Drill:
    """Nobody promotes anything: it comes back by itself, and writes."""

    def check(book: Ledger, when: Outage) -> list[Figure]:
        again = Figure("writes again after it came back", round(book.gap_after(when.over), 1), "s")
        return [*book.figures(gap=bears.clean, servers=1), again]

    def recovered(stack: Stack) -> list[Figure]:
        took = seconds_until(lambda: writes(stack, pair.first), f"{pair.first} writing", 180)
        return [Figure("its keeper agrees after", round(took, 1), "s")]

    def run(stack: Stack) -> list[Figure]:
        pair.at_first(stack)
        return outage(stack, fault, bears.seconds, pair.written(stack, check), recovered=lambda: recovered(stack))

    return Drill(
        name=f"{pair.first}, the primary, {how}",
        claims=pair.claims,
        promise="what was acknowledged is there when the primary is back, and nothing is written by two",
        limit=bears.limit,
        run=run,
    )


def promoted_as_planned(pair: Pair, stack: Stack) -> list[Figure]:
    """There and back again."""
    pair.at_first(stack)
    writing = pair.written(stack, lambda book, _: book.figures(gap=15, servers=2), read=pair.first)
    return [*outage(stack, promoted(pair.second), 0, writing), *pair.way_home(stack)]


def promoted_after_loss(pair: Pair, stack: Stack) -> list[Figure]:
    commands = 0

    def meanwhile(began: float) -> list[Figure]:
        promote(stack, pair.second, "--peer-is-off")
        return [Figure("from the loss to the command's end", round(time.time() - began, 1), "s")]

    def recovered() -> list[Figure]:
        nonlocal commands
        back, commands = rejoined(stack, pair.first)
        return [
            Figure("the old primary replicates after it came back", round(back, 1), "s"),
            Figure("commands that needed, besides promote", commands),
        ]

    def check(book: Ledger, when: Outage) -> list[Figure]:
        named = int(not book.lost or commands > 0)
        return [
            *book.figures(lost=20, servers=2),
            Figure("written again after the loss", round(book.gap_after(when.began), 1), "s", goal=30),
            Figure("its rows that nobody replicated named", named, goal=1, least=True),
        ]

    pair.at_first(stack)
    off, writing = functools.partial(faults.power_loss, machine=pair.first), pair.written(stack, check)
    figures = outage(stack, off, AFTER, writing, meanwhile=meanwhile, recovered=recovered)
    pair.at_first(stack)
    return figures


def drills(pair: Pair) -> list[Drill]:
    """Of a pair whose second is promoted by hand."""
    every = faults.every_way("mariadb")

    def parted(seconds: int, sides: Sequence[str]) -> faults.Fault:
        return lambda stack: faults.parted(
            stack, pair.second, [str(stack.machines[pair.first].private)], seconds, sides
        )

    return [
        *(
            replica_lost(pair, how.format(pair.first), parted(*parting), AFTER)
            for how, parting in faults.PARTINGS.items()
        ),
        *(replica_lost(pair, how, fault(pair.second), PRIMARY[how].seconds) for how, fault in every.items()),
        *(primary_lost(pair, how, fault(pair.first), PRIMARY[how]) for how, fault in every.items()),
        Drill(
            name=f"{pair.second} is promoted as planned, and {pair.first} again",
            claims=pair.claims,
            promise="the slave can take over, and nothing is lost by it",
            limit="`mysql-pair promote`: the old writer stops, the new one applies all of it, the address moves within "
            "a look of the keeper, every 3 s (MysqlPair)",
            run=functools.partial(promoted_as_planned, pair),
        ),
        Drill(
            name=f"{pair.first} loses power and {pair.second} is promoted",
            claims=pair.claims,
            promise="the slave can take over",
            limit="by an operator's `mysql-pair promote --peer-is-off`; replication is asynchronous, so what was "
            "acknowledged within the last second can be missing, and is then named (MysqlPair)",
            run=functools.partial(promoted_after_loss, pair),
        ),
    ]
