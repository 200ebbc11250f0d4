"""Something is broken while it is used: a fault, loads that go on meanwhile, and a check of what became of each.

A watch is a load while its block runs, and gives the check that tells its figures once that has ended. Faults
(`drills.faults`), loads and checks know nothing of each other: each drill puts together what it needs.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from drills import faults
from drills.drill import Drill, Figure
from drills.ledger import TABLE, Ledger, ledger
from drills.load import load
from stacks.deployed_stack import DeployedStack, WithAccount

BEFORE, AFTER = 5, 5  # seconds of load around what is measured
LONGEST = 1800  # seconds that a drill's load may take


class Outage(NamedTuple):
    """When it began, and when what was broken was back, in seconds since the epoch."""

    began: float
    over: float


Check = Callable[[Outage], Sequence[Figure]]
Watch = AbstractContextManager[Check]


def nothing(*_: object) -> Sequence[Figure]:
    return ()


def outage(
    stack: DeployedStack,
    fault: faults.Fault,
    seconds: float,
    *watches: Watch,
    meanwhile: Callable[[float], Sequence[Figure]] = nothing,
    recovered: Callable[[], Sequence[Figure]] = nothing,
) -> list[Figure]:
    """The figures of a fault that lasts for some seconds, of all watches, and of what is done besides.

    meanwhile  done at first while it is broken, with the moment at which it was
    recovered  done when it is back, still watched
    """
    with contextlib.ExitStack() as watched:
        checks = [watched.enter_context(watch) for watch in watches]
        time.sleep(BEFORE)
        with fault(stack) as began:
            seen = [*meanwhile(began)]
            time.sleep(seconds)
        over = time.time()
        seen += recovered()
        time.sleep(AFTER)
    return [*(figure for check in checks for figure in check(Outage(began, over))), *seen]


@contextlib.contextmanager
def served(targets: Sequence[str], rate: int, *, failed: int, clean: float) -> Iterator[Check]:
    """Requests from the world, of strangers.

    failed  how many may fail at most
    clean   within how many seconds of the fault none may fail any more
    """
    with load(targets, rate=rate, seconds=LONGEST, strangers=True) as seen:
        yield lambda outage: [
            Figure("requests sent", len(seen.requests)),
            Figure("requests failed", len(seen.failed), goal=failed),
            Figure("clean after", round(seen.clean_after(*outage), 2), "s", goal=clean),
            Figure("requests failed when it came back", sum(one.began > outage.over for one in seen.failed), goal=0),
            Figure("99 % answered within", round(1000 * seen.percentile(0.99)), "ms"),
        ]
        seen.stop()


@contextlib.contextmanager
def written(
    stack: DeployedStack[WithAccount],
    check: Callable[[Ledger, Outage], Sequence[Figure]],
    *,
    over: str,
    write: str,
    read: str,
    settled: float = 60,
    table: str = TABLE,
) -> Iterator[Check]:
    """An application's writes and reads (`drills.ledger`), until one that begins after all was acknowledged."""
    with ledger(stack, over=over, write=write, read=read, settled=settled, table=table) as book:
        yield lambda outage: check(book, outage)
        book.go_on()


class Bears(NamedTuple):
    """What a fault may cost: it lasts for `seconds`, is clean after so many, for the reason of its `limit`."""

    seconds: int
    clean: float
    limit: str = ""


UNSEEN = Bears(20, 0)


def machine_lost(
    machine: str,
    visitors: Callable[[Any], Sequence[str]],
    rate: int,
    *,
    killed: Mapping[str, Bears],
    lost: Mapping[str, Bears] | Bears,
    share: float = 1,
    claims: tuple[str, ...],
    promise: str,
) -> list[Drill]:
    """A machine that serves is broken in every way: its daemons, as a whole, its disk, which it does not need.

    killed  daemon -> what that may cost
    lost    the same for each way in which the whole machine is lost
    share   the part of the visitors who meet it
    """
    whole = dict.fromkeys(faults.WAYS, lost) if isinstance(lost, Bears) else lost
    ways = [
        *((faults.has_killed(unit), faults.kill(machine, unit), bears) for unit, bears in killed.items()),
        *((how, faults.ways(machine, bears.seconds + 5)[how], bears) for how, bears in whole.items()),
        (faults.FULL, faults.full(machine, UNSEEN.seconds + 5), UNSEEN),
    ]

    def drill(how: str, fault: faults.Fault, bears: Bears) -> Drill:
        def run(stack: DeployedStack[Any]) -> list[Figure]:
            failed = round(rate * bears.clean * share)
            return outage(stack, fault, bears.seconds, served(visitors(stack), rate, failed=failed, clean=bears.clean))

        return Drill(name=f"{machine} {how}", claims=claims, promise=promise, limit=bears.limit, run=run)

    return [drill(*way) for way in ways]
