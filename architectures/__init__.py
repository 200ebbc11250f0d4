"""One module a published system: an `Architecture`, its `Settings` (what its stack's file may say) and its outputs."""

import difflib
import importlib
import inspect
import pkgutil
from typing import Any, TypeVar

import pulumi
from pydantic import ValidationError

from architectures.base import Architecture, Outputs
from pulumi_casebook import InputError
from pulumi_casebook.core.args import explained, shown

KEYS = ("architecture", "settings", "sandbox")
C = TypeVar("C")


def names() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name != "base")


def load(name: str) -> type[Architecture[Any]]:
    """The architecture of a module; a sentence with all names when there is none."""
    return _own(name, Architecture)


def outputs(name: str) -> type[Outputs]:
    """What its stack tells."""
    return _own(name, Outputs)


def _own(name: str, base: type[C]) -> type[C]:
    """The one class of an architecture's module that is a `base`."""
    if name not in names():
        raise InputError(f"casebook:architecture={name!r}: no such architecture; there are: {', '.join(names())}")
    module = importlib.import_module(f"architectures.{name}")
    [found] = [
        one
        for one in vars(module).values()
        if inspect.isclass(one) and issubclass(one, base) and one.__module__ == module.__name__
    ]
    return found


def build() -> None:
    """Check the stack's configuration whole, then declare its architecture."""
    config = pulumi.Config("casebook")
    for key in pulumi.runtime.config.CONFIG.get():
        namespace, _, word = key.rpartition(":")
        if namespace == "casebook" and word not in KEYS:
            may = ", ".join(f"casebook:{k}" for k in KEYS)
            near = difflib.get_close_matches(word, KEYS, 1)
            meant = f" did you mean casebook:{near[0]}?" if near else ""
            raise InputError(f"{shown(key)[1:-1]}: no such key;{meant} the stack's file may set {may}")
    name = config.get("architecture")
    if not name:
        raise InputError(f"casebook:architecture: missing; the stack's file names one of {', '.join(names())}")
    architecture = load(name)
    # JSON is what the file is to Pulumi: lists and objects of the right types, and nothing is converted.
    text = config.get("settings")
    if text is None:
        raise InputError(f"casebook:settings: missing; what they may be says architectures/{name}.py, class Settings")
    try:
        settings = architecture.Arguments.model_validate_json(text)
    except ValidationError as error:
        raise explained(f"casebook:settings of stack {pulumi.get_stack()!r}", error, architecture.Arguments) from None
    for key, value in architecture.of(name.replace("_", "-"), settings).exports().items():
        pulumi.export(key, value)
