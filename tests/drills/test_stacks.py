"""The drills of each stack, against what its document promises."""

from pathlib import Path

import pytest

import drills
from docs.claims import load
from drills.runner import drills_of

SYSTEMS = load()["systems"]
STACKS = [stack for stack in SYSTEMS if (Path(drills.__file__).with_name(f"{stack.replace('-', '_')}.py")).is_file()]
BROKEN_ON_PURPOSE = frozenset("FBLSX")  # of `kinds` in docs/claims.yaml


@pytest.mark.parametrize("stack", STACKS)
def test_what_a_document_promises_under_load_and_failure_is_drilled(stack: str) -> None:
    promised = {claim for claim, (kind, _) in SYSTEMS[stack]["claims"].items() if kind in BROKEN_ON_PURPOSE}
    drilled = {claim for drill in drills_of(stack) for claim in drill.claims}
    assert promised <= drilled, f"no drill for {sorted(promised - drilled)}"


@pytest.mark.parametrize("stack", STACKS)
def test_results_are_told_apart_by_name(stack: str) -> None:
    names = [drill.name for drill in drills_of(stack)]
    assert len(set(names)) == len(names)


def test_the_stacks_of_drills_are_found() -> None:
    assert len(STACKS) >= 5
