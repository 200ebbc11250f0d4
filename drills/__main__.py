"""python -m drills STACK [--only WORDS] [--runs N]: what `make drill` calls.

Runs the drills of a stack that is up, one after the other, and writes what was measured to drills/results/STACK.yaml.
Ends with an error when a promise was not kept, or when a fault could not be brought about.
"""

import argparse
import importlib
import random
import shutil
import sys
import time
import traceback
from typing import Any

from drills import deployment
from drills.drill import Drill, NotSeen
from drills.results import Result, record
from stacks.__main__ import stack_file
from stacks.running import CommandFailed, Running
from stacks.target import Stop

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


def run(drill: Drill, stack: Running[Any], runs: int) -> Result:
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


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m drills", description="Break a stack that is up, and measure.")
    parser.add_argument("stack")
    parser.add_argument("--only", default="", metavar="WORDS", help="the drills whose name has these words")
    parser.add_argument("--runs", type=int, default=1, help="how often each; the table shows median and worst")
    parser.add_argument("--deployment", action="store_true", help="the drills that take the stack away and build it")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of their random moments")  # noqa: S311
    parser.add_argument("--list", action="store_true", help="only show the drills")
    given = parser.parse_args()
    try:
        drills = deployment.drills(given.seed) if given.deployment else drills_of(given.stack)
        chosen = [drill for drill in drills if given.only in drill.name]
        if not chosen:
            raise Stop(f"--only={given.only}: no drill of {given.stack} has these words; --list shows them")
        if given.list:
            print("\n".join(f"{drill.name} ({', '.join(drill.claims)})" for drill in chosen))
            return 0
        check_tools()
        if given.deployment:
            print(f"drills: --seed={given.seed}", file=sys.stderr)
            deployment.up(given.stack)
        stack = Running.named(given.stack)
        results = []
        for drill in chosen:
            results.append(run(drill, stack, given.runs))
            record(given.stack, results[-1])
    except Stop as error:
        print(f"casebook: {error}", file=sys.stderr)
        return 1
    failed = [result for result in results if not result.held]
    print(f"{len(results) - len(failed)} of {len(results)} drills held", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
