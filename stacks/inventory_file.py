"""An inventory's file, which states each shape once: the second of a kind is `like` the first, but for some words.

    command:remote:Command web-1-base:
      create: ...
      stdin: ...
    command:remote:Command web-2-base:
      like web-1-base: {10.1.0.17: 10.1.0.18, web-1: web-2}

So a line of a template that changes is one line in review, and one machine more is a few. What differs from another by
words alone (names, addresses, numbers) is like it; a word that becomes several stands there with its whole line. The
bundle of a role that is like no other is a list of its parts where one of its files is like another role's. Nothing is
like what is itself like something: who reads looks in one other place.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import yaml

Resources = dict[str, Any]
# What may differ: a hardware address; a name, an address, a number. All between the words is the shape.
WORD = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}|\w+(?:[.-]\w+)*")
# A file of a bundle with its text, or the lines before and after all files.
PART = re.compile(r"file .*\n(?:\|.*\n)*|(?:(?!file ).*\n)+")
LIKE = "like "
HEAD = "# Written by `make accept`; what each line means: stacks/inventory.py, stacks/inventory_file.py.\n"


class Inventory(NamedTuple):
    """`resources` by "type name"; `losses`: those whose data the last accepted change gave up, each with its reason."""

    resources: Resources
    losses: dict[str, str]


class Row(dict[str, Any]):
    """Written in one line."""


class Readable(yaml.SafeDumper):
    """Texts of several lines as they are, so that a difference is a line."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


Readable.add_representer(str, _text)
Readable.add_representer(
    Row, lambda dumper, row: dumper.represent_mapping("tag:yaml.org,2002:map", row, flow_style=True)
)


def dumped(value: Any) -> str:
    return yaml.dump(value, Dumper=Readable, width=118, allow_unicode=True)


def written(inventory: Inventory) -> str:
    content = {**({"losses": inventory.losses} if inventory.losses else {}), "resources": _stated(inventory.resources)}
    return HEAD + dumped(content)


def read(text: str) -> Inventory:
    found = yaml.load(text, Loader=yaml.CSafeLoader)
    stated: Resources = found["resources"]
    return Inventory({key: _resource(key, stated) for key in stated}, found.get("losses", {}))


def _stated(resources: Resources) -> Resources:
    alike, stated = _Alike(), {}
    for key in sorted(resources, key=_counting):
        kind, _, name = key.partition(" ")
        inputs = resources[key]
        stated[key] = alike.reference(kind, name, inputs) or _in_parts(alike, kind, name, inputs)
    return stated


def _counting(key: str) -> list[tuple[str, int]]:
    """web-2 before web-10."""
    return [(words, int(number or 0)) for words, number in re.findall(r"(\D*)(\d*)", key)]


def _in_parts(alike: "_Alike", kind: str, name: str, inputs: dict[str, Any]) -> dict[str, Any]:
    bundle = inputs.get("stdin")
    parts = PART.findall(bundle) if isinstance(bundle, str) else []
    paths = [path for part in parts if (path := _path(part))]
    if "".join(parts) != bundle or len(paths) > len(set(paths)):
        return inputs
    stated = [
        (alike.reference(f"{kind} file", f"{name} {path}", part) if (path := _path(part)) else None) or part
        for part in parts
    ]
    return {**inputs, "stdin": stated} if stated != parts else inputs


def _path(part: str) -> str:
    return part.split(" ", 2)[1] if part.startswith("file ") else ""


class _Alike:
    """What was stated in full, by its shape."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, str], list[tuple[str, Any]]] = defaultdict(list)

    def reference(self, kind: str, name: str, value: Any) -> dict[str, Row] | None:
        """The value as one that is like another, where that is shorter; else others may be like it."""
        known = self.known[kind, _shape(value)]
        found = [{f"{LIKE}{other}": Row(words)} for other, base in known if (words := _words(base, value)) is not None]
        if found and dumped(shortest := min(found, key=lambda one: len(dumped(one)))).count("\n") < _lines_of(value):
            return shortest
        known.append((name, value))
        return None


def _lines_of(value: Any) -> int:
    return dumped(value).count("\n")


def _shape(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_shape(value[key])}' for key in sorted(value))}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_shape, value))}]"
    return type(value).__name__ + WORD.sub("w", value if isinstance(value, str) else json.dumps(value))


def _lines(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key in sorted(value):
            yield from _lines(value[key])
    elif isinstance(value, list):
        for one in value:
            yield from _lines(one)
    else:
        yield from (value if isinstance(value, str) else json.dumps(value)).split("\n")


def _words(base: Any, value: Any) -> dict[str, str] | None:
    """What to replace in `base`, which has the same shape, to have `value`; None where that is not said by words."""
    pairs = list(zip(_lines(base), _lines(value), strict=True))
    becomes: dict[str, set[str]] = defaultdict(set)
    for old, new in pairs:
        for word, other in zip(WORD.findall(old), WORD.findall(new), strict=True):
            becomes[word].add(other)
    words = {word: min(others) for word, others in becomes.items() if len(others) == 1 and others != {word}}
    words |= {old: new for old, new in pairs if _line(old, words) != new}
    return words if _with(base, words) == value else None


def _line(line: str, words: Mapping[str, str]) -> str:
    return words[line] if line in words else WORD.sub(lambda found: words.get(found[0], found[0]), line)


def _with(base: Any, words: Mapping[str, str]) -> Any:
    if isinstance(base, dict):
        return {key: _with(one, words) for key, one in base.items()}
    if isinstance(base, list):
        return [_with(one, words) for one in base]
    if isinstance(base, str):
        return "\n".join(_line(line, words) for line in base.split("\n"))
    return json.loads(_line(json.dumps(base), words))


def _resource(key: str, stated: Resources) -> Any:
    """The inputs in full."""
    kind, inputs = key.partition(" ")[0], stated[key]
    if reference := _reference(inputs):
        return _with(_resource(f"{kind} {reference[0]}", stated), reference[1])
    if isinstance(bundle := inputs.get("stdin"), list):
        return {**inputs, "stdin": "".join(_part(kind, part, stated) for part in bundle)}
    return inputs


def _part(kind: str, part: Any, stated: Resources) -> str:
    if not (reference := _reference(part)):
        return str(part)
    name, path = reference[0].split(" ")
    whole = stated[f"{kind} {name}"]["stdin"]
    parts = PART.findall(whole) if isinstance(whole, str) else whole
    return str(_with(next(one for one in parts if isinstance(one, str) and _path(one) == path), reference[1]))


def _reference(value: Any) -> tuple[str, dict[str, str]] | None:
    """What it is like, and the words; no input of a resource has a space in its name."""
    if isinstance(value, dict) and len(value) == 1 and (key := next(iter(value))).startswith(LIKE):
        return key.removeprefix(LIKE), value[key]
    return None
