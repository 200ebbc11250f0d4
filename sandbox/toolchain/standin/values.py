"""Between the engine's values and plain Python ones: whole numbers, secrets, unknowns."""

from collections.abc import Iterable
from typing import Any

from google.protobuf import json_format, struct_pb2

# The engine's marks, from its SDKs (rpc.py): a value not known before `up`, and what kind a special object is.
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 (a mark, not a secret)
ASSET = "c44067f5952c0a294b673a41bacd8c17"
ARCHIVE = "0def7320c3a5731c473e5ecbe6d01bc7"

Values = dict[str, Any]
# Where in an object a secret stands, as names and list positions.
Path = tuple[str | int, ...]


def plain(struct: struct_pb2.Struct) -> tuple[Values, set[Path]]:
    """The properties as plain values, and the paths which are secret."""
    secrets: set[Path] = set()

    def walk(value: Any, path: Path) -> Any:
        if isinstance(value, dict):
            if value.get(SIGNATURE) == SECRET:
                secrets.add(path)
                return walk(value.get("value"), path)
            return {name: walk(item, (*path, name)) for name, item in value.items()}
        if isinstance(value, list):
            return [walk(item, (*path, number)) for number, item in enumerate(value)]
        if isinstance(value, float) and value.is_integer():
            return int(value)
        return value

    return walk(json_format.MessageToDict(struct), ()), secrets


def struct(values: Values, secrets: Iterable[Path] = ()) -> struct_pb2.Struct:
    """Plain values as the engine wants them, secret again where they were."""
    secret = set(secrets)

    def walk(value: Any, path: Path) -> Any:
        if isinstance(value, dict):
            value = {name: walk(item, (*path, name)) for name, item in value.items()}
        elif isinstance(value, list | tuple):
            value = [walk(item, (*path, number)) for number, item in enumerate(value)]
        return {SIGNATURE: SECRET, "value": value} if path in secret and value is not None else value

    return json_format.ParseDict(walk(values, ()), struct_pb2.Struct())


def unknown_in(value: Any) -> bool:
    """Whether any part of a value is known only after `up`."""
    if isinstance(value, dict):
        return any(map(unknown_in, value.values()))
    return any(map(unknown_in, value)) if isinstance(value, list) else value == UNKNOWN


def empty(value: Any) -> bool:
    """Whether a value is the zero of its type."""
    return value in (None, "", [], {}) or (value == 0 and not isinstance(value, str))


def without_marks(value: Any) -> Any:
    """A value without the lists of filled-in defaults that bridged providers keep in it."""
    if isinstance(value, dict):
        return {name: without_marks(item) for name, item in value.items() if name != "__defaults"}
    return [without_marks(item) for item in value] if isinstance(value, list) else value
