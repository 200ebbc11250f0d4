"""The API as a process: served over HTTP, killed in the middle of a task, started again."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ovh
import ovh.client
import pytest
import requests

from sandbox.ovhcloud.store import Object
from sandbox.ports import free_port

from .conftest import ACCOUNT, BALANCER, KEYS

Serve = Callable[[], "subprocess.Popen[bytes]"]


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def serve(account: Object, tmp_path: Path, port: int) -> Iterator[Serve]:
    """Start the API without an estate on the test's database; returns once it answers."""
    assert account["cloud_projects"]
    processes: list[subprocess.Popen[bytes]] = []

    def start() -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "sandbox.ovhcloud", "--api-only", "--task-seconds", "4"]
        command += ["--account", str(ACCOUNT), "--project", str(tmp_path / "project.json")]
        command += ["--database", str(tmp_path / "process.sqlite"), "--port", str(port)]
        process = subprocess.Popen(command)
        processes.append(process)
        end = time.monotonic() + 20
        while True:
            try:
                requests.get(f"http://127.0.0.1:{port}/1.0/auth/time", timeout=1)
                return process
            except requests.ConnectionError:
                assert time.monotonic() < end, "the API does not answer"
                time.sleep(0.05)

    yield start
    for process in processes:
        process.kill()
        process.wait()


def test_a_kill_in_the_middle_of_a_task_loses_and_doubles_nothing(serve: Serve, port: int) -> None:
    endpoint = f"http://127.0.0.1:{port}/1.0"
    ovh.client.ENDPOINTS[endpoint] = endpoint
    client = ovh.Client(endpoint=endpoint, **KEYS)

    def call(method: str, path: str, body: Any = None) -> Any:
        return client.call(method, path, body, True)

    first = serve()
    task = call("POST", "/vrack/pn-1001/ipLoadbalancing", {"ipLoadbalancing": BALANCER})
    farm = call("POST", f"/ipLoadbalancing/{BALANCER}/http/farm", {"zone": "all"})["farmId"]
    first.kill()
    first.wait()
    serve()
    assert call("GET", f"/vrack/pn-1001/task/{task['id']}")["status"] in ("init", "todo", "doing")
    assert call("GET", f"/ipLoadbalancing/{BALANCER}/http/farm") == [farm]
    end = time.monotonic() + 20
    while call("GET", "/vrack/pn-1001/task"):
        assert time.monotonic() < end, "the task does not end"
        time.sleep(0.2)
    assert call("GET", "/vrack/pn-1001/ipLoadbalancing") == [BALANCER]
    assert call("POST", f"/ipLoadbalancing/{BALANCER}/http/farm", {"zone": "all"})["farmId"] > farm


def test_it_ends_when_it_is_asked_to(serve: Serve) -> None:
    process = serve()
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == -signal.SIGTERM
