"""A stack that is up, reached as its operator reaches it: outputs, SSH, the account's API; and from the world."""

import functools
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from stacks.clouds import Clouds
from stacks.target import CHECKOUT, exports, is_account

SSH = ("ssh", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR")


class CommandFailed(Exception):
    """A command in the world or on a machine that failed, with what it said."""


@functools.cache
def environment() -> dict[str, str]:
    """The credentials: of the account that the environment names, else what the sandbox gives its customer."""
    return dict(os.environ) if is_account() else {"CASEBOOK_TARGET": "sandbox", **exports("sandbox")}


def key_file() -> str:
    return environment().get("CASEBOOK_SSH_KEY_FILE") or str(Path("~/.ssh/id_ed25519").expanduser())


def from_the_world(*command: str) -> list[str]:
    """The command as it is given to run it somewhere else on the Internet.

    The sandbox has a computer there, where nobody is an administrator. With a real account it is this one.
    """
    sandbox = environment().get("CASEBOOK_TARGET") == "sandbox"
    return [sys.executable, "-m", "sandbox", "world", "--", *command] if sandbox else list(command)


def world(*command: str, check: bool = True, timeout: float = 120, stdin: str | None = None) -> str:
    """Run a command in the world and return what it printed; CommandFailed where it fails and is not to."""
    words = from_the_world(*command)
    done = subprocess.run(words, cwd=CHECKOUT, text=True, capture_output=True, timeout=timeout, input=stdin)
    if check and done.returncode:
        raise CommandFailed(f"{command} from the world: {done.stderr}")
    return done.stdout


def ssh_client(via: str | None = None, *options: str) -> list[str]:
    """The words of an SSH client with the operator's key, which jumps `via` a bastion."""
    client = [*SSH, "-o", "ConnectTimeout=10", "-i", key_file(), *options]
    jump = shlex.join([*SSH, "-i", key_file(), "-W", "%h:%p", f"debian@{via}"])
    return [*client, "-o", f"ProxyCommand={jump}"] if via else client


def ssh(address: str, command: str, *, stdin: str | None = None, timeout: float = 120, via: str | None = None) -> str:
    """Run a command on a machine, as its administrator; CommandFailed where it fails."""
    words = [*ssh_client(via), f"debian@{address}", command]
    done = subprocess.run(words, text=True, capture_output=True, timeout=timeout, input=stdin)
    if done.returncode:
        raise CommandFailed(f"{command[:300]!r} on {address}: {done.stderr}{done.stdout}")
    return done.stdout


class Running:
    """One stack that is up.

    name      the stack
    outputs   what `make outputs` prints, secrets included
    machines  of the outputs: name to its `location` (components/pulumi_casebook/machines/machine)
    """

    def __init__(self, name: str, outputs: dict[str, Any]) -> None:
        self.name, self.outputs = name, outputs
        self.machines: dict[str, dict[str, Any]] = outputs["machines"]

    @classmethod
    def named(cls, name: str) -> "Running":
        command = [sys.executable, "-m", "stacks", "outputs", name, "--show-secrets"]
        printed = subprocess.run(command, cwd=CHECKOUT, text=True, stdout=subprocess.PIPE, check=True).stdout
        return cls(name, json.loads(printed))

    @functools.cached_property
    def clouds(self) -> Clouds:
        return Clouds(environment())

    def on(self, machine: str, command: str, **options: Any) -> str:
        """Run a command on a machine, by its name."""
        where = self.machines[machine]
        return ssh(where["public"], command, via=where["via"], **options)

    def switch_on(self, machine: str) -> None:
        """Through the account's API, as in the manager."""
        where = self.machines[machine]
        match where["kind"]:
            case "instance":
                self.clouds.openstack(where["site"]).compute.start_server(where["service"])
            case "dedicated server":
                self.clouds.order(f"/dedicated/server/{where['service']}/reboot")
            case "vps":
                self.clouds.order(f"/vps/{where['service']}/start")
