"""A MysqlPair: who writes, and back to where it began."""

import json
import subprocess
import time
from typing import Any

from drills.drill import NotSeen
from drills.patience import seconds_until
from stacks.deployed_stack import CommandFailed, DeployedStack


def status(stack: DeployedStack, machine: str) -> dict[str, Any]:
    """What the database of a machine says of itself; empty while it says nothing."""
    try:
        found: dict[str, Any] = json.loads(stack.on(machine, "sudo mysql-pair status", timeout=30))
    except (CommandFailed, subprocess.TimeoutExpired):
        return {}
    return found


def replicates(stack: DeployedStack, machine: str) -> bool:
    found = status(stack, machine)
    return found.get("role") == "replica" and found["lag"] is not None


def rejoined(stack: DeployedStack, machine: str, patience: float = 120) -> tuple[float, int]:
    """Seconds until a machine that came back replicates, and how many of an operator's commands that took."""
    began = time.monotonic()
    try:
        return seconds_until(lambda: replicates(stack, machine), f"{machine} replicating", patience), 0
    except NotSeen:
        stack.on(machine, "sudo mysql-pair rejoin --discard", timeout=300)
        seconds_until(lambda: replicates(stack, machine), f"{machine} replicating", patience)
        return time.monotonic() - began, 1
