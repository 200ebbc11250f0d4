"""python -m stacks up | preview | outputs | destroy | shell STACK: what the make targets call."""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from sandbox.building import write
from stacks.mend import events_of, make_readable, mend, release_dead_lock, renewals, replacements
from stacks.target import CHECKOUT, HOME, Stop, empty_project, is_account, prepare

FILES = CHECKOUT / "stacks"
SALT = "encryptionsalt"  # of Pulumi's passphrase, which it writes into the file of its stack
COUNTS = "casebook:sandbox"  # in a stack's file: the counts for which the sandbox is too small


def names() -> list[str]:
    return sorted(file.name.split(".")[1] for file in FILES.glob("Pulumi.*.yaml"))


def stack_file(stack: str) -> Path:
    if stack not in names():
        raise Stop(f"STACK={stack}: no such stack; there are: {', '.join(names())}")
    return FILES / f"Pulumi.{stack}.yaml"


def config_file(stack: str) -> Path:
    """A copy of the stack's file for Pulumi to write its encryption salt into, so that the checkout stays clean.

    The sandbox has a passphrase of its own, so the salt in a file that was used with a real account is not for it.
    """
    copy = HOME / "stacks" / f"Pulumi.{stack}.yaml"
    copy.parent.mkdir(parents=True, exist_ok=True)
    text = stack_file(stack).read_text()
    if not is_account():
        content = yaml.safe_load(text)
        content.pop(SALT, None)
        own = yaml.safe_load(copy.read_text()) if copy.exists() else {}
        content |= {SALT: own[SALT]} if SALT in own else {}
        config = content["config"]
        if counts := config.pop(COUNTS, None):
            resize(config["casebook:settings"], counts, f"{stack_file(stack).name}: {COUNTS}")
        text = yaml.safe_dump(content, sort_keys=False)
    write(copy, text)  # the salt opens every secret of the stack's state
    return copy


def resize(settings: dict[str, Any], counts: dict[str, Any], where: str) -> None:
    """Put the counts that the sandbox can hold over those of the document. Only counts: all else is the same."""
    for name, count in counts.items():
        full = settings.get(name)
        if isinstance(count, dict) and isinstance(full, dict):
            resize(full, count, f"{where}.{name}")
        elif type(count) is int and type(full) is int:
            settings[name] = count
        else:
            raise Stop(f"{where}.{name}={count}: a number in the place of a number of casebook:settings; it has {full}")


def set_values(file: Path, values: list[str], environment: dict[str, str]) -> None:
    """Change settings for this run only: `web_instances=6` is `casebook:settings.web_instances`."""
    for value in values:
        name, _, text = value.partition("=")
        path = ("config", "set", "--path", f"casebook:settings.{name}", text, "--config-file", str(file))
        run(*path, environment=environment)


def select(stack: str, environment: dict[str, str]) -> None:
    """Select the stack, made at first use."""
    with empty_project() as folder:
        run("stack", "select", "--create", stack, environment=environment, cwd=folder, quiet=True)
    run("stack", "select", stack, environment=environment, quiet=True)


def run(*arguments: str, environment: dict[str, str], cwd: str = str(CHECKOUT), quiet: bool = False) -> None:
    """Run pulumi in the foreground; an interrupt is pulumi's to handle, it ends with its state written."""
    command = ["pulumi", "--cwd", cwd, "--non-interactive", *arguments]
    silent = subprocess.DEVNULL if quiet else None
    process = subprocess.Popen(command, env=environment, stdout=silent)
    while True:
        try:
            status = process.wait()
            break
        except KeyboardInterrupt:
            print("interrupted: pulumi ends what it has begun; the next run continues", file=sys.stderr)
    if status:
        raise Stop(f"pulumi {arguments[0]} ended with status {status}; once that is mended, the same command continues")


def command(action: str, stack: str, values: list[str], renewed: list[str], options: list[str]) -> None:
    """`options` go to pulumi as they are."""
    stack_file(stack)
    environment = prepare(cloud=action != "outputs")
    if action in ("up", "destroy"):
        release_dead_lock(stack, environment)
        make_readable(stack, environment)
    select(stack, environment)
    chosen = ("--stack", stack)
    file = config_file(stack)
    set_values(file, values, environment)
    config = (*chosen, "--config-file", str(file))
    if action == "outputs":
        run("stack", "output", "--json", *chosen, *options, environment=environment)
    elif action == "shell":
        shell = os.environ.get("SHELL") or shutil.which("bash") or "/bin/sh"
        print(f"pulumi is ready for the stack {stack}; leave with exit", file=sys.stderr)
        os.chdir(CHECKOUT)
        os.execve(shell, [shell], environment)  # noqa: S606 (the shell that the operator uses)
    elif action == "preview":
        run("preview", "--diff", *config, *options, environment=environment)
    else:
        state = mend(stack, environment)
        if action == "up":
            options = [*replacements(state, environment), *renewals(state, renewed), *options]
        events = ("--event-log", str(events_of(stack)))
        environment["PULUMI_DEBUG_COMMANDS"] = "true"  # without it there is no --event-log
        run(action, "--yes", "--skip-preview", *config, *events, *options, environment=environment)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m stacks", description="Build a published architecture.")
    parser.add_argument("action", choices=("up", "preview", "outputs", "destroy", "shell"))
    parser.add_argument("stack", help=f"one of: {', '.join(names())}")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting, for this run only")
    parser.add_argument("--renew", action="append", default=[], metavar="NAME", help="draw this secret anew (up)")
    parser.epilog = "Further options go to pulumi: --expect-no-changes, --target, --show-secrets, ..."
    given, options = parser.parse_known_args()
    try:
        command(given.action, given.stack, given.set, given.renew, options)
    except Stop as error:
        print(f"casebook: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("casebook: interrupted; the same command continues", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
