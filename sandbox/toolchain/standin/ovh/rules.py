"""Checks on values: each gives the reason of a refusal, or nothing."""

import ipaddress
import zlib
from collections.abc import Callable, Iterable
from typing import Any

Rule = Callable[[Any], str | None]


def among(*allowed: str) -> Rule:
    return lambda v: None if v in allowed else f"Value {v} is not among valid values ([{' '.join(allowed)}])"


def parses(kind: Callable[[str], object], reason: Callable[[str], str], slash: bool = False) -> Rule:
    def rule(value: str) -> str | None:
        try:
            if slash and "/" not in value:
                raise ValueError
            kind(value)
        except ValueError:
            return reason(value)
        return None

    return rule


def network(value: str) -> object:
    return ipaddress.ip_network(value, strict=False)


IPV4 = parses(ipaddress.IPv4Address, lambda v: f"Address {v} is not an IPv4")
IP = parses(ipaddress.ip_address, lambda v: f"Value {v} is not a valid IP")
BLOCK = parses(network, lambda v: f"Value {v} is not a valid IP block", slash=True)


def hashed(values: Iterable[str], mark: str = "") -> list[str]:
    """A set of strings in the order in which the real plugin sends and returns it."""
    return sorted(values, key=lambda value: str(zlib.crc32((value + mark).encode())))
