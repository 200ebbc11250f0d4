"""The faults of a deployment: a run is killed with all that it has started, and told from one that ended."""

import time
from pathlib import Path

import pytest

from drills import deployment
from drills.deployment import killed_after, of_session, reason


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What `up` is: a script, whose children are in groups of their own as plugins are."""
    script = ["true"]
    monkeypatch.setattr(deployment, "command", lambda *_: ["bash", "-mc", script[0]])
    return script


def test_nothing_of_a_killed_run_lives(runs: list[str], tmp_path: Path) -> None:
    runs[0] = f"sleep 60 & echo $$ > {tmp_path}/leader; sleep 60"
    assert killed_after("sofoot", 0.5) is None
    assert of_session(int((tmp_path / "leader").read_text())) == []


def test_a_run_that_ends_before_is_told_by_its_status(runs: list[str]) -> None:
    runs[0] = "exit 3"
    assert killed_after("sofoot", 30) == 3


def test_it_is_killed_as_soon_as_something_is_seen(runs: list[str], tmp_path: Path) -> None:
    runs[0] = f"touch {tmp_path}/made; sleep 60"
    began = time.monotonic()
    assert killed_after("sofoot", 30, lambda: (tmp_path / "made").exists()) is None
    assert time.monotonic() - began < 20


def test_the_reason_of_a_failure_is_told_without_the_outputs() -> None:
    assert reason("@ updating....\nDiagnostics:\n  no quota\n\nOutputs:\n    url: ...\n").strip() == "no quota"
    assert reason("casebook: no such stack") == "casebook: no such stack"


def test_the_drills_of_every_stack_have_names_of_their_own() -> None:
    names = [drill.name for drill in deployment.drills(seed=1)]
    assert len(set(names)) == len(names) == 6
