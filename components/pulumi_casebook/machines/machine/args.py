"""Arguments of the three kinds of machine."""

from collections.abc import Iterator, Mapping
from typing import Literal

from pydantic import Field, model_validator

from pulumi_casebook.core.args import (
    Address,
    Label,
    ProviderName,
    ServerName,
    Sources,
    System,
    Unique,
    VpsName,
    check_host,
)
from pulumi_casebook.core.component import Claim, ComponentArgs
from pulumi_casebook.core.debian import IMAGE
from pulumi_casebook.core.ssh import SshKey
from pulumi_casebook.machines.configuration import Allow
from pulumi_casebook.machines.machine.base import Machine
from pulumi_casebook.network.vrack_network import VrackNetwork


class MachineArgs(ComponentArgs):
    # The operator's key, which the machine trusts: `ssh_key()`.
    ssh_key: SshKey
    # From where administrators (and `pulumi up`) reach SSH.
    admin_cidrs: Sources = Field(min_length=1)
    # Further ports of the public address; roles open those of the private network themselves.
    allow: Unique[Allow] = ()
    # Whether what is open to the world is open to it by IPv6 as well; False: nothing is.
    ipv6: bool = True

    def claims(self, name: str) -> Iterator[Claim]:
        yield from super().claims(name)
        yield Claim("machine's name", name, f"name={name}")


class PrivateMachineArgs(MachineArgs):
    """A machine that may be in a private network."""

    # The bastion through which administrators reach the private address; `pulumi up` too, where there is no other.
    via: Machine | None = None
    # The private network's way out (a Gateway's address): the default route, from the first boot and over reboots.
    gateway: Address | None = None
    # Name servers in place of the platform's: a Resolver's `addresses`.
    resolvers: Unique[Address] = Field(default=(), max_length=3)

    @model_validator(mode="after")
    def _bastion_is_inside(self) -> "PrivateMachineArgs":
        if self.via and not self.via.address:
            raise ValueError(f"via={self.via.name}: has no address in a private network to come from")
        return self

    def check_address(self, field: str, address: str, network: VrackNetwork) -> None:
        """An address of the machine's own."""
        check_host(field, address, network.cidr)
        if address == self.gateway:
            raise ValueError(f"gateway={self.gateway}: the machine's own address ({field})")

    def check_gateway(self, network: VrackNetwork) -> None:
        if self.gateway:
            check_host("gateway", self.gateway, network.cidr)


class DedicatedServerArgs(PrivateMachineArgs):
    # OVHcloud's name of the server, which the account rents.
    service_name: ServerName
    # The private network that its vRack interface joins.
    network: VrackNetwork | None = None
    # Its planned address there.
    address: Address | None = None
    # An operating system to install at the first `up`, which wipes the server; None: it is used as it is.
    install: System | None = None

    def claims(self, name: str) -> Iterator[Claim]:
        yield from super().claims(name)
        if self.network and self.address:
            yield self.network.claim("address", self.address)

    @model_validator(mode="after")
    def _address_in_network(self) -> "DedicatedServerArgs":
        if (self.network is None) != (self.address is None):
            raise ValueError(f"address={self.address}: goes together with network; give both")
        if self.network and self.address:
            self.check_address("address", self.address, self.network)
            self.check_gateway(self.network)
        elif self.gateway or self.via:
            raise ValueError(
                f"gateway={self.gateway}, via={self.via and self.via.name}: of a private network; "
                "network and address are missing"
            )
        return self


class VpsArgs(MachineArgs):
    # OVHcloud's name of the VPS, which the account rents.
    service_name: VpsName
    # Refuse the VPS unless it has OVHcloud's automatic daily backup, an option that is ordered in the manager.
    automatic_backup: bool = False


class InstanceGroupArgs(PrivateMachineArgs):
    # The compute region.
    region: ProviderName
    # The size, by OVHcloud's name: b3-8.
    flavor: ProviderName
    # The newest image of this name, at creation.
    image: ProviderName = IMAGE
    # The private network that every instance joins.
    network: VrackNetwork
    # Instance name -> planned address in the network: keyed, so that one more moves no other.
    addresses: Mapping[Label, Address] = Field(min_length=1)
    # Addresses that move between the instances (VRRP): what their ports may use beside their own.
    shared_addresses: Unique[Address] = ()
    # Whether each has a public address; False: a private port only, to which `allow` then applies.
    public: bool = True
    # Whether they pass on what is not theirs (a gateway): their private ports take any packet, so that only the
    # machine's own firewall protects it there.
    ip_forwarding: bool = False
    # Where public addresses come from.
    external_network: ProviderName = "Ext-Net"
    # anti-affinity refuses an instance when no further host is free; soft-anti-affinity then shares one.
    policy: Literal["anti-affinity", "soft-anti-affinity"] = "anti-affinity"

    def claims(self, name: str) -> Iterator[Claim]:  # noqa: ARG002 (the group is no machine)
        for machine, address in self.addresses.items():
            yield Claim("machine's name", machine, f"addresses.{machine}")
            yield self.network.claim(f"addresses.{machine}", address)

    @model_validator(mode="after")
    def _in_network(self) -> "InstanceGroupArgs":
        if self.region not in self.network.regions:
            known = ", ".join(self.network.regions) or "none"
            raise ValueError(f"region={self.region}: the private network {self.network.name} is in: {known}")
        for name, address in self.addresses.items():
            self.check_address(f"addresses.{name}", address, self.network)
        for number, address in enumerate(self.shared_addresses):
            self.check_address(f"shared_addresses.{number}", address, self.network)
        self.check_gateway(self.network)
        return self

    @model_validator(mode="after")
    def _one_way_out(self) -> "InstanceGroupArgs":
        if not self.public and not (self.via and self.gateway):
            raise ValueError(
                "public=False: nothing is reached or fetched without a public address but through others; "
                "give via (a bastion) and gateway"
            )
        if self.public and self.gateway:
            raise ValueError(f"gateway={self.gateway}: instances with a public address leave by it; use public=False")
        if self.ip_forwarding and self.shared_addresses:
            raise ValueError("ip_forwarding=True takes any address: Neutron refuses shared_addresses on such a port")
        return self
