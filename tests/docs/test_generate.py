"""Generated pages are those of the tree, and their generators tell the truth."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field

from docs import arguments, claims
from pulumi_casebook.core.args import Args, Unique

ROOT = Path(__file__).parents[2]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True)


def test_no_generated_page_is_stale() -> None:
    done = run("docs.generate", "--check")
    assert done.returncode == 0, done.stderr


def test_a_marker_of_no_claim_stops_the_collection(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("import pytest\n\n@pytest.mark.claim('SOF-99')\ndef test_it(): pass\n")
    done = run("pytest", "-p", "tests.claims", f"--rootdir={tmp_path}", str(tmp_path))
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "not a claim of docs/claims.yaml:\ntest_it.py::test_it: 'SOF-99'" in done.stderr


def test_every_claim_has_a_known_kind_and_an_id_of_its_own() -> None:
    data = claims.load()
    found = [(claim, kind) for system in data["systems"].values() for claim, (kind, _) in system["claims"].items()]
    assert len(data["systems"]) == 14
    assert {kind for _, kind in found} == set(data["kinds"])
    assert len({claim for claim, _ in found}) == len(found)


def test_a_claim_without_a_check_is_open() -> None:
    data = {
        "kinds": {"T": "topology"},
        "systems": {"site": {"title": "#99", "claims": {"SIT-1": ["T", "a | b"], "SIT-2": ["T", "never checked"]}}},
    }
    checks = [claims.Check("SIT-1", layer, "tests/test_it.py", f"test_{layer}") for layer in ("sandbox", "unit")]
    page = claims.page(data, checks)
    assert "1 of 2 are held." in page
    assert "## site: #99 (1 of 2)" in page
    assert "| SIT-2 | T | never checked | **open** |" in page
    unit, sandbox = (f"{layer}: [test_it.py](../tests/test_it.py): test_{layer}" for layer in ("unit", "sandbox"))
    assert f"| SIT-1 | T | a \\| b | {unit}<br>{sandbox} |" in page


class _Base(Args):
    # Of the class
    # below this one.
    inherited: int


class _Sample(_Base):
    """What it is for.

    And more.
    """

    names: Unique[str] = ()
    size: Annotated[int, Field(ge=1)] = 3
    """How large."""
    # Either.
    either: int | None = None


def test_a_field_is_described_by_the_comment_above_it_or_the_text_below() -> None:
    assert arguments.table(_Sample) == (
        "**_Sample**: What it is for.\n\n"
        "| argument | type | default | is |\n"
        "| --- | --- | --- | --- |\n"
        "| `inherited` | `int` | required | Of the class below this one. |\n"
        "| `names` | `Unique[str]` | `[]` |  |\n"
        "| `size` | `int` | `3` | How large. |\n"
        "| `either` | `int \\| None` | `None` | Either. |\n"
    )


READMES = sorted(ROOT.glob("components/pulumi_casebook/*/*/README.md"))


@pytest.mark.parametrize("readme", READMES, ids=lambda path: path.parent.name)
def test_every_argument_says_what_it_is(readme: Path) -> None:
    _, _, table = readme.read_text().partition(arguments.BEGIN)
    silent = [line for line in table.partition(arguments.END)[0].splitlines() if line.endswith("|  |")]
    assert not silent, "no comment above these fields:\n" + "\n".join(silent)
