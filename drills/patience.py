"""Waiting for something, and telling how long it took."""

import time
from collections.abc import Callable
from typing import Any

from drills.drill import NotSeen


def seconds_until(seen: Callable[[], Any], what: str, at_most: float, every: float = 0.5) -> float:
    """Seconds until `seen` is true; NotSeen says that `what` was not seen."""
    began = time.monotonic()
    while not seen():
        if time.monotonic() - began > at_most:
            raise NotSeen(f"{what}: not seen within {at_most:g} s")
        time.sleep(every)
    return time.monotonic() - began
