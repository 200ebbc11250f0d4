"""What the make targets do with Pulumi on one stack."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from pulumi_casebook.core.args import shown
from stacks.environment import CHECKOUT, Stop, empty_project, is_account, prepare
from stacks.neighbours import check_project
from stacks.stack_files import check_addresses, config_file, content, secrets_provider
from stacks.state_recovery import events_of, make_readable, recover, release_dead_lock, replacements, rotations


def set_values(file: Path, values: list[str], environment: dict[str, str]) -> None:
    """Change settings for this run only: `web_instances=6` is `casebook:settings.web_instances`."""
    for name, text in map(setting, values):
        # What follows -- is no option, whatever it begins with.
        path = ("config", "set", "--path", "--config-file", str(file), "--", f"casebook:settings.{name}", text)
        run(*path, environment=environment)


def setting(value: str) -> tuple[str, str]:
    """NAME=VALUE as both."""
    name, equals, text = value.partition("=")
    if not equals or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+|\[[0-9]+\])*", name):
        raise Stop(
            f"SET={shown(value)[1:-1]}: a setting, = and its value, such as web_instances=6 or primary.sizes.keys=2"
        )
    return name, text


def select(stack: str, environment: dict[str, str], provider: str) -> None:
    """Select the stack, made at first use, with its secrets provider if it has one of its own."""
    options = ("--secrets-provider", provider) if provider else ()
    with empty_project() as folder:
        run("stack", "select", "--create", stack, *options, environment=environment, cwd=folder, quiet=True)
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
        raise Stop(f"pulumi {arguments[0]} ended with status {status}; fix the error above, then rerun: it continues")


def execute(action: str, stack: str, values: list[str], rotated: list[str], options: list[str]) -> None:
    """One of `up`, `preview`, `outputs`, `destroy`, `shell` on a stack; `options` go to pulumi as they are."""
    content(stack)
    for value in values:
        setting(value)
    provider = secrets_provider(stack)
    environment = prepare(cloud=action != "outputs", secrets_provider=provider)
    if action in ("up", "destroy"):
        release_dead_lock(stack, environment)
        make_readable(stack, environment)
    select(stack, environment, provider)
    chosen = ("--stack", stack)
    file = config_file(stack, changed=bool(values))
    set_values(file, values, environment)
    config = (*chosen, "--config-file", str(file))
    if action in ("up", "preview"):
        if is_account():
            check_addresses(file)
        check_project(stack, file, environment)
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
        state = recover(stack, environment)
        if action == "up":
            options = [*replacements(state, environment), *rotations(state, rotated), *options]
        elif "--ignore-protect" not in options:
            # Copies and what opens them: the next `up` goes on with them.
            options = ["--exclude-protected", *options]
        events = ("--event-log", str(events_of(stack)))
        environment["PULUMI_DEBUG_COMMANDS"] = "true"  # without it there is no --event-log
        run(action, "--yes", "--skip-preview", *config, *events, *options, environment=environment)
