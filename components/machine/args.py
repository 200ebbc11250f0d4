"""Arguments of the three kinds of machine."""

import ipaddress
from collections.abc import Mapping
from typing import Literal

from pydantic import Field, model_validator

from casebook.args import Address, Args, Cidr, Label, Many
from casebook.configuration import Allow
from casebook.ssh import SshKey
from casebook.vrack_network import VrackNetwork


class MachineArgs(Args):
    # The operator's key, which the machine trusts: `ssh_key()`.
    ssh_key: SshKey
    # From where administrators (and `pulumi up`) reach SSH.
    admin_cidrs: Many[Cidr] = Field(min_length=1)
    # Further ports of the public address; roles open those of the private network themselves.
    allow: Many[Allow] = ()


class DedicatedServerArgs(MachineArgs):
    # OVHcloud's name of the server, which the account rents.
    service_name: str = Field(pattern=r"^ns\d+\.[a-z0-9.-]+$")
    # The private network that its vRack interface joins.
    network: VrackNetwork | None = None
    # Its planned address there.
    address: Address | None = None
    # An operating system to install at the first `up`, which wipes the server; None: it is used as it is.
    install: str | None = Field(default=None, pattern=r"^[a-z0-9._-]+_64$")

    @model_validator(mode="after")
    def _address_in_network(self) -> "DedicatedServerArgs":
        if (self.network is None) != (self.address is None):
            raise ValueError("network and address go together")
        if self.network and self.address:
            _check_inside("address", self.address, self.network)
        return self


class VpsArgs(MachineArgs):
    # OVHcloud's name of the VPS, which the account rents.
    service_name: str = Field(pattern=r"^vps[a-z0-9-]*\.[a-z0-9.-]+$")


class InstanceGroupArgs(MachineArgs):
    # The compute region.
    region: str
    # The size, by OVHcloud's name: b3-8.
    flavor: str
    # The newest image of this name, at creation.
    image: str = "Debian 12"
    # The private network that every instance joins.
    network: VrackNetwork
    # Instance name -> planned address in the network: keyed, so that one more moves no other.
    addresses: Mapping[Label, Address] = Field(min_length=1)
    # Where public addresses come from.
    external_network: str = "Ext-Net"
    # anti-affinity refuses an instance when no further host is free; soft-anti-affinity then shares one.
    policy: Literal["anti-affinity", "soft-anti-affinity"] = "anti-affinity"

    @model_validator(mode="after")
    def _in_network(self) -> "InstanceGroupArgs":
        if self.region not in self.network.regions:
            known = ", ".join(self.network.regions) or "none"
            raise ValueError(f"region={self.region}: the private network {self.network.name} is in: {known}")
        for name, address in self.addresses.items():
            _check_inside(f"addresses.{name}", address, self.network)
        return self


def _check_inside(field: str, address: str, network: VrackNetwork) -> None:
    if ipaddress.IPv4Address(address) not in ipaddress.IPv4Network(network.cidr):
        raise ValueError(f"{field}={address}: outside the network {network.cidr}")
