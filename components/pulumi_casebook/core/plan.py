"""The address plan: (tier, index) to a fixed address, so that adding a machine moves no other."""

import ipaddress
import itertools
import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, ValidationError, model_validator

from pulumi_casebook.core.args import Args, InputError, PrivateCidr, explained, form

Tier = Annotated[str, form(r"[a-z][a-z0-9_]*", "a tier's name: lower-case letters, digits and _, a letter first")]


def _room(value: str) -> str:
    found = re.fullmatch(r"([0-9]{1,7})/([0-9]{1,2})", value)
    if not found or not 16 <= int(found[2]) <= 32:
        raise ValueError("the number of its first address in the network, and a prefix length: 64/26")
    if int(found[1]) % (size := 2 ** (32 - int(found[2]))):
        raise ValueError(f"a /{found[2]} begins at a multiple of {size}")
    return value


# Where a tier is in a network: its first address counted from the network's own, and how large it is.
Room = Annotated[str, AfterValidator(_room)]


class AddressPlanArgs(Args):
    # The private network, or the part of it that is planned.
    cidr: PrivateCidr
    # Tier -> its room: 64/26 is the /26 that begins 64 addresses after the network's own.
    tiers: Mapping[Tier, Room]

    @model_validator(mode="after")
    def _fits(self) -> "AddressPlanArgs":
        whole = ipaddress.IPv4Network(self.cidr)
        for tier, room in self.tiers.items():
            first, _, prefix = room.partition("/")
            if not int(first) or int(first) + 2 ** (32 - int(prefix)) > whole.num_addresses:
                raise ValueError(
                    f"tiers.{tier}={room}: {self.cidr} has the numbers 1 to {whole.num_addresses - 1}; "
                    "0 is the network itself"
                )
        for (tier, mine), (other, taken) in itertools.combinations(self.ranges.items(), 2):
            if mine.overlaps(taken):
                raise ValueError(f"tiers.{other}={self.tiers[other]}: covers {tier}={self.tiers[tier]}")
        return self

    @property
    def ranges(self) -> Mapping[str, ipaddress.IPv4Network]:
        whole = int(ipaddress.IPv4Network(self.cidr).network_address)
        rooms = {tier: room.partition("/") for tier, room in self.tiers.items()}
        return {
            tier: ipaddress.IPv4Network((whole + int(first), int(prefix))) for tier, (first, _, prefix) in rooms.items()
        }


class AddressPlan:
    """Planned addresses of one private network.

    >>> plan = AddressPlan("10.8.0.0/24", haproxy="16/28", web="64/26")
    >>> plan.address("web", 3), plan.range("web")
    ('10.8.0.66', '10.8.0.64/26')

    `address` counts from 1; `range` is all of a tier's addresses, for firewalls: one more machine changes nothing in
    the next tier. Errors: a room that covers another or is outside; a tier that is not in the plan; an index beyond the
    tier's room.
    """

    def __init__(self, cidr: str, **tiers: str) -> None:
        try:
            args = AddressPlanArgs.model_validate({"cidr": cidr, "tiers": tiers})
        except ValidationError as error:
            raise explained("AddressPlan", error, AddressPlanArgs) from None
        self.cidr, self._ranges = args.cidr, args.ranges
        self._last = ipaddress.IPv4Network(cidr)[-1]

    def inside(self, cidr: str) -> bool:
        """Whether all that is planned is part of a network."""
        return ipaddress.IPv4Network(self.cidr).subnet_of(ipaddress.IPv4Network(cidr))

    def room(self, tier: str) -> int:
        """How many machines a tier can have. The network's last address is its broadcast."""
        found = self._range(tier)
        return found.num_addresses - (self._last in found)

    def address(self, tier: str, index: int = 1) -> str:
        """The address of a tier's machine, the first of which is 1."""
        found = self._range(tier)
        if not 1 <= index <= self.room(tier):
            raise InputError(
                f"AddressPlan: {tier} number {index}: {found} has room for {self.room(tier)}; "
                "widen the plan before the first machine exists, addresses do not move later"
            )
        return str(found[index - 1])

    def addresses(self, tier: str, count: int) -> list[str]:
        """Those of a tier's first machines: of one, for instance, that is still to be made."""
        return [self.address(tier, index + 1) for index in range(count)]

    def range(self, tier: str) -> str:
        """All addresses of a tier, as a CIDR."""
        return str(self._range(tier))

    def _range(self, tier: str) -> ipaddress.IPv4Network:
        if tier not in self._ranges:
            raise InputError(f"AddressPlan: no tier {tier!r}; it has {', '.join(self._ranges)}")
        return self._ranges[tier]
