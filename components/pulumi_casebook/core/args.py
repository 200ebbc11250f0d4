"""What every component's arguments have in common: strict, frozen, refused with a sentence."""

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, TypeVar

import pulumi
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    field_validator,
)
from pydantic_core import PydanticCustomError

T = TypeVar("T")
# RFC 1918. `is_private` of the standard library means more, among it RFC 2544's networks for tests.
PRIVATE = tuple(ipaddress.IPv4Network(cidr) for cidr in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
# What daemons hold in 32 bits.
LARGEST = 2**31 - 1


class InputError(pulumi.RunError):
    """Input that cannot be built. Pulumi prints the message alone, without a stack trace."""


class Args(BaseModel):
    """Frozen and strict: an unknown field or a wrong type is refused before any resource is declared."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True, allow_inf_nan=False
    )

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise explained(type(self).__name__, error) from None

    # For pydantic: what is given as a dictionary inside of other arguments is checked with these, and named by them.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @field_validator("*")
    @classmethod
    def _held_by_daemons(cls, value: Any) -> Any:
        for number in value.values() if isinstance(value, Mapping) else (value,):
            if isinstance(number, int | float) and abs(number) > LARGEST:
                raise ValueError(f"{number}: daemons hold {LARGEST} at most")
        return value


def _sequence(value: object) -> object:
    return tuple(value) if isinstance(value, Sequence) and not isinstance(value, str | bytes) else value


def _each_once(value: tuple[Any, ...]) -> tuple[Any, ...]:
    for number, item in enumerate(value):
        if item in value[:number]:
            named = getattr(item, "name", None) if isinstance(item, pulumi.Resource) else item
            raise ValueError(f"{named} is given twice")
    return value


# A sequence without repetition; a list is as welcome as a tuple, and a tuple is kept.
if TYPE_CHECKING:
    Unique: TypeAlias = Sequence[T]
else:
    Unique = Annotated[tuple[T, ...], BeforeValidator(_sequence), AfterValidator(_each_once)]


def explained(where: str, error: ValidationError) -> InputError:
    """One line a field: the value given, and what is allowed and why."""
    reasons: dict[str, list[str]] = {}
    found = error.errors()
    for mistake in found:
        deeper = any(len(one["loc"]) > len(at := mistake["loc"]) and one["loc"][: len(at)] == at for one in found)
        if deeper and mistake["type"] == "too_short":
            # It lacks what is refused.
            continue
        path, kind = _path(mistake["loc"]), mistake["type"]
        value = "(hidden)" if kind == "secret" else shown(mistake["input"])
        given = "" if kind in ("missing", "extra_forbidden") or not path else f"={value}"
        reason = "no such field" if kind == "extra_forbidden" else mistake["msg"]
        reasons.setdefault(f"{path}{given}: " if path else "", []).append(reason.removeprefix("Value error, "))
    # A field that may be one of several things has a reason for each.
    return InputError("\n".join(f"{where}: {what}{', or '.join(why)}" for what, why in reasons.items()))


def _path(where: Iterable[int | str]) -> str:
    """A field's place, without pydantic's names of the alternatives that a field has."""
    models = {"str", *(model.__name__ for model in _models(Args))}
    named = (str(part) for part in where if part not in models and not str(part).endswith("]"))
    return ".".join(name if name.isprintable() else repr(name) for name in named)


def _models(base: type[Args]) -> Iterable[type[Args]]:
    for model in base.__subclasses__():
        yield model
        yield from _models(model)


def shown(value: Any) -> str:
    """A value for a message: short, and never a secret's text."""
    if isinstance(value, pulumi.Resource):
        return str(getattr(value, "name", type(value).__name__))
    if isinstance(value, pulumi.Output) or type(value).__name__ == "SecretStr":
        return "(hidden)"
    if isinstance(value, dict) and value:
        # One of the values may be a secret.
        text = f"{{{', '.join(map(repr, value))}: ...}}"
    elif type(value) in (list, tuple):
        text = f"[{', '.join(map(shown, value))}]"
    else:
        text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _secret(value: object) -> str | pulumi.Output[str]:
    if not isinstance(value, str | pulumi.Output) or value == "":
        raise PydanticCustomError("secret", "a secret is text, or an output")
    return value


def _line(value: str) -> str:
    if not value.isprintable() or value != value.strip():
        raise ValueError("one line of text, without control characters, and without spaces around it")
    if "@secret(" in value:
        raise ValueError("@secret( stands for a secret in the files of a machine")
    return value


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
        if not path.startswith("/") or ".." in path.split("/"):
            raise ValueError(f"{path!r} is not an absolute path")
    return value


# For what is quoted where it is written to.
Line = Annotated[str, AfterValidator(_line)]
# A provider's name of something that it offers: a region, a flavor, an image.
ProviderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._ -]{0,62}$")]
# What answers by name; a DNS zone.
Domain = Annotated[str, Field(pattern=r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$")]
# Of the characters that need no quotes anywhere, so that nothing can leave its place in a file.
Url = Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~%/?=&+-]*)?$")]
# A database, or an account in one.
SqlName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
# OVHcloud's names of what is rented.
ServerName = Annotated[str, Field(pattern=r"^ns[0-9]+\.[a-z0-9.-]+$")]
VpsName = Annotated[str, Field(pattern=r"^vps[a-z0-9-]*\.[a-z0-9.-]+$")]
BalancerName = Annotated[str, Field(pattern=r"^loadbalancer-[a-z0-9-]+$")]
VrackName = Annotated[str, Field(pattern=r"^pn-[0-9]+$")]
NasName = Annotated[str, Field(pattern=r"^zpool-[0-9]+$")]
Project = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
# 0 is the untagged network of a vRack.
Vlan = Annotated[int, Field(ge=0, le=4000)]
# An operating system that OVHcloud installs.
System = Annotated[str, Field(pattern=r"^[a-z0-9._-]+_64$")]
SshPublicKey = Annotated[
    str,
    Field(
        pattern=r"^(ssh-ed25519|ssh-rsa|ecdsa-sha2-[a-z0-9-]+|sk-[a-z0-9@.-]+) [A-Za-z0-9+/=]+( [A-Za-z0-9@._+ -]*)?$"
    ),
]
Cidr = Annotated[str, AfterValidator(_cidr)]
WORLD = "0.0.0.0/0"  # the network of everybody
Address = Annotated[str, AfterValidator(_address)]
Label = Annotated[str, AfterValidator(_label)]
Port = Annotated[int, Field(ge=1, le=65535)]
# Thresholds of alerts.
Percent = Annotated[float, Field(gt=0, le=100)]
Positive = Annotated[float, Field(gt=0)]
Minutes = Annotated[int, Field(ge=1)]
# Files and directories of a machine.
Paths = Annotated[Unique[Line], AfterValidator(_absolute)]
# What is in no message (nor in a model's repr, with `Field(repr=False)`): text, or an output.
Secret = Annotated[str | pulumi.Output[str], PlainValidator(_secret)]
