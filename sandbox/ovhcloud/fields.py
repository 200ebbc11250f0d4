"""Request bodies, checked: which fields exist, their types, which are needed. What does not fit is the API's 400."""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .errors import ApiError
from .store import Object

ABSENT = object()
Check = Callable[[Any], bool]


def text(value: Any) -> bool:
    return isinstance(value, str)


def boolean(value: Any) -> bool:
    return isinstance(value, bool)


def mapping(value: Any) -> bool:
    return isinstance(value, dict)


def string_map(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())


def integer(low: int | None = None, high: int | None = None) -> Check:
    def check(value: Any) -> bool:
        return (
            isinstance(value, int)
            and not isinstance(value, bool)
            and (low is None or value >= low)
            and (high is None or value <= high)
        )

    return check


def one_of(*allowed: str) -> Check:
    return lambda value: isinstance(value, str) and value in allowed


def ipv4(value: Any) -> bool:
    return _parses(ipaddress.IPv4Address, value)


def address(value: Any) -> bool:
    return _parses(ipaddress.ip_address, value)


def block(value: Any) -> bool:
    return _parses(ipaddress.ip_network, value)


def ipv4_block(value: Any) -> bool:
    return _parses(ipaddress.IPv4Network, value)


def _parses(kind: Callable[[str], object], value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(kind(value))
    except ValueError:
        return False


@dataclass(frozen=True)
class ListOf:
    """A list whose every item passes the check."""

    item: "Check | Fields"


@dataclass(frozen=True)
class Needed:
    """A field that must be there and not null."""

    check: "Check | Fields | ListOf"


@dataclass(frozen=True)
class Default:
    """A field that takes a value of its own when it is absent or null; without it that value is null."""

    check: "Check | Fields | ListOf"
    value: Any


class Fields:
    """The fields of a body, or of an object inside one.

    Fields(zone=Needed(text), weight=Default(integer(0, 256), 1), displayName=text)
    """

    def __init__(self, **rules: "Check | Fields | ListOf | Needed | Default") -> None:
        self.rules = rules

    def read(self, body: Any, *, update: bool = False, where: str = "") -> Object:
        """The checked body. On an update what is absent stays absent; else it takes its default.

        Raises ApiError 400 that names the field: unknown, missing, null or of a wrong type.
        """
        given = {} if body is None else body
        if not isinstance(given, dict):
            raise ApiError(400, f"Invalid value for parameter {where.rstrip('.') or 'body'}: an object is needed")
        unknown = [where + str(name) for name in given if name not in self.rules]
        if unknown:
            # OVHcloud's own words: ovh/php-ovh#63.
            raise ApiError(400, f"Received not described parameters: ({', '.join(unknown)})")
        result = {
            name: self._field(rule, given.get(name, ABSENT), update, where + name) for name, rule in self.rules.items()
        }
        return {name: value for name, value in result.items() if value is not ABSENT}

    def _field(self, rule: "Check | Fields | ListOf | Needed | Default", value: Any, update: bool, where: str) -> Any:
        if value is ABSENT and update:
            return ABSENT
        if isinstance(rule, Needed):
            if value is ABSENT:
                raise ApiError(400, f"Missing parameter: {where}")
            if value is None:
                raise ApiError(400, f"Invalid value for parameter {where}: null")
            return checked(rule.check, value, where)
        default = rule.value if isinstance(rule, Default) else None
        if value is ABSENT or value is None:
            return default
        return checked(rule.check if isinstance(rule, Default) else rule, value, where)


def checked(check: "Check | Fields | ListOf", value: Any, where: str) -> Any:
    """The value, once it has passed its check."""
    if isinstance(check, Fields):
        return check.read(value, where=where + ".")
    if isinstance(check, ListOf):
        if not isinstance(value, list):
            raise ApiError(400, f"Invalid value for parameter {where}: a list is needed")
        return [checked(check.item, item, f"{where}[{number}]") for number, item in enumerate(value)]
    if not check(value):
        raise ApiError(400, f"Invalid value for parameter {where}: {value!r}")
    return value
