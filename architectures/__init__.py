"""One module a published system. Each has `Settings`, what its stack's file may say, and `build(settings)`."""

import importlib
import json
import os
import pkgutil
from collections.abc import Mapping
from typing import Annotated, Protocol

import pulumi
from pydantic import BeforeValidator, Field, ValidationError

from pulumi_casebook import AddressPlan, InputError
from pulumi_casebook.core.args import Args, Project, explained

KEYS = ("architecture", "settings", "sandbox")


def _given(value: object) -> object:
    if not value:
        raise ValueError("none given; set OVH_CLOUD_PROJECT_SERVICE to the Public Cloud project's id")
    return value


def check_plan(field: str, cidr: str, tiers: Mapping[str, int]) -> None:
    """For a validator: a network that holds the tiers, or a ValueError that names the field."""
    try:
        AddressPlan(cidr, **tiers)
    except InputError as error:
        raise ValueError(f"{field}={cidr}: too small for the drawing ({error})") from None


class ProjectSettings(Args):
    """What the file of a stack in a Public Cloud project may say, whatever the stack."""

    # The project's id.
    project: Annotated[Project, BeforeValidator(_given)] = Field(
        default_factory=lambda: os.environ.get("OVH_CLOUD_PROJECT_SERVICE", ""), validate_default=True
    )


class Architecture(Protocol):
    """What a module of this package offers."""

    Settings: type[Args]

    @staticmethod
    def build(settings: Args) -> None: ...


def names() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(name: str) -> Architecture:
    """The module of an architecture; a sentence with all names when there is none."""
    if name not in names():
        raise InputError(f"casebook:architecture={name!r}: no such architecture; there are: {', '.join(names())}")
    module: Architecture = importlib.import_module(f"architectures.{name}")  # type: ignore[assignment]
    return module


def build() -> None:
    """Check the stack's configuration whole, then declare its architecture."""
    config = pulumi.Config("casebook")
    for key in pulumi.runtime.config.CONFIG.get():
        namespace, _, word = key.rpartition(":")
        if namespace == "casebook" and word not in KEYS:
            raise InputError(f"{key}: no such key; the stack's file may set {', '.join(f'casebook:{k}' for k in KEYS)}")
    architecture = load(config.require("architecture"))
    # JSON is what the file is to Pulumi: lists and objects of the right types, and nothing is converted.
    text = json.dumps(config.get_object("settings") or {})
    try:
        settings = architecture.Settings.model_validate_json(text)
    except ValidationError as error:
        raise explained(f"casebook:settings of stack {pulumi.get_stack()!r}", error) from None
    architecture.build(settings)
