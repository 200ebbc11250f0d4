"""A stand-in for the command plugin: runs commands here or over SSH, and copies files over SSH.

https://www.pulumi.com/registry/packages/command/
"""

# The methods take what a kind of resource may need.
# ruff: noqa: ARG002

import secrets
from typing import Any

from sandbox.toolchain.standin.command.copy import copy_file, copy_to_remote
from sandbox.toolchain.standin.command.local import run_locally
from sandbox.toolchain.standin.command.output import marshalled
from sandbox.toolchain.standin.command.ssh import Machines
from sandbox.toolchain.standin.protocol import StandIn
from sandbox.toolchain.standin.resource import Call, Invokable, Resource
from sandbox.toolchain.standin.shapes import Mistake, Reader, StrictReader
from sandbox.toolchain.standin.values import ARCHIVE, ASSET, SIGNATURE, UNKNOWN, Values

CONNECTION_DEFAULTS: Values = {"user": "root", "port": 22, "dialErrorLimit": 10, "perDialTimeout": 15}
RUN_INPUTS = (
    "stdin",
    "logging",
    "interpreter",
    "dir",
    "environment",
    "assetPaths",
    "archivePaths",
    "addPreviousOutputInEnv",
)


def unique(prefix: str = "") -> str:
    return prefix + secrets.token_hex(4)


class Native(Resource):
    """A resource of a provider written with Pulumi's Go library."""

    def __init__(self, module: str, name: str, machines: Machines) -> None:
        self.module, self.name, self.machines = f"pulumi_command.{module}", name, machines
        self.owners = {
            "": f"{module}.{name}Inputs",
            "connection": "remote.Connection",
            "connection.proxy": "remote.ProxyConnection",
        }

    def reader(self) -> Reader:
        return StrictReader(self.owners)

    def failure(self, name: str, mistake: Mistake) -> tuple[str, str]:
        return mistake.path, mistake.reason

    def check(self, given: Values, old: Values, call: Call, seed: bytes) -> tuple[Values, list[Mistake]]:
        inputs, mistakes = super().check(given, old, call, seed)
        if isinstance(connection := inputs.get("connection"), dict):
            connection = {**CONNECTION_DEFAULTS, **connection}
            if isinstance(proxy := connection.get("proxy"), dict):
                connection["proxy"] = {**CONNECTION_DEFAULTS, **proxy}
            inputs["connection"] = connection
        return inputs, mistakes

    def replaces(self, name: str) -> bool:
        return name == "triggers"

    def planned_update(self, old: Values, inputs: Values) -> Values:
        """Any input may change any output."""
        return self.planned(inputs)


class Command(Native):
    """What the local and the remote command share: when which one runs."""

    def planned(self, inputs: Values) -> Values:
        return {**inputs, "stdout": UNKNOWN, "stderr": UNKNOWN}

    def create(self, inputs: Values, call: Call) -> tuple[str, Values]:
        return unique(call.name), self.outcome(inputs.get("create"), inputs, {}, call)

    def update(self, number: str, old: Values, inputs: Values, call: Call) -> Values:
        command = inputs.get("update")
        return self.outcome(inputs.get("create") if command is None else command, inputs, old, call)

    def delete(self, number: str, state: Values, call: Call) -> None:
        if state.get("delete") is not None:
            self.run(state["delete"], state, state, call)

    def outcome(self, command: str | None, inputs: Values, old: Values, call: Call) -> Values:
        """The outputs after running a command, or those of the last run when there is none to run."""
        ran = {name: old.get(name) or "" for name in ("stdout", "stderr")}
        if command is not None:
            ran = marshalled(self.run(command, inputs, old, call))
        return {**inputs, **ran}

    def run(self, command: str, inputs: Values, old: Values, call: Call) -> Values:
        raise NotImplementedError


class LocalCommand(Command):
    def run(self, command: str, inputs: Values, old: Values, call: Call) -> Values:
        return run_locally(command, inputs, old, call)


class RemoteCommand(Command):
    secret = ("connection",)

    def run(self, command: str, inputs: Values, old: Values, call: Call) -> Values:
        return self.machines.run(inputs["connection"], command, inputs, old, call)


class CopyToRemote(Native):
    secret = ("connection",)

    def rules(self, wanted: Values) -> list[Mistake]:
        source = wanted["source"]
        kind = source.get(SIGNATURE) if isinstance(source, dict) else None
        if source == UNKNOWN:
            return []
        if kind == ASSET and not {"path", "text"} & source.keys():
            return [Mistake("asset", "asset must be a path-based file asset or a text asset")]
        if kind == ARCHIVE and "path" not in source:
            return [Mistake("archive", "archive must be a path to a file or directory")]
        return [] if kind in (ASSET, ARCHIVE) else [Mistake("asset", "either asset or archive must be set")]

    def planned(self, inputs: Values) -> Values:
        return inputs

    def create(self, inputs: Values, call: Call) -> tuple[str, Values]:
        self.copy(inputs, call)
        return unique(), inputs

    def update(self, number: str, old: Values, inputs: Values, call: Call) -> Values:
        if inputs["source"].get("hash") != old["source"].get("hash") or inputs["remotePath"] != old["remotePath"]:
            self.copy(inputs, call)
        return inputs

    def copy(self, inputs: Values, call: Call) -> None:
        self.machines.transfer(
            inputs["connection"], lambda sftp: copy_to_remote(sftp, inputs["source"], inputs["remotePath"]), call
        )


class CopyFile(Native):
    """The older resource: one file, and every change copies it anew."""

    secret = ("connection",)

    def replaces(self, name: str) -> bool:
        return True

    def planned(self, inputs: Values) -> Values:
        return inputs

    def create(self, inputs: Values, call: Call) -> tuple[str, Values]:
        self.machines.transfer(
            inputs["connection"], lambda sftp: copy_file(sftp, inputs["localPath"], inputs["remotePath"]), call
        )
        return unique(), inputs


def run_function(given: Values, call: Call) -> Any:
    return {**given, **marshalled(run_locally(given["command"], given, {}, call))}


def provider(version: str) -> StandIn:
    machines = Machines()
    resources: dict[str, Resource] = {
        "local:Command": LocalCommand("local", "Command", machines),
        "remote:Command": RemoteCommand("remote", "Command", machines),
        "remote:CopyToRemote": CopyToRemote("remote", "CopyToRemote", machines),
        "remote:CopyFile": CopyFile("remote", "CopyFile", machines),
    }
    return StandIn("command", version, resources, {"local:run": Invokable(run_function, ("command",), RUN_INPUTS)})
