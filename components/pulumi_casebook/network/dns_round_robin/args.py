"""Arguments of a name with several addresses."""

from collections.abc import Iterator, Mapping
from typing import Annotated

import pulumi
from pydantic import Field, field_validator

from pulumi_casebook.core.addresses import Address6
from pulumi_casebook.core.args import Address, Domain, Label, form
from pulumi_casebook.core.component import Claim, ComponentArgs

# "" is the zone itself, * all names that have no record.
Subdomain = Annotated[
    str,
    form(
        r"|(\*|[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?)(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?)*",
        "a name in the zone: lower-case letters, digits, - and _, in parts of 63 at most; * alone in front",
    ),
]


class DnsRoundRobinArgs(ComponentArgs):
    # The DNS zone, which the account has already.
    zone: Domain
    # The name in it; "" is the zone itself.
    subdomain: Subdomain
    # Name -> address: keyed, so that one more leaves the other records alone. An address may be an output.
    targets: Mapping[Label, Address | pulumi.Output[str]] = Field(min_length=1)
    # The same by IPv6 (`public_ipv6` of instances), of those that answer there.
    ipv6_targets: Mapping[Label, Address6 | pulumi.Output[str]] = {}
    # Seconds for which resolvers keep an answer, and so may keep an address that was taken out.
    ttl: int = 60
    # True where a DrpReplicaSite moves the records: after the first `up` their addresses are its own.
    externally_managed: bool = False

    def claims(self, name: str) -> Iterator[Claim]:  # noqa: ARG002
        yield Claim("DNS name", (self.zone, self.subdomain), f"zone={self.zone}, subdomain={self.subdomain}")

    @field_validator("ttl")
    @classmethod
    def _offered(cls, value: int) -> int:
        if not 60 <= value <= 86400:
            raise ValueError("seconds, 60 to 86400: OVHcloud serves nothing shorter, and a change must come through")
        return value

    @field_validator("targets", "ipv6_targets")
    @classmethod
    def _each_once(cls, value: Mapping[Label, str | pulumi.Output[str]]) -> Mapping[Label, str | pulumi.Output[str]]:
        planned = [address for address in value.values() if isinstance(address, str)]
        if twice := sorted({address for address in planned if planned.count(address) > 1}):
            raise ValueError(f"{twice[0]} is there twice; a name has an address once")
        return value
