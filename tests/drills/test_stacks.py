"""The drills of each stack, against what its document promises and what is recorded."""

import pytest

from docs.claims import load
from drills import deployment, results
from drills.runner import drills_of
from stacks.stack_files import names

CLAIMS = {stack: system["claims"] for stack, system in load()["systems"].items()}
BROKEN_ON_PURPOSE = frozenset("FBLSX")  # of `kinds` in docs/claims.yaml


@pytest.mark.parametrize("stack", names())
def test_what_a_document_promises_under_load_and_failure_is_drilled(stack: str) -> None:
    promised = {claim for claim, (kind, _) in CLAIMS[stack].items() if kind in BROKEN_ON_PURPOSE}
    drilled = {claim for drill in drills_of(stack) for claim in drill.claims}
    assert promised <= drilled, f"no drill for {sorted(promised - drilled)}"
    assert drilled <= CLAIMS[stack].keys(), f"no claims: {sorted(drilled - CLAIMS[stack].keys())}"


@pytest.mark.parametrize("stack", names())
def test_results_are_of_drills_with_names_of_their_own(stack: str) -> None:
    drills = [*drills_of(stack), *deployment.drills(seed=1)]
    claims = {drill.name: list(drill.claims) for drill in drills}
    assert len(claims) == len(drills)
    recorded = {name: entry["claims"] for name, entry in results.load(stack).items()}
    assert recorded.items() <= claims.items(), "rename what is recorded together with its drill, or take it away"
