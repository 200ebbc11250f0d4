"""Waiting for what comes to pass."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(
    found: Callable[[], T], what: object = "it did not come to pass", seconds: float = 120, every: float = 0.1
) -> T:
    """What is found as soon as there is something; `what`, which may be asked for then, is wrong until there is.

    Only a failure takes all of `seconds`: they are many, for machines are busy.
    """
    deadline = time.monotonic() + seconds
    while not (seen := found()):
        assert time.monotonic() < deadline, f"after {seconds:.0f} s: {what() if callable(what) else what}"
        time.sleep(every)
    return seen
