"""A web hosting plan of the account: its names in DNS, and whether it answers to them."""

from collections.abc import Iterator
from typing import Annotated

import pulumi_command as command
import pulumi_ovh as ovh
from pydantic import Field

from pulumi_casebook.core.args import Address, Domain, Label, Unique, form
from pulumi_casebook.core.component import Claim, Component, ComponentArgs, takes
from pulumi_casebook.core.local_programs import own_program

Zone = Annotated[str, form(r"", '"" for the zone itself')]


class WebHostingArgs(ComponentArgs):
    # The address of the plan's web servers, with a CDN the CDN's, as the manager shows it.
    address: Address
    # The DNS zone, which the account rents.
    zone: Domain
    # The site's names in the zone, "" for the zone itself; attach them to the plan in the manager.
    subdomains: Unique[Label | Zone] = Field(min_length=1)
    # Seconds for which the world remembers a name.
    ttl: int = Field(default=3600, ge=60)

    def claims(self, name: str) -> Iterator[Claim]:  # noqa: ARG002
        for subdomain in self.subdomains:
            yield Claim("DNS name", (self.zone, subdomain), f"zone={self.zone}, subdomains={subdomain}")


class WebHosting(Component[WebHostingArgs]):
    """A site on a web hosting plan that the account rents: nothing of the plan itself is declared.

    Declares a `Domain.ZoneRecord` a name, and a local `Command` that proves, before the names, that the plan's web
    servers answer to each of them; a name that is not attached to the plan is refused with a sentence.

    Attributes, known at preview: `urls`. Sources: GIR-6; OVHcloud's provider has no resource for a plan.
    """

    @takes(WebHostingArgs)
    def __init__(self, args: WebHostingArgs) -> None:
        names = {subdomain: f"{subdomain}.{args.zone}".lstrip(".") for subdomain in args.subdomains}
        self.urls = [f"http://{name}" for name in names.values()]
        check = f"{own_program('casebook-web-hosting')} {args.address} {' '.join(names.values())}"
        answers = command.local.Command(f"{self.name}-answers", create=check, triggers=[check], opts=self.child())
        for subdomain, name in names.items():
            ovh.domain.ZoneRecord(
                f"{self.name}-{name}",
                zone=args.zone,
                subdomain=subdomain,
                fieldtype="A",
                target=args.address,
                ttl=args.ttl,
                opts=self.child(depends_on=[answers]),
            )
