"""What notices that a machine of a pair is lost, fences it, and lets the other take over."""

from pulumi_casebook.watching.watchdog.args import WatchdogArgs
from pulumi_casebook.watching.watchdog.component import Watchdog

__all__ = ["Watchdog", "WatchdogArgs"]
