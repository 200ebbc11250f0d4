"""Names, types and needed properties of resources and functions, as the provider's Python SDK declares them."""

import collections.abc
import enum
import importlib
import inspect
import re
import threading
import typing
from dataclasses import dataclass, field
from typing import Any

from pulumi import _types

from sandbox.toolchain.standin.values import SIGNATURE, UNKNOWN, Values

SCALARS = {str: "string", int: "integer", float: "number", bool: "bool"}
ZEROS: dict[str, Any] = {"string": "", "integer": 0, "number": 0, "bool": False}
# Two threads that import an SDK's lazy modules at once fail ("has no attribute").
_importing = threading.RLock()


@dataclass(frozen=True)
class Shape:
    """The type of a property.

    kind         string, integer, number, bool, list, map, object or any
    item         of a list or map: what it holds
    properties   of an object
    needed       the properties an object cannot be without
    allowed      of a string: the only values, when they are told
    """

    kind: str
    item: "Shape | None" = None
    properties: dict[str, "Shape"] = field(default_factory=dict)
    needed: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()


ANY = Shape("any")


def shape_of(hint: Any) -> Shape:
    """The shape of an SDK type hint, inside whatever Input, Output or Optional."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Union:
        return shape_of(next(a for a in arguments if a is not type(None)))
    if origin in (collections.abc.Sequence, list):
        return Shape("list", shape_of(arguments[0]))
    if origin in (collections.abc.Mapping, dict):
        return Shape("map", shape_of(arguments[-1]))
    if hint in SCALARS:
        return Shape(SCALARS[hint])
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return Shape("string", allowed=tuple(str(member.value) for member in hint))
    if _types.is_input_type(hint):
        return arguments_shape(hint)
    if _types.is_output_type(hint):
        return Shape("object", properties={k: shape_of(v) for k, v in _types.output_type_types(hint).items()})
    return ANY


def arguments_shape(arguments: Any) -> Shape:
    """The object shape of an SDK arguments class; what its constructor demands is needed."""
    wire = _types.input_type_py_to_pulumi_names(arguments)
    needed = tuple(wire[name] for name, parameter in inspect.signature(arguments.__init__).parameters.items()
                   if name in wire and parameter.default is parameter.empty)
    return Shape("object", properties={k: shape_of(v) for k, v in _types.input_type_types(arguments).items()}, needed=needed)


def load(module: str, name: str) -> tuple[Shape, Shape]:
    """Inputs and outputs of one resource class of an SDK."""
    with _importing:
        folder = importlib.import_module(module)
        found = getattr(folder, name)
        arguments = getattr(folder, name + "InitArgs", None) or getattr(folder, name + "Args")
        outputs = Shape("object", properties={k: shape_of(v) for k, v in _types.resource_types(found).items()})
        return arguments_shape(arguments), outputs


@dataclass(frozen=True)
class Mistake:
    """A property that cannot be as it is: where, and why."""

    path: str
    reason: str


def converted(values: Values, shape: Shape, mistakes: list[Mistake], path: str = "") -> Values:
    """An object's values in the types of their properties. Each mistake is noted."""
    result = {}
    for name, item in values.items():
        if name == "__defaults":
            continue
        where = f"{path}.{name}" if path else name
        if name in shape.properties:
            result[name] = convert(item, shape.properties[name], where, mistakes)
        else:
            mistakes.append(Mistake(where, "Invalid or unknown key"))
    for name in shape.needed:
        if result.get(name) is None:
            mistakes.append(missing(f"{path}.{name}" if path else name))
    return result


def missing(path: str) -> Mistake:
    name = snake(path.rpartition(".")[2])
    return Mistake(path, f'Missing required argument. The argument "{name}" is required, but no definition was found.')


def convert(value: Any, shape: Shape, path: str, mistakes: list[Mistake]) -> Any:
    if value is None or value == UNKNOWN or shape.kind == "any" or (isinstance(value, dict) and SIGNATURE in value):
        return value
    if shape.kind == "object":
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if isinstance(value, dict):
            return converted(value, shape, mistakes, path)
        mistakes.append(Mistake(path, f"Expected object, got {type_name(value)}"))
        return value
    if shape.kind == "map":
        if isinstance(value, dict):
            return {k: convert(v, shape.item or ANY, f"{path}.{k}", mistakes) for k, v in value.items()}
        mistakes.append(Mistake(path, f"Expected object, got {type_name(value)}"))
        return value
    if shape.kind == "list":
        return [convert(v, shape.item or ANY, f"{path}[{n}]", mistakes) for n, v in enumerate(value if isinstance(value, list) else [value])]
    return convert_scalar(value, shape, path, mistakes)


def convert_scalar(value: Any, shape: Shape, path: str, mistakes: list[Mistake]) -> Any:
    """Texts that read as numbers or truth values are taken as such, as the bridge does."""
    if isinstance(value, dict | list):
        mistakes.append(Mistake(path, f"Attribute must be a single value, not a {type_name(value)}"))
        return value
    try:
        match shape.kind:
            case "string":
                text = str(value).lower() if isinstance(value, bool) else str(value)
                if shape.allowed and text not in shape.allowed:
                    raise ValueError
                return text
            case "integer":
                if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
                    raise ValueError
                return int(value)
            case "number":
                return value if isinstance(value, int | float) and not isinstance(value, bool) else float(value)
            case "bool":
                return {"true": True, "false": False, "1": True, "0": False}[str(value).lower()]
    except (ValueError, KeyError):
        wanted = f"one of {', '.join(shape.allowed)}" if shape.allowed else f"a {shape.kind}"
        mistakes.append(Mistake(path, f"expected {wanted}, got {value!r}"))
    return value


def filled(value: Any, shape: Shape) -> Any:
    """A value with every property of its shape, absent ones at the zero of their type."""
    if value is None:
        return [] if shape.kind == "list" else ZEROS.get(shape.kind)
    if shape.kind == "object":
        return {name: filled(value.get(name), kind) for name, kind in shape.properties.items()}
    if shape.kind == "list":
        return [filled(item, shape.item or ANY) for item in value]
    return value


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


def type_name(value: Any) -> str:
    return {dict: "map", list: "list", str: "string", bool: "bool"}.get(type(value), "number")
