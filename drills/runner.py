"""Runs drills: what it takes, which a stack has, and what becomes of each."""

import importlib
import shutil
import sys
import time
import traceback
from typing import Any

from drills.drill import Drill, NotSeen
from drills.results import Result
from stacks.deployed_stack import CommandFailed, DeployedStack
from stacks.environment import Stop
from stacks.stack_files import stack_file

# What drills look at a stack with, and the Debian package of each.
TOOLS = {
    "curl": "curl",
    "dig": "bind9-dnsutils",
    "nmap": "nmap",
    "openssl": "openssl",
    "shuf": "coreutils",
    "ssh-keygen": "openssh-client",
}


def check_tools() -> None:
    """Stop, before anything is broken, where a drill would lack a program half-way."""
    if missing := [tool for tool in TOOLS if not shutil.which(tool)]:
        packages = " ".join(TOOLS[tool] for tool in missing)
        raise Stop(f"{', '.join(missing)}: not on PATH, and drills need them: apt-get install {packages}")


def drills_of(stack: str) -> list[Drill]:
    stack_file(stack)
    name = f"drills.{stack.replace('-', '_')}"
    try:
        found: list[Drill] = importlib.import_module(name).DRILLS
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise Stop(f"STACK={stack}: it has no drills yet") from error
    return found


def run(drill: Drill, stack: DeployedStack[Any], runs: int) -> Result:
    """Run a drill some times; what it measured, or why it proves nothing."""
    result = Result(drill)
    for number in range(1, runs + 1):
        print(f"drill: {drill.name}{f', run {number} of {runs}' if runs > 1 else ''} ...", file=sys.stderr, flush=True)
        began = time.monotonic()
        try:
            result.runs.append(list(drill.run(stack)))
        except (NotSeen, CommandFailed) as error:
            result.broken = str(error)
        except Exception as error:  # the other drills are worth running all the same
            traceback.print_exc()
            result.broken = f"{type(error).__name__}: {error}"
        print(f"  {time.monotonic() - began:.0f} s: {result.summary()}", file=sys.stderr, flush=True)
        if result.broken:
            break
    return result
