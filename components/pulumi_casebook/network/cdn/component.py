"""A content delivery network's name for what a stack serves."""

from collections.abc import Iterator
from typing import Annotated

import pulumi_ovh as ovh
from pydantic import AfterValidator, Field

from pulumi_casebook.core.args import Domain, Label, check_domain
from pulumi_casebook.core.component import Claim, Component, ComponentArgs, takes


def _target(value: str) -> str:
    if not value.endswith("."):
        raise ValueError("a host name with its final dot, without which it would be one of the zone")
    check_domain(value.removesuffix("."))
    return value


Target = Annotated[str, AfterValidator(_target)]


class CdnArgs(ComponentArgs):
    # The DNS zone, which the account rents.
    zone: Domain
    # The name in it under which pages refer to the content.
    subdomain: Label = "static"
    # The host name that the CDN's provider has given out, with its final dot.
    target: Target
    # Seconds for which the world remembers the name: how long a move to another provider takes.
    ttl: int = Field(default=3600, ge=60)

    def claims(self, name: str) -> Iterator[Claim]:  # noqa: ARG002
        yield Claim("DNS name", (self.zone, self.subdomain), f"zone={self.zone}, subdomain={self.subdomain}")


class Cdn(Component[CdnArgs]):
    """The name of a CDN, which fetches from what the stack serves and keeps it near its readers.

    Declares a `Domain.ZoneRecord`. The CDN is adopted: OVHcloud's provider has no resource for one.

    Attributes: `url`. Sources: SOF-11, GIR-9.
    """

    @takes(CdnArgs)
    def __init__(self, args: CdnArgs) -> None:
        self.url = f"https://{args.subdomain}.{args.zone}"
        ovh.domain.ZoneRecord(
            self.name,
            zone=args.zone,
            subdomain=args.subdomain,
            fieldtype="CNAME",
            target=args.target,
            ttl=args.ttl,
            opts=self.child(),
        )
