"""What every component's arguments have in common: strict, frozen, refused with a sentence."""

import difflib
import ipaddress
import math
import re
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
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
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from pulumi_casebook.core.debian import RELEASE

T = TypeVar("T")
# RFC 1918. `is_private` of the standard library means more, among it RFC 2544's networks for tests.
PRIVATE = tuple(ipaddress.IPv4Network(cidr) for cidr in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
# In these are no machines: this host, loopback, multicast, and what is reserved, broadcast among it.
NOBODY = tuple(ipaddress.IPv4Network(cidr) for cidr in ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4"))
LINK_LOCAL = ipaddress.IPv4Network("169.254.0.0/16")
# More addresses than this are no longer somebody's.
MANY = 2**26
# What daemons hold in 32 bits.
LARGEST = 2**31 - 1
# What they can count with, by the unit at the end of a field's name: a century, a year, and so on. Beyond it times
# overflow where they become milliseconds or nanoseconds.
LARGEST_OF = {
    "days": 36500,
    "hours": 24 * 3650,
    "minutes": 60 * 24 * 365,
    "seconds": 3600 * 24 * 3650,
    "mib": 4 * 1024**2,
    "gb": 1_000_000,
}


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
            raise explained(type(self).__name__, error, type(self)) from None

    # For pydantic: what is given as a dictionary inside of other arguments is checked with these, and named by them.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @field_validator("*")
    @classmethod
    def _held_by_daemons(cls, value: Any, field: ValidationInfo) -> Any:
        largest = LARGEST_OF.get(str(field.field_name).rpartition("_")[2], LARGEST)
        for number in value.values() if isinstance(value, Mapping) else (value,):
            if isinstance(number, int | float) and abs(number) > largest:
                raise ValueError(f"{shown(number)}: {largest} at most, for daemons hold no more")
        return value


@dataclass(frozen=True)
class Rented:
    """Said of a type: what has this name is the account's, and only one component's."""

    # What it is called in a message: "dedicated server".
    kind: str


def form(pattern: str, sentence: str) -> AfterValidator:
    """Text of a form. The sentence says which; a regular expression is nobody's language."""

    def check(value: str) -> str:
        # Not $, which a newline may follow.
        if not re.fullmatch(pattern, value):
            raise ValueError(sentence)
        return value

    return AfterValidator(check)


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


def explained(where: str, error: ValidationError, model: type[Args]) -> InputError:
    """One line a field: the value given, and what is allowed and why. A field that is in no repr is in no message."""
    found = error.errors(include_url=False)
    reasons: dict[str, list[str]] = {}
    missing: dict[tuple[int | str, ...], list[str]] = {}
    meant: set[tuple[int | str, ...]] = set()
    for mistake in found:
        at, kind, reason = mistake["loc"], mistake["type"], mistake["msg"].removeprefix("Value error, ")
        secret, around = _place(model, at)
        if kind == "missing":
            missing.setdefault(at[:-1], []).append(str(at[-1]))
            continue
        if kind == "too_short" and any(len(one["loc"]) > len(at) and one["loc"][: len(at)] == at for one in found):
            # It lacks what is refused.
            continue
        value = "(hidden)" if kind == "secret" or secret else shown(mistake["input"])
        path = _path(at)
        place = f"{path}={value}: " if path else ""
        if kind == "extra_forbidden":
            near = difflib.get_close_matches(str(at[-1]), [name for one in around for name in one.model_fields], 1)
            meant |= {(*at[:-1], name) for name in near}
            place, reason = f"{path}: ", f"no such field{''.join(f'; did you mean {name}?' for name in near)}"
        elif secret and isinstance(mistake["input"], str) and mistake["input"]:
            # A validator may have quoted it.
            reason = reason.replace(mistake["input"], "(hidden)")
        if (reason := _cut(reason, 400)) not in reasons.setdefault(place, []):
            reasons[place].append(reason)
    for around_it, names in missing.items():
        # What is there under another name is one mistake.
        if left := [_path((*around_it, name)) for name in names if (*around_it, name) not in meant]:
            reasons[f"{', '.join(left)}: "] = ["Field required"]
    # A field that may be one of several things has a reason for each.
    return InputError("\n".join(f"{where}: {place}{', or '.join(why)}" for place, why in reasons.items()))


def _path(where: Iterable[int | str]) -> str:
    """A field's place, without pydantic's names of the alternatives that a field has."""
    models = {"str", *(model.__name__ for model in _models(Args))}
    named = (str(part) for part in where if part not in models and not str(part).endswith("]"))
    return ".".join(_cut(name if name.isprintable() else repr(name)) for name in named)


def _models(base: type[Args]) -> Iterable[type[Args]]:
    for model in base.__subclasses__():
        yield model
        yield from _models(model)


def _place(model: type[Args], where: Sequence[int | str]) -> tuple[bool, list[type[Args]]]:
    """Whether what is there is secret, and the models that the place is in."""
    around, secret = [model], False
    for part in where:
        fields = [one.model_fields[part] for one in around if isinstance(part, str) and part in one.model_fields]
        secret = secret or any(not field.repr and part != "opts" for field in fields)
        if fields:
            around = [inner for field in fields for inner in inner_models(field.annotation)]
    return secret, around


def inner_models(annotation: Any) -> Iterator[type[Args]]:
    """The models that a field may hold."""
    if isinstance(annotation, type) and issubclass(annotation, Args):
        yield annotation
    for part in typing.get_args(annotation):
        yield from inner_models(part)


def shown(value: Any) -> str:
    """A value for a message: short, and never a secret's text."""
    if isinstance(value, pulumi.Resource):
        return str(getattr(value, "name", type(value).__name__))
    if isinstance(value, pulumi.Output) or type(value).__name__ == "SecretStr":
        return "(hidden)"
    if isinstance(value, int) and abs(value) > 10**40:
        # Python itself refuses to print a number of thousands of digits.
        return f"a number of {int(value.bit_length() * math.log10(2)) + 1} digits"
    if isinstance(value, dict) and value:
        # One of the values may be a secret.
        text = f"{{{', '.join(map(shown, value))}: ...}}"
    elif type(value) in (list, tuple):
        text = f"[{', '.join(map(shown, value))}]"
    elif isinstance(value, str | bytes | int | float | None):
        text = repr(value)
    elif isinstance(value, Args):
        text = type(value).__name__
    else:
        text = _printed(value)
    return _cut(CREDENTIALS.sub(r"\1(hidden)", text) if "://" in text else text)


def _printed(value: Any) -> str:
    try:
        return repr(value)
    except Exception:
        return type(value).__name__


def _cut(text: str, length: int = 80) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."


def check_secret(value: object) -> str | pulumi.Output[str]:
    if not isinstance(value, str | pulumi.Output) or value == "":
        raise PydanticCustomError("secret", "a secret is text, or an output")
    if isinstance(value, str) and "\0" in value:
        raise PydanticCustomError("secret", "a secret has no NUL in it, at which daemons end it")
    return value


def _secret_line(value: object) -> str | pulumi.Output[str]:
    value = check_secret(value)
    if isinstance(value, str) and not value.isprintable():
        end = ": take off the newline at its end" if value.endswith("\n") and value[:-1].isprintable() else ""
        reason = f"a secret is one line, without control characters{end}"
        raise PydanticCustomError("secret", "{reason}", {"reason": reason})
    return value


def _secret_url(value: object) -> str | pulumi.Output[str]:
    value = _secret_line(value)
    if isinstance(value, str):
        try:
            check_url(value)
        except ValueError as error:
            raise PydanticCustomError("secret", "{reason}", {"reason": str(error)}) from None
    return value


def _line(value: str) -> str:
    if not value.isprintable() or value != value.strip():
        raise ValueError("one line of text, without control characters, and without spaces around it")
    if "@secret(" in value:
        raise ValueError("@secret( stands for a secret in the files of a machine")
    return value


def _cidr(value: str) -> str:
    try:
        network = ipaddress.IPv4Network(value)
    except ValueError as error:
        why = f" ({error})" if len(value) < len("255.255.255.255/255.255.255.255") else ""
        raise ValueError(f"not an IPv4 network like 10.8.0.0/22{why}") from None
    if nobody := next((none for none in NOBODY if network.subnet_of(none)), None):
        raise ValueError(f"nobody comes from {nobody}, and nobody is there")
    return str(network)


def _address(value: str) -> str:
    try:
        address = ipaddress.IPv4Address(value)
    except ValueError:
        raise ValueError("not an IPv4 address like 10.8.0.10") from None
    if nobody := next((none for none in NOBODY if address in none), None):
        raise ValueError(f"no machine has an address of {nobody}")
    return str(address)


def _private_cidr(value: str) -> str:
    network = ipaddress.IPv4Network(value)
    if not any(network.subnet_of(private) for private in PRIVATE):
        raise ValueError("a private network is part of 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16")
    if network.prefixlen > 29:
        raise ValueError("too small to hold machines; /29 or wider")
    return value


def _somebody(value: tuple[str, ...]) -> tuple[str, ...]:
    networks = list(ipaddress.collapse_addresses(ipaddress.IPv4Network(cidr) for cidr in value))
    if sum(network.num_addresses for network in networks) > MANY:
        raise ValueError("that is nearly everybody; name the networks where they come from")
    if link := next((network for network in networks if network.subnet_of(LINK_LOCAL)), None):
        raise ValueError(f"{link}: addresses of a link come from no other network")
    return value


def check_host(field: str, address: str, cidr: str) -> None:
    """For a validator: a machine of the network can have the address, or a ValueError that names the field."""
    network, found = ipaddress.IPv4Network(cidr), ipaddress.IPv4Address(address)
    if found not in network:
        raise ValueError(f"{field}={address}: outside the network {cidr}")
    if found in (network.network_address, network.broadcast_address) and network.prefixlen < 31:
        what = "the network itself" if found == network.network_address else "its broadcast"
        raise ValueError(f"{field}={address}: of {cidr} it is {what}, which no machine has")


def _label(value: str) -> str:
    if not re.fullmatch(r"[a-z]([a-z0-9-]{0,40}[a-z0-9])?", value):
        raise ValueError(
            "names become host names: lower-case letters, digits and dashes, starting with a letter, 42 at most"
        )
    return value


def is_address(value: str) -> bool:
    """Whether it is an IP address, of either family."""
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def check_host_name(value: str) -> str:
    if is_address(value) or re.fullmatch(r"[0-9.]+", value):
        raise ValueError("an address, where a name is meant")
    if len(value) > 253:
        raise ValueError("a host name has 253 characters at most")
    for label in value.split("."):
        if len(label) > 63:
            raise ValueError(f"{_cut(label)}: a part of a host name has 63 characters at most")
        if not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", label):
            raise ValueError(
                "a host name's parts, which dots divide, are lower-case letters, digits and dashes, with a letter or "
                "digit at both ends"
            )
    return value


def check_domain(value: str) -> str:
    check_host_name(value)
    if "." not in value or value.rpartition(".")[2].isdigit():
        raise ValueError("a domain name has two parts or more, such as example.org")
    return value


def _port(value: str) -> None:
    if not re.fullmatch(r"[0-9]{1,5}", value) or not 1 <= int(value) <= 65535:
        raise ValueError("a port is a number from 1 to 65535")


def check_host_and_port(value: str, *, needs_port: bool = False) -> None:
    """For a validator: host, host:port, or [an IPv6 address]:port."""
    host, colon, port = value.partition("]:") if value.startswith("[") else value.partition(":")
    if colon or needs_port:
        _port(port)
    if value.startswith("["):
        address = host.removeprefix("[").removesuffix("]")
        if not is_address(address) or ":" not in address or not (colon or value.endswith("]")):
            raise ValueError("[ and ] hold an IPv6 address")
    elif re.fullmatch(r"[0-9.]+", host):
        ipaddress.IPv4Address(host)
        if any(ipaddress.IPv4Address(host) in none for none in NOBODY if none.network_address.packed[0] != 127):
            raise ValueError(f"nobody answers on {host}")
    else:
        check_host_name(host.lower())


def check_url(value: str, schemes: Sequence[str] = ("http", "https")) -> str:
    """For a validator: a URL of characters that need no quotes anywhere, so that nothing can leave its place."""
    scheme, colon, rest = value.partition("://")
    kinds = " or ".join(f"{one}://" for one in schemes)
    if not colon or scheme not in schemes:
        raise ValueError(f"begins with {kinds}")
    host, slash, path = rest.partition("/")
    if "@" in host:
        raise ValueError("a name and a password do not belong into a URL, which is shown and logged")
    check_host_and_port(host, needs_port=scheme == "tcp")
    if slash and scheme == "tcp":
        raise ValueError("tcp:// is followed by host:port alone")
    if not re.fullmatch(r"[A-Za-z0-9._~%/?=&:+,;@!*-]*", path):
        raise ValueError("a URL's path has letters, digits and ._~%/?=&:+,;@!*- in it; write others as %XX")
    return value


def _absolute(value: tuple[str, ...]) -> tuple[str, ...]:
    for path in value:
        check_path(path)
    return value


def check_path(value: str) -> str:
    if not value.startswith("/") or {".", ".."} & set(value.split("/")):
        raise ValueError(f"{shown(value)} is not an absolute path without . and .. in it")
    if len(value) > 1000:
        raise ValueError("a path has 1000 characters at most")
    return value


def _place_of_files(value: str) -> str:
    check_path(value)
    top, *below = value.strip("/").split("/")
    if (
        top in SYSTEM
        or (not below and top in ("", "home", "opt", "srv", "var"))
        or value.strip("/") in ("var/lib", "var/log")
    ):
        raise ValueError("the system's own files are there; choose a folder of its own, such as /srv/files")
    return value


# What a machine's system is in.
SYSTEM = frozenset(
    {"bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "proc", "root", "run", "sbin", "sys", "tmp", "usr"}
)
# Of URLs: who asks, and what the question says.
CREDENTIALS = re.compile(r"(://)[^/@\s'\"]*(?=@)|(?<=[?])[^'\"\s]+")

# For what is quoted where it is written to.
Line = Annotated[str, AfterValidator(_line)]
# A provider's name of something that it offers: a region, a flavor, an image.
ProviderName = Annotated[
    str,
    form(
        r"[A-Za-z0-9][A-Za-z0-9._ -]{0,62}",
        "a provider's name of what it offers has letters, digits, spaces and ._- in it, 63 at most",
    ),
]
# What answers by name: one word, or several with dots.
HostName = Annotated[str, AfterValidator(check_host_name)]
# What answers by name in the world; a DNS zone.
Domain = Annotated[str, AfterValidator(check_domain)]
# http:// or https://, of the characters that need no quotes anywhere, so that nothing can leave its place in a file.
Url = Annotated[str, AfterValidator(check_url)]
# A database, or an account in one.
SqlName = Annotated[
    str,
    form(r"[a-z][a-z0-9_]{0,62}", "a name in a database: lower-case letters, digits and _, a letter first, 63 at most"),
]
# OVHcloud's names of what is rented.
ServerName = Annotated[
    str,
    form(r"ns[0-9]+\.[a-z0-9][a-z0-9.-]*", "a dedicated server's name, such as ns31000001.ip-198-18-16-1.eu"),
    Rented("dedicated server"),
]
VpsName = Annotated[
    str,
    form(r"vps[a-z0-9-]*\.[a-z0-9][a-z0-9.-]*", "a VPS's name, such as vps-0a1b2c01.vps.ovh.net"),
    Rented("VPS"),
]
BalancerName = Annotated[
    str,
    form(r"loadbalancer-[a-z0-9-]+", "an IP Load Balancing's name: loadbalancer-, and its number"),
    Rented("load balancer"),
]
VrackName = Annotated[str, form(r"pn-[0-9]+", "a vRack's name: pn-, and its number, such as pn-1001")]
NasName = Annotated[str, form(r"zpool-[0-9]+", "a NAS-HA's name: zpool-, and its number, such as zpool-000001")]
Project = Annotated[str, form(r"[0-9a-f]{32}", "a Public Cloud project's id: 32 digits and letters from a to f")]
# 0 is the untagged network of a vRack.
Vlan = Annotated[int, Field(ge=0, le=4000)]
# An operating system that OVHcloud installs: what machines run.
System = Annotated[
    str,
    form(
        rf"debian{RELEASE}_64",
        f"what OVHcloud installs is debian{RELEASE}_64: roles are made for that release of Debian, and an installation "
        "that ends in another system has wiped the server for nothing",
    ),
]
Cidr = Annotated[str, AfterValidator(_cidr)]
WORLD = "0.0.0.0/0"  # the network of everybody
# A private network that machines are in.
PrivateCidr = Annotated[Cidr, AfterValidator(_private_cidr)]
# From where somebody comes who is not everybody: administrators, editors.
Sources = Annotated[Unique[Cidr], AfterValidator(_somebody)]
# Of a machine.
Address = Annotated[str, AfterValidator(_address)]
Label = Annotated[str, AfterValidator(_label)]
Port = Annotated[int, Field(ge=1, le=65535)]
# Thresholds of alerts.
Percent = Annotated[float, Field(gt=0, le=100)]
Positive = Annotated[float, Field(gt=0)]
Minutes = Annotated[int, Field(ge=1)]
# What daemons take in milliseconds.
Seconds = Annotated[float, Field(ge=0.001, le=86400)]
# An address of mail, of the characters that a program's files and options take.
MailAddress = Annotated[
    str,
    form(
        r"[A-Za-z0-9_]([A-Za-z0-9._+'/=&~-]{0,62}[A-Za-z0-9_+'/=&~-])?@(?=.{1,253}$)"
        r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*",
        "a mail address, such as duty@example.org",
    ),
]
# Whose files are: user:group, and a user alone.
User = Annotated[str, form(r"[a-z_][a-z0-9_-]{0,31}", "a user of the machine, such as www-data")]
Owner = Annotated[
    str, form(r"[a-z_][a-z0-9_-]{0,31}:[a-z_][a-z0-9_-]{0,31}", "a user and a group, such as www-data:www-data")
]
# A file or a directory of a machine, as shells and daemons take it without quotes.
MachinePath = Annotated[
    str,
    form(r"/[A-Za-z0-9._/-]+", "an absolute path of letters, digits and ._-"),
    AfterValidator(check_path),
]
# Where files of one's own are put, or mounted.
Folder = Annotated[MachinePath, AfterValidator(_place_of_files)]
# Files and directories of a machine.
Paths = Annotated[Unique[Line], AfterValidator(_absolute)]
# What is in no message (nor in a model's repr, with `Field(repr=False)`): text, or an output.
Secret = Annotated[str | pulumi.Output[str], PlainValidator(check_secret)]
# The same, where it is written in a line of a file.
SecretLine = Annotated[str | pulumi.Output[str], PlainValidator(_secret_line)]
# A URL that opens something by itself.
SecretUrl = Annotated[str | pulumi.Output[str], PlainValidator(_secret_url)]
