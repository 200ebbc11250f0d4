"""What changes between two sets of properties, in the words of the engine's detailed diff."""

import difflib
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from sandbox.toolchain.standin.shapes import ANY, Shape
from sandbox.toolchain.standin.values import UNKNOWN, Values, empty, unknown_in, without_marks

ADD, DELETE, UPDATE = "ADD", "DELETE", "UPDATE"


@dataclass
class Changes:
    """Differences by path.

    sets     lists whose order means nothing, by name
    kept     optional properties that the provider fills in when they are left out: leaving one out is no change
    """

    sets: Collection[str] = ()
    kept: Collection[str] = ()
    found: dict[str, str] = field(default_factory=dict)

    def top(self) -> list[str]:
        return sorted({root(path) for path in self.found})

    def compare(self, path: str, old: Any, new: Any, shape: Shape) -> None:
        if path.rpartition(".")[2] in self.sets and old and new and not unknown_in(new):
            self.found.update({f"{path}[{n}]": DELETE for n, v in enumerate(old) if v not in new})
            self.found.update({f"{path}[{n}]": ADD for n, v in enumerate(new) if v not in old})
        elif new is None:
            if not empty(old) and path not in self.kept:
                self.found[path] = DELETE
        elif new == UNKNOWN or (shape.kind == "list" and unknown_in(new)):
            self.found[path] = ADD if old is None else UPDATE
        elif shape.kind == "object" and isinstance(old, dict):
            for name, inner in shape.properties.items():
                self.compare(f"{path}.{name}", old.get(name), new.get(name), inner)
        elif shape.kind == "list" and isinstance(old, list):
            self.compare_lists(path, old, new, shape.item or ANY)
        elif without_marks(new) != old and not (empty(old) and empty(new)):
            self.found[path] = ADD if old is None else UPDATE

    def compare_lists(self, path: str, old: list[Any], new: list[Any], item: Shape) -> None:
        """Objects pair up by position, other values by longest common subsequence."""
        if item.kind == "object":
            for n in range(max(len(old), len(new))):
                before, after = (side[n] if n < len(side) else None for side in (old, new))
                self.compare(f"{path}[{n}]", before, after, item)
            return
        steps = difflib.SequenceMatcher(None, [*map(repr, old)], [*map(repr, new)], autojunk=False).get_opcodes()
        gone = {n for kind, start, end, *_ in steps if kind != "equal" for n in range(start, end)}
        come = {n for kind, *_, start, end in steps if kind != "equal" for n in range(start, end)}
        for n in gone | come:
            self.found[f"{path}[{n}]"] = UPDATE if n in gone & come else DELETE if n in gone else ADD


@dataclass(frozen=True)
class Diff:
    """What Diff answers: changed properties, those that make a new resource of it, and each path with its kind."""

    changed: list[str]
    replaces: list[str]
    detailed: dict[str, str]
    delete_first: bool = False


def diff(
    old: Values,
    new: Values,
    shape: Shape,
    replaces: Callable[[str], bool],
    ignored: Collection[str] = (),
    sets: Collection[str] = (),
    kept: Collection[str] = (),
) -> Diff:
    """Compare every input of a shape."""
    changes = Changes(sets, kept)
    for name, inner in shape.properties.items():
        if name not in ignored:
            changes.compare(name, old.get(name), new.get(name), inner)
    top = changes.top()
    replacing = [name for name in top if replaces(name)]
    detailed = {path: kind + ("_REPLACE" if root(path) in replacing else "") for path, kind in changes.found.items()}
    return Diff(top, replacing, detailed)


def root(path: str) -> str:
    return re.split(r"[.\[]", path)[0]
