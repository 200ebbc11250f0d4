"""Addresses by family: an API promises no order of the addresses that it lists."""

import ipaddress
from collections.abc import Iterable

from pulumi_casebook.core.args import InputError


def ipv4(addresses: Iterable[str], whose: str) -> str:
    """The first IPv4 address of a list, which may begin with others. InputError if there is none."""
    listed = list(addresses)
    found = next((one for one in listed if ipaddress.ip_address(one).version == 4), None)
    if found is None:
        raise InputError(
            f"{whose}: has no IPv4 address, of {', '.join(listed) or 'none at all'}; it is reached by IPv4"
        )
    return found
