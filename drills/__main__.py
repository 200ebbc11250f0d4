"""python -m drills STACK [--only WORDS] [--runs N]: what `make drill` calls.

Runs the drills of a stack that is up, one after the other, and writes what was measured to drills/results/STACK.yaml.
Ends with an error when a promise was not kept, or when a fault could not be brought about.
"""

import argparse
import random
import sys

from drills import deployment
from drills.results import record
from drills.runner import check_tools, drills_of, run
from stacks.deployed_stack import DeployedStack
from stacks.environment import Stop


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
        stack = DeployedStack.named(given.stack)
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
