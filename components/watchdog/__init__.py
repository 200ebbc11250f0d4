"""What notices that a machine of a pair is lost, fences it, and lets the other take over."""

from casebook.watchdog.args import WatchdogArgs
from casebook.watchdog.component import Watchdog

__all__ = ["Watchdog", "WatchdogArgs"]
