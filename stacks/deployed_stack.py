"""A stack that is up, reached as its operator reaches it: outputs, SSH, the account's API; and from the world."""

import functools
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, Protocol, Self, cast

from typing_extensions import TypeVar

import architectures
from architectures.base import Database, Location
from stacks.clouds import Clouds
from stacks.environment import CHECKOUT, exports, is_account
from stacks.stack_files import content

SSH = ("ssh", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR")


class CommandFailed(Exception):
    """A command in the world or on a machine that failed, with what it said."""


@functools.cache
def credentials() -> dict[str, str]:
    """The credentials: of the account that the environment names, else what the sandbox gives its customer."""
    return dict(os.environ) if is_account() else {"CASEBOOK_TARGET": "sandbox", **exports("sandbox")}


def key_file() -> str:
    return credentials().get("CASEBOOK_SSH_KEY_FILE") or str(Path("~/.ssh/id_ed25519").expanduser())


def from_the_world(*command: str) -> list[str]:
    """The command as it is given to run it somewhere else on the Internet.

    The sandbox has a computer there, where nobody is an administrator. With a real account it is this one.
    """
    sandbox = credentials().get("CASEBOOK_TARGET") == "sandbox"
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


class Told(Protocol):
    """What every stack's outputs have: architectures.base.Outputs, or what a helper needs of them beside that."""

    @property
    def machines(self) -> Mapping[str, Location]: ...
    @property
    def exposure(self) -> Mapping[str, Mapping[str, Sequence[str]]]: ...


class WithUrl(Told, Protocol):
    @property
    def url(self) -> str: ...


class Account(Protocol):
    """What an application logs in to its database with."""

    @property
    def name(self) -> str: ...
    @property
    def user(self) -> str: ...
    @property
    def password(self) -> str: ...


class WithAccount(Told, Protocol):
    @property
    def database(self) -> Account: ...


class WithDatabase(Told, Protocol):
    @property
    def database(self) -> Database: ...


O_co = TypeVar("O_co", bound=Told, covariant=True, default=Told)


class DeployedStack(Generic[O_co]):
    """One stack that is up.

    name     the stack
    outputs  what `make outputs` prints, secrets included, as its architecture's `Outputs`
    """

    def __init__(self, name: str, outputs: O_co) -> None:
        self.name, self.outputs = name, outputs

    @classmethod
    def named(cls, name: str) -> "DeployedStack[Any]":
        architecture = content(name)["config"]["casebook:architecture"]
        command = [sys.executable, "-m", "stacks", "outputs", name, "--show-secrets"]
        printed = subprocess.run(command, cwd=CHECKOUT, text=True, stdout=subprocess.PIPE, check=True).stdout
        return DeployedStack(name, architectures.outputs(architecture).model_validate_json(printed))

    def again(self) -> Self:
        """The stack as it is after one more `up`."""
        return cast(Self, self.named(self.name))

    @property
    def machines(self) -> Mapping[str, Location]:
        return self.outputs.machines

    @functools.cached_property
    def clouds(self) -> Clouds:
        return Clouds(credentials())

    def on(self, machine: str, command: str, **options: Any) -> str:
        """Run a command on a machine, by its name."""
        where = self.machines[machine]
        return ssh(str(where.public), command, via=where.via, **options)

    def switch_on(self, machine: str) -> None:
        """Through the account's API, as in the manager."""
        where = self.machines[machine]
        match where.kind:
            case "instance":
                self.clouds.openstack(where.site).compute.start_server(where.service)
            case "dedicated server":
                self.clouds.order(f"/dedicated/server/{where.service}/reboot")
            case "vps":
                self.clouds.order(f"/vps/{where.service}/start")
