"""What the engine has started ends with it, however that ended: a killed engine says no goodbye."""

import os
import select
import threading
from collections.abc import Callable


def watch(end: Callable[[], object]) -> None:
    """Call `end` when the process that has started this one is no more."""
    parent = os.pidfd_open(os.getppid())

    def wait() -> None:
        select.select([parent], [], [])
        end()

    threading.Thread(target=wait, daemon=True).start()
