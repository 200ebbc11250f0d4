"""Daemons are known by the mark in their environment."""

import os
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from sandbox import processes
from sandbox.processes import Daemon

SLEEP = "import time; time.sleep(600)"
# A child that leaves its parent's session, as daemons' children do.
PARENT = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {SLEEP!r}], start_new_session=True); "


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STATE", "LOG", "RUN"):
        monkeypatch.setattr(processes, name, tmp_path)


def daemon(program: str, **fields: object) -> Daemon:
    return Daemon("part", [sys.executable, "-c", program], lambda: True, **fields)  # type: ignore[arg-type]


def until_marked(number: int) -> list[int]:
    end = time.monotonic() + 10
    while len(found := processes.marked().get("part", [])) != number and time.monotonic() < end:
        time.sleep(0.02)
    return found


def test_children_of_a_killed_daemon_are_ended_too() -> None:
    process = processes.spawn(daemon(PARENT + "time.sleep(600)"))
    assert len(until_marked(2)) == 2
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(until_marked(1)) == 1
    processes.end({"part"})
    assert processes.marked() == {}


def test_what_ignores_the_request_is_forced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(processes, "GRACE", 0.3)
    ignoring = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); {SLEEP}"
    processes.spawn(daemon(ignoring))
    while "deaf" not in (tmp_path / "part.out").read_text():
        time.sleep(0.02)
    processes.end({"part"})
    assert processes.marked() == {}


def test_a_living_daemon_is_not_started_again() -> None:
    one = daemon(SLEEP)
    try:
        processes.start([one], 10, lambda _: None)
        before = until_marked(1)
        processes.start([one], 10, lambda _: None)
        assert processes.marked()["part"] == before
    finally:
        processes.end()


def test_a_daemon_that_ends_tells_why() -> None:
    failing = Daemon("part", [sys.executable, "-c", "raise SystemExit('no such table')"], lambda: False)
    with pytest.raises(RuntimeError, match="part ended with status 1: no such table"):
        processes.start([failing], 10, lambda _: None)


def test_a_daemon_that_never_answers_is_named() -> None:
    try:
        with pytest.raises(RuntimeError, match="no answer from part"):
            processes.start([Daemon("part", [sys.executable, "-c", SLEEP], lambda: False)], 0.3, lambda _: None)
    finally:
        processes.end()


def test_a_port_in_use_names_its_owner() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(RuntimeError, match=rf"port {port} of 127.0.0.1 is in use by process {os.getpid()} "):
            processes.check_ports(daemon(SLEEP, listens=[("127.0.0.1", port)]))
    processes.check_ports(daemon(SLEEP, listens=[("127.0.0.1", port)]))


def test_marks_of_another_sandbox_are_not_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    process = processes.spawn(daemon(SLEEP))
    until_marked(1)
    with monkeypatch.context() as other:
        other.setattr(processes, "STATE", tmp_path / "other")
        assert processes.marked() == {}
    process.kill()
    process.wait()
