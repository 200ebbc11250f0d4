"""What every component's arguments have in common: strict, frozen, refused with a sentence."""

import ipaddress
import re
from typing import Annotated, TypeVar

import pulumi
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

T = TypeVar("T")


class InputError(pulumi.RunError):
    """Input that cannot be built. Pulumi prints the message alone, without a stack trace."""


class Args(BaseModel):
    """Frozen and strict: an unknown field or a wrong type is refused before any resource is declared."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True)


# A sequence; a list is as welcome as a tuple.
Many = Annotated[tuple[T, ...], Field(strict=False)]


def explained(where: str, error: ValidationError) -> InputError:
    """One line a mistake: the field, the value given, what is allowed and why."""
    lines = []
    for mistake in error.errors():
        path = ".".join(str(part) for part in mistake["loc"])
        given = "" if mistake["type"] in ("missing", "extra_forbidden") or not path else f"={shown(mistake['input'])}"
        reason = mistake["msg"].removeprefix("Value error, ")
        if mistake["type"] == "extra_forbidden":
            reason = "no such field"
        lines.append(f"{where}: {path}{given}: {reason}" if path else f"{where}: {reason}")
    return InputError("\n".join(lines))


def shown(value: object) -> str:
    """A value for a message: short, and never a secret's text."""
    if isinstance(value, pulumi.Output) or type(value).__name__ == "SecretStr":
        return "(hidden)"
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _cidr(value: str) -> str:
    try:
        return str(ipaddress.IPv4Network(value))
    except ValueError as error:
        raise ValueError(f"not an IPv4 network like 10.8.0.0/22 ({error})") from None


def _address(value: str) -> str:
    try:
        return str(ipaddress.IPv4Address(value))
    except ValueError:
        raise ValueError("not an IPv4 address like 10.8.0.10") from None


def _label(value: str) -> str:
    if not re.fullmatch(r"[a-z]([a-z0-9-]{0,40}[a-z0-9])?", value):
        raise ValueError(
            "names become host names: lower-case letters, digits and dashes, starting with a letter, 42 at most"
        )
    return value


def _absolute(value: tuple[str, ...]) -> tuple[str, ...]:
    for path in value:
        if not path.startswith("/") or "\n" in path:
            raise ValueError(f"{path!r} is not an absolute path")
    return value


Cidr = Annotated[str, AfterValidator(_cidr)]
Address = Annotated[str, AfterValidator(_address)]
Label = Annotated[str, AfterValidator(_label)]
Port = Annotated[int, Field(ge=1, le=65535)]
# Files and directories of a machine.
Paths = Annotated[Many[str], AfterValidator(_absolute)]
