"""Which claims of the documents are held by which checks.

The claims stand in `claims.yaml`; a check names the one it holds: `@pytest.mark.claim("SOF-9")`.
"""

import contextlib
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

CLAIMS = Path(__file__).with_name("claims.yaml")
# syrupy takes snapshots that a collection does not use for a failure.
QUIETLY = ("--collect-only", "-qq", "-W", "ignore", "-p", "no:cacheprovider", "-p", "no:syrupy")
LAYERS = ("unit", "mocks", "inventory", "sandbox", "drill")

HEAD = """\
# Claims

What the fourteen documents claim, and the checks that hold it. Generated from `claims.yaml`, the tests' `claim`
markers, and the drills that held when they were last run ([guarantees](guarantees.md)) by `python -m docs.generate`. A
claim without a check that can fail is **open**.
"""


class Check(NamedTuple):
    """One test function, or drill, and a claim that it holds."""

    claim: str
    layer: str
    file: str
    function: str


def load() -> dict[str, Any]:
    """The claims as written: `kinds`, and `systems` with their claims (id to kind and text)."""
    data: dict[str, Any] = yaml.safe_load(CLAIMS.read_text())
    return data


def identifiers() -> frozenset[str]:
    return frozenset(claim for system in load()["systems"].values() for claim in system["claims"])


def of_item(item: pytest.Item) -> list[Check]:
    """The claims that a collected test names."""
    file, _, function = item.nodeid.partition("::")
    return [
        Check(claim, layer(item), file, function.partition("[")[0])
        for marker in item.iter_markers("claim")
        for claim in marker.args
    ]


def layer(item: pytest.Item) -> str:
    """What a check proves its claim on: by its marker or folder, else by whether it declares with `tests.harness`."""
    for name in ("drill", "sandbox", "inventory"):
        if item.get_closest_marker(name) or name in item.path.parts or f"{name}s" in item.path.parts:
            return name
    module = vars(getattr(item, "module", item)).values()
    return "mocks" if any(getattr(value, "__module__", None) == "tests.harness" for value in module) else "unit"


class _Collector:
    def __init__(self) -> None:
        self.checks: set[Check] = set()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.checks = {check for item in session.items for check in of_item(item)}


def checks(root: Path) -> set[Check]:
    """All checks of the project, by pytest's own collection; nothing is run."""
    collector, said = _Collector(), io.StringIO()
    with contextlib.redirect_stdout(said):
        code = pytest.main([*QUIETLY, f"--rootdir={root}", f"{root}/tests"], plugins=[collector])
    if code:
        raise SystemExit(f"the tests cannot be collected:\n{said.getvalue()}")
    return collector.checks


def page(claims: Mapping[str, Any], checks: Iterable[Check]) -> str:
    """The page docs/claims.md."""
    by_claim: dict[str, list[Check]] = {}
    for check in sorted(checks):
        by_claim.setdefault(check.claim, []).append(check)
    total = sum(len(system["claims"]) for system in claims["systems"].values())
    kinds = " · ".join(f"**{kind}** {meaning}" for kind, meaning in claims["kinds"].items())
    lines = [HEAD, f"{len(by_claim)} of {total} are held.\n", f"{kinds}\n"]
    for name, system in claims["systems"].items():
        held = sum(claim in by_claim for claim in system["claims"])
        lines += [f"## {name}: {system['title']} ({held} of {len(system['claims'])})\n"]
        lines += ["| id | kind | claim | held by |", "| --- | --- | --- | --- |"]
        for claim, (kind, text) in system["claims"].items():
            cells = (claim, kind, text, _held_by(by_claim.get(claim, [])))
            lines.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |")
        lines.append("")
    return "\n".join(lines)


def _held_by(checks: list[Check]) -> str:
    files: dict[tuple[int, str], list[str]] = {}
    for check in checks:
        files.setdefault((LAYERS.index(check.layer), check.file), []).append(check.function)
    return (
        "<br>".join(
            f"{LAYERS[number]}: [{file.removeprefix('tests/')}](../{file}): {', '.join(functions)}"
            for (number, file), functions in sorted(files.items())
        )
        or "**open**"
    )
