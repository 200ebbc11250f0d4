"""The address plan: (tier, index) to a fixed address, so that adding a machine moves no other."""

import ipaddress
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, ValidationError, model_validator

from pulumi_casebook.core.args import Args, Cidr, explained

Tier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class AddressPlanArgs(Args):
    cidr: Cidr
    # Tier -> offset of its first address inside the network. A tier ends where the next one begins.
    tiers: Mapping[Tier, int]

    @model_validator(mode="after")
    def _fits(self) -> "AddressPlanArgs":
        network = ipaddress.IPv4Network(self.cidr)
        seen: dict[int, str] = {}
        for tier, offset in self.tiers.items():
            if not 1 <= offset < network.num_addresses - 1:
                raise ValueError(
                    f"tiers.{tier}={offset}: {self.cidr} has host offsets 1 to {network.num_addresses - 2}"
                )
            if offset in seen:
                raise ValueError(f"tiers.{tier}={offset}: already the start of tier {seen[offset]!r}")
            seen[offset] = tier
        return self


class AddressPlan:
    """Planned addresses of one private network.

    >>> plan = AddressPlan("10.8.0.0/24", haproxy=10, web=20)
    >>> plan.address("web", 3)
    '10.8.0.22'

    `address` counts from 1. Errors: a tier that is not in the plan; an index beyond the tier's room.
    """

    def __init__(self, cidr: str, **tiers: int) -> None:
        try:
            args = AddressPlanArgs.model_validate({"cidr": cidr, "tiers": tiers})
        except ValidationError as error:
            raise explained("AddressPlan", error) from None
        self.cidr, self._starts = args.cidr, dict(args.tiers)
        self._network = ipaddress.IPv4Network(args.cidr)

    def room(self, tier: str) -> int:
        """How many addresses a tier has."""
        start = self._start(tier)
        later = [other for other in self._starts.values() if other > start]
        return min(later, default=self._network.num_addresses - 1) - start

    def address(self, tier: str, index: int) -> str:
        start, room = self._start(tier), self.room(tier)
        if not 1 <= index <= room:
            raise ValueError(
                f"AddressPlan: {tier} number {index}: {self.cidr} has room for {room} of them; "
                "widen the plan before the first machine exists, addresses do not move later"
            )
        return str(self._network[start + index - 1])

    def block(self, tier: str, prefix: int) -> str:
        """The first network of `prefix` length at a tier's start, for a NAT range."""
        return str(ipaddress.IPv4Network((int(self._network[self._start(tier)]), prefix)))

    def _start(self, tier: str) -> int:
        if tier not in self._starts:
            raise ValueError(f"AddressPlan: no tier {tier!r}; it has {', '.join(self._starts)}")
        return self._starts[tier]
