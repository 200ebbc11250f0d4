"""The tables of guarantees say what the drills recorded, and hide nothing that did not hold."""

from pathlib import Path

import pytest

from docs import guarantees
from drills import results
from drills.drill import Drill, Figure
from drills.results import Result, record
from stacks.deployed_stack import DeployedStack

SYSTEMS = {"site": {"claims": {"SIT-1": ["F", "any server can be lost"], "SIT-2": ["L", "many visitors"]}}}


def measured(stack: DeployedStack) -> list[Figure]:
    raise NotImplementedError(stack)


def drill(name: str, limit: str = "") -> Drill:
    return Drill(name=name, claims=("SIT-1",), promise="nobody notices", limit=limit, run=measured)


@pytest.fixture(name="recorded", autouse=True)
def _recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    monkeypatch.setattr(guarantees, "RESULTS", tmp_path)
    kept = [[Figure("requests failed", n, goal=9), Figure("answered within", 20 * n, "ms")] for n in (3, 1, 8)]
    record("site", Result(drill("power is lost", "probes, 3 s (a|b)"), kept))
    record("site", Result(drill("a server freezes"), [[Figure("requests failed", 12, goal=9)]]))
    record("site", Result(drill("a disk fills"), broken="the disk was not full"))


def test_every_drill_is_on_the_page_with_median_worst_and_goal() -> None:
    page = guarantees.page(guarantees.recorded(), SYSTEMS)
    assert "## site: 1 of 3 held" in page
    assert (
        "| power is lost | SIT-1 | nobody notices<br>*probes, 3 s (a\\|b)* | requests failed: 3 (8; at most 9)" in page
    )
    assert "answered within: 60 ms (160) | yes | 3, " in page
    assert "| requests failed: 12 (at most 9) | **no** | 1, " in page
    assert "| the disk was not full | **no** | 0, " in page


def test_the_summary_has_the_worst_of_all_drills_of_a_claim() -> None:
    summary = guarantees.summary(guarantees.recorded(), SYSTEMS)
    assert "| site | SIT-1 | any server can be lost | **1 of 3** | requests failed: 12 |" in summary
    assert "SIT-2" not in summary


def test_only_a_drill_that_held_holds_its_claim() -> None:
    assert {(check.claim, check.function) for check in guarantees.checks()} == {("SIT-1", "power is lost")}


def test_the_first_page_has_a_line_a_stack() -> None:
    held = sum(entry["held"] for entry in guarantees.recorded()["site"].values())
    [line] = [line for line in guarantees.sums(guarantees.recorded()).splitlines() if line.startswith("| site ")]
    assert f"| {held} of {len(guarantees.recorded()['site'])} |" in line
