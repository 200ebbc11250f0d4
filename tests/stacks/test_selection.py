"""Which stacks a change brings up."""

import pytest

from stacks.stack_files import names
from tests import selection


@pytest.mark.parametrize(
    "file",
    [
        "architectures/sofoot.py",
        "stacks/Pulumi.sofoot.yaml",
        "stacks/inventories/sofoot.yaml",
        "tests/stacks/test_sofoot.py",
        "components/pulumi_casebook/machines/configuration/programs/apply.py",
    ],
)
def test_a_file_of_a_stack_touches_it(file: str) -> None:
    assert "sofoot" in selection.touched({file})


def test_what_no_stack_is_made_of_touches_none() -> None:
    assert selection.touched({"README.md", "docs/claims.md", "components/README.md"}) == set()


def test_so_foot_is_always_brought_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "changed_files", set)
    assert selection.chosen("touched") == {"sofoot"}
    assert selection.chosen("all") == set(names())


def test_an_unknown_stack_is_refused() -> None:
    with pytest.raises(pytest.UsageError, match="no such stack: nosuch"):
        selection.chosen("nosuch")
