"""A stack that is changed by `up` while it serves: a setting, a secret, a certificate."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from drills.deployment import up
from drills.drill import Figure, NotSeen
from drills.load import load
from stacks.running import Running

BEFORE, AFTER = 5, 5  # seconds of load around the change
LONGEST = 1800


@contextlib.contextmanager
def serving(targets: Sequence[str], rate: int) -> Iterator[list[Figure]]:
    """Load while the block runs; the figures are there once it has ended."""
    figures: list[Figure] = []
    with load(targets, rate=rate, seconds=LONGEST) as seen:
        time.sleep(BEFORE)
        began = time.monotonic()
        yield figures
        took = time.monotonic() - began
        time.sleep(AFTER)
        seen.stop()
    figures += [
        Figure("requests sent", len(seen.requests)),
        Figure("requests failed", len(seen.failed), goal=0),
        Figure("99 % answered within", round(1000 * seen.percentile(0.99)), "ms"),
        Figure("the change took", round(took), "s"),
    ]


def changed(stack: Running, look: Callable[[], Sequence[Any]], *options: str) -> None:
    """One `up` with these options; NotSeen where something that `look` returns is as before."""
    before = look()
    up(stack.name, *options)
    same = sum(old == new for old, new in zip(before, look(), strict=True))
    if same:
        raise NotSeen(f"up {' '.join(options)} left {same} of {len(before)} as they were")
