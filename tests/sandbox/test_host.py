"""What a computer that cannot carry the sandbox is told."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sandbox import host, lifecycle


def test_who_is_not_root_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(RuntimeError, match="needs root: run it with sudo"):
        host.check_root()


@pytest.fixture(name="policy")
def _policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Debian's rule of what starts services; an apt-get that writes down whether there is one, and takes its time."""
    program = tmp_path / "bin/apt-get"
    program.parent.mkdir()
    policy = tmp_path / "policy-rc.d"
    program.write_text(f'#!/bin/sh\necho "$* $(cat {policy} | tail -n 1)" >> {tmp_path}/said\nsleep 0.3\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(host, "POLICY", policy)
    monkeypatch.setattr(host, "INSTALLING", tmp_path / "installing")
    return policy


def test_two_installations_come_one_after_the_other_and_start_nothing(policy: Path) -> None:
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda package: host.install([package]), ["one", "two"]))
    said = [line.split() for line in (policy.parent / "said").read_text().splitlines()]
    assert {tuple(words[-2:]) for words in said} == {("exit", "101")}
    assert [words[2] for words in said] == ["update", "install", "update", "install"]
    assert not policy.exists()


@pytest.mark.parametrize(("there", "stays"), [("#!/bin/sh\nexit 101\n", False), ("#!/bin/sh\nexit 104\n", True)])
def test_the_rule_of_an_installation_that_was_killed_goes_and_the_hosts_own_stays(
    policy: Path, there: str, stays: bool
) -> None:
    policy.write_text(there)
    host.install(["one"])
    assert policy.exists() == stays


def test_the_environment_before_the_first_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(lifecycle, "PROJECT", tmp_path / "project.json")
    with pytest.raises(RuntimeError, match="never been started: run `python -m sandbox start`"):
        lifecycle.environment()
