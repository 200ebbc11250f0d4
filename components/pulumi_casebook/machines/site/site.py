"""A site: a place with its network and address plan, who administers it, and how machines are made there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pulumi
from pydantic import Field, model_validator

from pulumi_casebook.core.args import Args, Label, ProviderName, Sources, System
from pulumi_casebook.core.component import HandedOver
from pulumi_casebook.core.debian import IMAGE
from pulumi_casebook.core.plan import AddressPlan
from pulumi_casebook.core.ssh import SshKey, ssh_key
from pulumi_casebook.machines.configuration import Allow
from pulumi_casebook.machines.machine import DedicatedServer, InstanceGroup, Machine, Vps, offered_image
from pulumi_casebook.machines.site.tier import Tier
from pulumi_casebook.network.vrack_network import VrackNetwork


@dataclass(frozen=True, eq=False)
class WayOut(HandedOver):
    """What a gateway hands to its site: the machine that SSH jumps through, and its address in the network."""

    via: Machine
    address: str


@dataclass(frozen=True, eq=False)
class NameServers(HandedOver):
    """What name servers hand to their site."""

    addresses: tuple[str, ...]


class _Inside(NamedTuple):
    via: Machine | None
    gateway: str | None
    resolvers: Sequence[str]
    opts: pulumi.ResourceOptions | None


class Site(Args):
    """A place, and how machines and tiers of machines are made in it. It declares nothing by itself.

    Names and addresses follow from the tier: `site.instances("web", 3)` makes web-1 to web-3 at the first three
    addresses of the tier's room. All machines of a site, and of what `behind` makes of it, are in `machines`, in the
    order in which they were made. Errors: those of the machines; a tier that is not in the plan, or is full.
    """

    # The private network of its machines.
    network: VrackNetwork
    # Where each tier's addresses are in it.
    plan: AddressPlan
    # From where administrators (and `pulumi up`) reach SSH.
    admin_cidrs: Sources = Field(min_length=1)
    # The operator's key, which machines trust.
    ssh_key: SshKey = Field(default_factory=ssh_key, repr=False)
    # Before the names of its machines and tiers, where a program has several sites: gra-web-1.
    name: Label | None = None
    # Where instances run.
    region: ProviderName | None = None
    # Their size, by OVHcloud's name, where a tier has none of its own.
    flavor: ProviderName = "b3-8"
    # The system that dedicated servers get at the first `up`, which wipes them; None: they are used as they are.
    install: System | None = None
    # The private network's gateway, which a `Gateway` hands over; instances then have no public address.
    way_out: WayOut | None = None
    # Name servers in place of the platform's, which a `Resolver` hands over.
    name_servers: NameServers | None = None
    # Whether what is open to the world is open to it by IPv6 as well.
    ipv6: bool = True
    # What was made here.
    machines: list[Machine] = Field(default_factory=list, repr=False)

    @model_validator(mode="after")
    def _planned_inside(self) -> "Site":
        if self.plan.cidr != self.network.cidr and not self.plan.inside(self.network.cidr):
            raise ValueError(f"plan: {self.plan.cidr} is outside of the network {self.network.cidr}")
        if self.region:
            # All its instances need it, so it is asked for while other questions are.
            offered_image(IMAGE, self.region).begin(self.network)
        return self

    def behind(self, way_out: WayOut, name_servers: NameServers | None = None) -> "Site":
        """The same place for what is made behind a gateway, and asks the name servers: after both of them."""
        return self.model_copy(update={"way_out": way_out, "name_servers": name_servers or self.name_servers})

    def part(self, name: str, plan: AddressPlan, region: str | None = None) -> "Site":
        """A platform of its own in the same network: its machines have the name in front, and addresses of the plan.

        `site.part("office", plan).instances("web", 2)` makes office-web-1 and office-web-2, in the same region unless
        another is given, and behind the same gateway.
        """
        changed = {"name": self.named(name), "plan": plan, "region": region or self.region}
        return self.model_validate({**dict(self), **changed}).model_copy(update={"machines": self.machines})

    def named(self, tier: str) -> str:
        """The name of a tier's resources."""
        return "-".join([*([self.name] if self.name else []), tier.replace("_", "-")])

    @property
    def resolvers(self) -> tuple[str, ...]:
        """The addresses of its name servers; none: the platform's."""
        return self.name_servers.addresses if self.name_servers else ()

    def tier(self, tier: str) -> Tier:
        """A tier's room, as a client: for what is declared before its machines."""
        return Tier(self.named(tier), (self.plan.range(tier),))

    def instances(
        self,
        tier: str,
        count: int,
        *,
        after: Sequence[Machine] = (),
        public: bool | None = None,
        flavor: str | None = None,
        allow: Sequence[Allow] = (),
        shared_addresses: Sequence[str] = (),
        ip_forwarding: bool = False,
    ) -> Tier:
        """A tier of Public Cloud instances, each on another host, numbered; `after` those that the tier has already.

        public  whether each has a public address; None: unless the site has a gateway
        """
        numbers = range(len(after) + 1, len(after) + count + 1)
        names = {f"{self.named(tier)}-{number}": number for number in numbers}
        if not names:
            return self.tier(tier)
        return self._group(tier, names, public, flavor, allow, shared_addresses, ip_forwarding)

    def instance(
        self,
        tier: str,
        *,
        public: bool | None = None,
        flavor: str | None = None,
        allow: Sequence[Allow] = (),
        ip_forwarding: bool = False,
    ) -> Machine:
        """The one instance of a tier that never has two: it bears the tier's name."""
        [machine] = self._group(tier, {self.named(tier): 1}, public, flavor, allow, (), ip_forwarding)
        return machine

    def _group(
        self,
        tier: str,
        names: Mapping[str, int],
        public: bool | None,
        flavor: str | None,
        allow: Sequence[Allow],
        shared_addresses: Sequence[str],
        ip_forwarding: bool = False,
    ) -> Tier:
        open_to_all = self.way_out is None if public is None else public
        inside = self._inside()
        group = InstanceGroup(
            self.named(tier),
            region=self.region or "",
            flavor=flavor or self.flavor,
            network=self.network,
            addresses={name: self.plan.address(tier, number) for name, number in names.items()},
            public=open_to_all,
            allow=allow,
            shared_addresses=shared_addresses,
            ip_forwarding=ip_forwarding,
            ssh_key=self.ssh_key,
            admin_cidrs=self.admin_cidrs,
            ipv6=self.ipv6,
            via=inside.via,
            gateway=None if open_to_all else inside.gateway,
            resolvers=inside.resolvers,
            opts=inside.opts,
        )
        return self._made(tier, group.machines)

    def dedicated(self, tier: str, servers: Mapping[str, str]) -> Tier:
        """A tier of dedicated servers, adopted: name -> OVHcloud's service name, in the order of their addresses."""
        inside = self._inside()
        return self._made(
            tier,
            [
                DedicatedServer(
                    name,
                    service_name=service,
                    network=self.network,
                    address=self.plan.address(tier, number),
                    install=self.install,
                    ssh_key=self.ssh_key,
                    admin_cidrs=self.admin_cidrs,
                    ipv6=self.ipv6,
                    via=inside.via,
                    gateway=inside.gateway,
                    resolvers=inside.resolvers,
                    opts=inside.opts,
                )
                for number, (name, service) in enumerate(servers.items(), 1)
            ],
        )

    def vps(self, name: str, service: str, *, automatic_backup: bool = False) -> Vps:
        """A VPS, adopted, which is in no private network."""
        machine = Vps(
            name,
            service_name=service,
            automatic_backup=automatic_backup,
            ssh_key=self.ssh_key,
            admin_cidrs=self.admin_cidrs,
            ipv6=self.ipv6,
        )
        self.machines.append(machine)
        return machine

    def _inside(self) -> "_Inside":
        found = [handed.component for handed in (self.way_out, self.name_servers) if handed]
        return _Inside(
            self.way_out.via if self.way_out else None,
            self.way_out.address if self.way_out else None,
            self.resolvers,
            pulumi.ResourceOptions(depends_on=found) if found else None,
        )

    def _made(self, tier: str, machines: Sequence[Machine]) -> Tier:
        self.machines.extend(machines)
        return Tier(self.named(tier), (self.plan.range(tier),), tuple(machines))
