"""The real engine with the stand-in plugins, programs to run in it, and a plugin to speak to directly."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import json_format, struct_pb2
from pulumi.runtime.proto import provider_pb2 as pb
from pulumi.runtime.proto import provider_pb2_grpc

from sandbox.toolchain import plugins

Values = dict[str, Any]


@pytest.fixture(scope="session")
def engine() -> Path:
    """The folder of the `pulumi` that the toolchain chose."""
    subprocess.run([sys.executable, "-m", "sandbox.toolchain", "prepare"], check=True)
    exports = subprocess.run(
        [sys.executable, "-m", "sandbox.toolchain", "env"], check=True, capture_output=True, text=True
    )
    found = subprocess.run(
        ["sh", "-c", f"{exports.stdout}\ncommand -v pulumi"], check=True, capture_output=True, text=True
    )
    return Path(found.stdout.strip()).parent


@pytest.fixture(scope="session")
def plugin_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PULUMI_HOME with nothing but stand-ins, whatever else this machine has."""
    home = tmp_path_factory.mktemp("pulumi-home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PULUMI_HOME", str(home))
        for name in ("ovh", "command", "random", "tls"):
            plugins.place_stand_in(plugins.wanted(name))
    return home


class Program:
    """A Pulumi program in a folder of its own, with a state of its own."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder, self.environment = folder, environment
        (folder / "Pulumi.yaml").write_text("name: tested\nruntime: python\n")

    def write(self, text: str) -> "Program":
        (self.folder / "__main__.py").write_text(text)
        return self

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            ["pulumi", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str, fails: bool = False) -> str:
        """The output of a pulumi command, which must succeed, or fail if it is said to."""
        process = self.start(*arguments)
        output, _ = process.communicate(timeout=120)
        assert bool(process.returncode) == fails, output
        return output

    def preview(self, *arguments: str, fails: bool = False) -> str:
        return self.run("preview", "--non-interactive", *arguments, fails=fails)

    def up(self, fails: bool = False) -> str:
        return self.run("up", "--yes", "--skip-preview", "--non-interactive", fails=fails)

    def destroy(self) -> str:
        return self.run("destroy", "--yes", "--skip-preview", "--non-interactive")

    def refresh(self) -> str:
        return self.run("refresh", "--yes", "--skip-preview", "--non-interactive")

    def configure(self, **values: object) -> None:
        for name, value in values.items():
            self.run("config", "set", name, str(value))

    def outputs(self) -> Values:
        found: Values = json.loads(self.run("stack", "output", "--json", "--show-secrets"))
        return found

    def resources(self) -> dict[str, Values]:
        """What the state holds, by resource name; secrets stay encrypted."""
        exported = json.loads(self.run("stack", "export"))
        return {found["urn"].rpartition("::")[2]: found for found in exported["deployment"].get("resources", [])}

    def planned(self) -> dict[str, str]:
        """What an update would do, by resource name, leaving out what stays the same."""
        steps = json.loads(self.preview("--json"))["steps"]
        return {step["urn"].rpartition("::")[2]: step["op"] for step in steps if step["op"] != "same"}


@pytest.fixture
def program(tmp_path: Path, engine: Path, plugin_home: Path) -> Program:
    folder, state = tmp_path / "program", tmp_path / "state"
    folder.mkdir()
    state.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PULUMI_", "OVH_", "OS_"))}
    environment = {
        **kept,
        "PATH": f"{engine}{os.pathsep}{os.environ['PATH']}",
        "PULUMI_HOME": str(plugin_home),
        "PULUMI_BACKEND_URL": f"file://{state}",
        "PULUMI_CONFIG_PASSPHRASE": "tested",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_PYTHON_CMD": sys.executable,
        "HOME": str(tmp_path),
    }
    made = Program(folder, environment)
    made.run("stack", "init", "dev")
    return made


def struct(values: Values) -> struct_pb2.Struct:
    return json_format.ParseDict(values, struct_pb2.Struct())


class Plugin:
    """A plugin's process, spoken to as the engine does."""

    def __init__(self, command: list[str], environment: dict[str, str], package: str) -> None:
        self.package = package
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        port = self.process.stdout.readline().strip()
        self.stub = provider_pb2_grpc.ResourceProviderStub(grpc.insecure_channel(f"127.0.0.1:{port}"))

    def urn(self, token: str, name: str) -> str:
        return f"urn:pulumi:dev::tested::{self.package}:{token}::{name}"

    def check(self, token: str, inputs: Values, name: str = "it") -> tuple[Values, list[str]]:
        """(the inputs as the plugin takes them, the reasons of a refusal)"""
        answer = self.stub.Check(pb.CheckRequest(urn=self.urn(token, name), news=struct(inputs), randomSeed=b"seed"))
        return json_format.MessageToDict(answer.inputs), [found.reason for found in answer.failures]

    def create(self, token: str, inputs: Values, preview: bool = False) -> Values:
        """The outputs as they go to the engine, secrets still marked."""
        request = pb.CreateRequest(urn=self.urn(token, "it"), properties=struct(inputs), preview=preview)
        return json_format.MessageToDict(self.stub.Create(request).properties)

    def close(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=5)


@pytest.fixture(scope="session")
def plugin(plugin_home: Path) -> Iterator[Callable[[str], Plugin]]:
    """Starts each plugin once."""
    started: dict[str, Plugin] = {}

    def start(name: str) -> Plugin:
        if name not in started:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("PULUMI_HOME", str(plugin_home))
                command = [str(plugins.wanted(name).program)]
            started[name] = Plugin(command, dict(os.environ), name)
        return started[name]

    yield start
    for found in started.values():
        found.close()
