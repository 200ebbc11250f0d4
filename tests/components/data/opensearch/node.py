"""The engine of the machines' package, run from a folder in a network namespace, on the files of a role."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pulumi_casebook.machines.configuration import Configuration
from sandbox import host
from sandbox.shelf import opensearch
from tests.components.data.mysql_pair.pair import Network

# The engine does not run as root.
AS_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


@pytest.fixture(scope="session")
def engine() -> Iterator[Path]:
    """What the package installs, where everybody can read it."""
    host.grant()
    package = opensearch.package()
    place = Path(tempfile.mkdtemp(prefix="opensearch-"))
    place.chmod(0o755)
    subprocess.run(["dpkg-deb", "--extract", package, place], check=True)
    yield place / "usr/share/opensearch"
    shutil.rmtree(place)


class Node:
    """One node on a machine of a network: the files of its role, with the paths of a test in a machine's place."""

    def __init__(self, engine: Path, network: Network, name: str, address: str, role: Configuration) -> None:
        self.engine, self.network, self.name, self.address = engine, network, name, address
        self.namespace = network.join(name, address)
        self.folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=engine.parents[2]))
        self.process: subprocess.Popen[bytes] | None = None
        unit = f"opensearch-{role.role}"
        for file in role.files:
            text = file.content.replace(f"/var/lib/{unit}", str(self.folder)).replace(f"/etc/{unit}", str(self.folder))
            (self.folder / Path(file.path).name).write_text(text)
        os.chown(self.folder, 65534, 65534)

    def inside(self, *command: str) -> list[str]:
        return ["ip", "netns", "exec", self.namespace, *command]

    def start(self) -> None:
        environment = {**os.environ, "OPENSEARCH_PATH_CONF": str(self.folder)}
        command = self.inside(*AS_NOBODY, str(self.engine / "bin/opensearch"))
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def run(self, program: Path, *arguments: str, **environment: str) -> tuple[bool, str]:
        command = self.inside(sys.executable, str(program), *arguments)
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, env={**os.environ, **environment})
        return done.returncode == 0, done.stdout + done.stderr

    def ask(self, path: str, body: object = None, method: str | None = None, address: str | None = None) -> Any:
        """The engine's answer to a client on the same machine; None if there is none, or a refusal."""
        command = ["curl", "-s", "--fail", "--max-time", "10", "-H", "Content-Type: application/json"]
        command += ["--request", method] if method else []
        command += ["--data", json.dumps(body)] if body is not None else []
        url = f"http://{address or self.address}:9200/{path}"
        done = subprocess.run(self.inside(*command, url), capture_output=True, text=True)
        return json.loads(done.stdout or "{}") if done.returncode == 0 else None
