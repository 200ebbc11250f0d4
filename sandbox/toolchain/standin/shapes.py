"""Names, types and needed properties of resources and functions, as the provider's Python SDK declares them."""

import collections.abc
import contextlib
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
KIND_NAMES = {"string": "string", "integer": "number", "number": "number", "bool": "bool", "list": "list"}
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
    needed = tuple(
        wire[name]
        for name, parameter in inspect.signature(arguments.__init__).parameters.items()
        if name in wire and parameter.default is parameter.empty
    )
    return Shape(
        "object", properties={k: shape_of(v) for k, v in _types.input_type_types(arguments).items()}, needed=needed
    )


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


class Reader:
    """Takes values in the types of their properties, as Pulumi's Terraform bridge does, and notes every mistake.

    Texts that read as numbers or truth values are taken as such, numbers as truth values, fractions as the whole
    numbers in them, and names as Terraform writes them. A null is no value.
    """

    def __init__(self) -> None:
        self.mistakes: list[Mistake] = []

    def unknown(self, path: str) -> None:
        self.mistakes.append(Mistake(path, "Invalid or unknown key"))

    def missing(self, path: str) -> None:
        name = snake(path.rpartition(".")[2])
        reason = f'Missing required argument. The argument "{name}" is required, but no definition was found.'
        self.mistakes.append(Mistake(path, reason))

    def wrong(self, path: str, shape: Shape, value: Any) -> None:
        if shape.kind in ("object", "map"):
            reason = f"Expected object, got {type_name(value)}"
        elif isinstance(value, dict | list):
            reason = f"Attribute must be a single value, not a {type_name(value)}"
        else:
            wanted = f"one of {', '.join(shape.allowed)}" if shape.allowed else f"a {KIND_NAMES[shape.kind]}"
            reason = f"expected {wanted}, got {value!r}"
        self.mistakes.append(Mistake(path, reason))

    def object(self, values: Values, shape: Shape, path: str = "") -> Values:
        def below(name: str) -> str:
            return f"{path}.{name}" if path else name

        result = {}
        for given, item in values.items():
            name = self.named(given, shape)
            if item is None or name == "__defaults":
                continue
            if name in shape.properties:
                result[name] = self.value(item, shape.properties[name], below(name))
            else:
                self.unknown(below(name))
        for name in shape.needed:
            if result.get(name) is None:
                self.missing(below(name))
        return result

    def named(self, name: str, shape: Shape) -> str:
        spelled = re.sub("_([a-z0-9])", lambda found: found[1].upper(), name)
        return spelled if name not in shape.properties and spelled in shape.properties else name

    def value(self, value: Any, shape: Shape, path: str) -> Any:
        if value is None or value == UNKNOWN or shape.kind == "any" or (isinstance(value, dict) and SIGNATURE in value):
            return value
        value = self.adapted(value, shape)
        match shape.kind, value:
            case "object", dict():
                return self.object(value, shape, path)
            case "map", dict():
                return {name: self.value(item, shape.item or ANY, f"{path}.{name}") for name, item in value.items()}
            case "list", list():
                return [self.value(item, shape.item or ANY, f"{path}[{number}]") for number, item in enumerate(value)]
        if not fits(value, shape):
            self.wrong(path, shape, value)
        return value

    def adapted(self, value: Any, shape: Shape) -> Any:
        """The value in the property's type, where there is an obvious way."""
        match shape.kind, value:
            case "object", [only]:
                return only
            case "list", _ if not isinstance(value, list):
                return [value]
            case "string", bool():
                return str(value).lower()
            case "string", int() | float():
                return str(value)
            case "bool", "true" | "1":
                return True
            case "bool", "false" | "0":
                return False
            case "bool", int() | float():
                return bool(value)
            case "integer", float():
                return int(value)
            case (("integer" | "number"), str()):
                with contextlib.suppress(ValueError):
                    return int(value) if shape.kind == "integer" else float(value)
        return value


class FrameworkReader(Reader):
    """Takes values as the bridge does for what is written with Terraform's newer framework: a name that nobody knows is
    passed over, a text is no truth value."""

    def unknown(self, path: str) -> None:
        """No mistake."""

    def adapted(self, value: Any, shape: Shape) -> Any:
        return value if shape.kind == "bool" and isinstance(value, str) else super().adapted(value, shape)


GO_TYPES = {"string": "string", "integer": "int", "number": "float64", "bool": "bool", "list": "[]interface {}"}


class StrictReader(Reader):
    """Takes values as providers written with Pulumi's Go library do: nothing is adapted.

    owners   the Go type of the object at each path
    """

    def __init__(self, owners: dict[str, str]) -> None:
        super().__init__()
        self.owners = owners

    def named(self, name: str, shape: Shape) -> str:  # noqa: ARG002
        return name

    def field(self, path: str) -> tuple[str, str]:
        owner, _, name = path.rpartition(".")
        return name, self.owners.get(owner, owner)

    def unknown(self, path: str) -> None:
        name, owner = self.field(path)
        self.mistakes.append(Mistake(path, f"Unrecognized field '{name}' on '{owner}'"))

    def missing(self, path: str) -> None:
        name, owner = self.field(path)
        self.mistakes.append(Mistake(path, f"Missing required field '{name}' on '{owner}'"))

    def wrong(self, path: str, shape: Shape, value: Any) -> None:
        name, owner = self.field(path)
        if shape.allowed and isinstance(value, str):
            reason = f"Field '{name}' on '{owner}' must be one of {', '.join(shape.allowed)}; got '{value}' instead"
        else:
            got = {bool: "bool", str: "string", list: "[]interface {}", dict: "map[string]interface {}"}.get(
                type(value), "float64"
            )
            wanted = GO_TYPES.get(shape.kind, "map[string]interface {}")
            reason = f"Field '{name}' on '{owner}' must be a '{wanted}'; got '{got}' instead"
        self.mistakes.append(Mistake(path, reason))

    def adapted(self, value: Any, shape: Shape) -> Any:  # noqa: ARG002
        return value


def fits(value: Any, shape: Shape) -> bool:
    match shape.kind:
        case "string":
            return isinstance(value, str) and (not shape.allowed or value in shape.allowed)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "bool":
            return isinstance(value, bool)
    return False


def filled(value: Any, shape: Shape) -> Any:
    """A value with every property of its shape, absent ones at the zero of their type."""
    if value is None:
        return {"list": [], "map": {}}.get(shape.kind, ZEROS.get(shape.kind))
    if shape.kind == "object":
        return {name: filled(value.get(name), kind) for name, kind in shape.properties.items()}
    if shape.kind == "list":
        return [filled(item, shape.item or ANY) for item in value]
    return value


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


def type_name(value: Any) -> str:
    return {dict: "map", list: "list", str: "string", bool: "bool"}.get(type(value), "number")
