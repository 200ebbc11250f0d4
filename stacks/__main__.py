"""python -m stacks ACTION [STACK]: what the make targets call."""

import argparse
import sys

from pulumi_casebook import InputError
from stacks import autoscaler, commands, inventory
from stacks.environment import Stop
from stacks.stack_files import names

# What Pulumi does with a stack; `scale` and those of inventories are Casebook's own.
PULUMI = {
    "up": "build it",
    "preview": "show what `up` would change",
    "outputs": "print its outputs, as JSON",
    "destroy": "take it away; what the account rents stays, and copies, unless --ignore-protect is given",
    "shell": "a shell where plain pulumi commands work",
}
OPTIONS = "Further options go to pulumi: --expect-no-changes, --target, --show-secrets, ..."


def parser() -> argparse.ArgumentParser:
    known = f"one of: {', '.join(names())}"
    top = argparse.ArgumentParser(prog="python -m stacks", description="Build a published architecture.")
    actions = top.add_subparsers(dest="action", required=True)
    for action, what in PULUMI.items():
        one = actions.add_parser(action, help=what, epilog=OPTIONS, allow_abbrev=False)
        one.add_argument("stack", help=known)
        one.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting, for this run")
        one.add_argument("--rotate", action="append", default=[], metavar="NAME", help="rotate this secret (up)")
    scale = actions.add_parser("scale", help="run its autoscaler (casebook-autoscaler)")
    scale.add_argument("stack", help=known)
    for action, what in (("inventory", "compare with what is committed"), ("accept", "take what it is now as right")):
        one = actions.add_parser(action, help=what)
        one.add_argument("stack", nargs="*", help=f"some of: {', '.join(names())}; none: all of them")
    one.add_argument("--lose", nargs="*", default=[], metavar="NAME", help="resources whose data may go")
    since = actions.add_parser("against", help="what inventories differ in from another revision, for pull requests")
    since.add_argument("revision")
    return top


def main() -> int:
    top = parser()
    given, options = top.parse_known_args()
    if options and given.action not in PULUMI:
        top.error(f"unrecognized arguments: {' '.join(options)}")
    try:
        match given.action:
            case "scale":
                autoscaler.run(given.stack)
            case "inventory":
                inventory.check(given.stack or names())
            case "accept":
                inventory.take(given.stack or names(), given.lose)
            case "against":
                inventory.against(given.revision, names())
            case action:
                commands.execute(action, given.stack, given.set, given.rotate, options)
    except (Stop, InputError) as error:
        print(f"casebook: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("casebook: interrupted; the same command continues", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
