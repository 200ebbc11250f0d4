"""One DNS name for several addresses: resolvers hand them out in turn."""

import pulumi_ovh as ovh

from pulumi_casebook.core.component import Component, takes
from pulumi_casebook.core.lookup import LookUp
from pulumi_casebook.network.dns_round_robin.args import DnsRoundRobinArgs


class DnsRoundRobin(Component[DnsRoundRobinArgs]):
    """An A record for each target in a zone of the account, and an AAAA record by IPv6; the zone itself is adopted.

    Declares `Domain.ZoneRecord` NAME-TARGET and NAME-TARGET-ipv6. Attributes, known at preview: `host`, the name that
    clients ask for; `zone`, `subdomain`, `externally_managed`; and `targets`.
    Sources: NRT-1; api.ovh.com /domain/zone.
    """

    @takes(DnsRoundRobinArgs)
    def __init__(self, args: DnsRoundRobinArgs) -> None:
        LookUp(
            "DNS zone",
            args.zone,
            "ovh:Domain/getZone:getZone",
            {"name": args.zone},
            ovh.domain.GetZoneResult,
            hint="check zone, and that the credentials are of the account that manages it",
        ).result(self)
        self.zone, self.subdomain, self.targets = args.zone, args.subdomain, args.targets
        self.externally_managed = args.externally_managed
        self.host = f"{args.subdomain}.{args.zone}".lstrip(".")
        records = [(name, "A", address) for name, address in args.targets.items()]
        records += [(f"{name}-ipv6", "AAAA", address) for name, address in args.ipv6_targets.items()]
        for name, fieldtype, address in records:
            ovh.domain.ZoneRecord(
                f"{self.name}-{name}",
                zone=args.zone,
                subdomain=args.subdomain,
                fieldtype=fieldtype,
                target=address,
                ttl=args.ttl,
                opts=self.child(ignore_changes=["target"] if args.externally_managed else None),
            )
