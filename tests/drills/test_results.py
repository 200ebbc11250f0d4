"""Figures: what keeps a promise, and what becomes of several runs."""

import math
from pathlib import Path

import pytest

from architectures.base import Outputs
from drills import results
from drills.drill import Drill, Figure, NotSeen
from drills.results import Result, load, record
from stacks.deployed_stack import DeployedStack

DRILL = Drill(name="power is lost", claims=("SIT-1",), promise="nobody notices", run=lambda _: [])


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "RESULTS", tmp_path / "results")


@pytest.mark.parametrize(
    ("figure", "held"),
    [
        (Figure("failed", 3, goal=3), True),
        (Figure("failed", 3.01, goal=3), False),
        (Figure("seen", 3, goal=3, least=True), True),
        (Figure("seen", 2, goal=3, least=True), False),
        (Figure("only told", 99), True),
        (Figure("never", math.inf, goal=3), False),
    ],
)
def test_a_figure_is_held_up_to_its_goal(figure: Figure, held: bool) -> None:
    assert figure.held is held


def test_one_run_that_fails_fails_the_drill_and_the_worst_is_kept() -> None:
    runs = [[Figure("failed", n, goal=3), Figure("rate", 10 * n, "1/s", goal=5, least=True)] for n in (1, 4, 2)]
    record("site", Result(DRILL, runs))
    entry = load("site")["power is lost"]
    assert not entry["held"]
    assert entry["runs"] == 3
    assert entry["figures"][0] == {"name": "failed", "unit": "", "median": 2, "worst": 4, "goal": "at most 3"}
    assert entry["figures"][1] == {"name": "rate", "unit": "1/s", "median": 20, "worst": 10, "goal": "at least 5"}


def test_a_drill_that_proves_nothing_is_recorded_as_not_held_beside_the_others() -> None:
    record("site", Result(DRILL, [[Figure("failed", 0, goal=0)]]))
    other = Drill(name="it freezes", claims=("SIT-2",), promise="nobody notices", run=lambda _: [])
    record("site", Result(other, broken="nothing froze"))
    assert {name: entry["held"] for name, entry in load("site").items()} == {"power is lost": True, "it freezes": False}
    assert load("site")["it freezes"]["proves nothing"] == "nothing froze"


def test_a_run_whose_fault_was_not_seen_ends_the_drill() -> None:
    from drills.runner import run

    answers = iter([[Figure("failed", 0, goal=0)]])

    def measure(_: DeployedStack) -> list[Figure]:
        try:
            return next(answers)
        except StopIteration:
            raise NotSeen("the fault was not seen") from None

    drill = Drill(name="d", claims=("SIT-1",), promise="p", run=measure)
    result = run(drill, DeployedStack("site", Outputs(machines={}, exposure={})), 3)
    assert (len(result.runs), result.held, result.broken) == (1, False, "the fault was not seen")
