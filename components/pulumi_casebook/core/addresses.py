"""Addresses by family: an API promises no order of the addresses that it lists."""

import ipaddress
from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator

from pulumi_casebook.core.args import InputError


def _address6(value: str) -> str:
    try:
        return str(ipaddress.IPv6Address(value))
    except ValueError:
        raise ValueError("not an IPv6 address like 2001:db8::10") from None


Address6 = Annotated[str, AfterValidator(_address6)]


def ipv4(addresses: Iterable[str], whose: str) -> str:
    """The first IPv4 address of a list, which may begin with others. InputError if there is none."""
    listed = list(addresses)
    found = next((one for one in listed if ipaddress.ip_address(one).version == 4), None)
    if found is None:
        raise InputError(
            f"{whose}: has no IPv4 address, of {', '.join(listed) or 'none at all'}; it is reached by IPv4"
        )
    return found


def ipv6(addresses: Iterable[str]) -> str:
    """The first IPv6 address of a list; "" if there is none."""
    return next((one for one in addresses if ipaddress.ip_address(one).version == 6), "")
