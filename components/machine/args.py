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
    ssh_key: SshKey
    # From where administrators (and `pulumi up`) reach SSH.
    admin_cidrs: Many[Cidr] = Field(min_length=1)
    # Further ports of the public address; roles open those of the private network themselves.
    allow: Many[Allow] = ()


class NetworkedArgs(MachineArgs):
    # The private network and the machine's planned address in it.
    network: VrackNetwork | None = None
    address: Address | None = None

    @model_validator(mode="after")
    def _address_in_network(self) -> "NetworkedArgs":
        if (self.network is None) != (self.address is None):
            raise ValueError("network and address go together")
        if self.network and ipaddress.IPv4Address(self.address or "") not in ipaddress.IPv4Network(self.network.cidr):
            raise ValueError(f"address={self.address}: outside the network {self.network.cidr}")
        return self


class DedicatedServerArgs(NetworkedArgs):
    service_name: str = Field(pattern=r"^ns\d+\.[a-z0-9.-]+$")
    # An operating system to install at the first `up`, which wipes the server; None: it is used as it is.
    install: str | None = Field(default=None, pattern=r"^[a-z0-9._-]+_64$")


class VpsArgs(MachineArgs):
    service_name: str = Field(pattern=r"^vps[a-z0-9-]*\.[a-z0-9.-]+$")


class InstanceGroupArgs(MachineArgs):
    region: str
    flavor: str
    image: str = "Debian 12"
    network: VrackNetwork
    # Instance name -> planned address in the network: keyed, so that one more moves no other.
    addresses: Mapping[Label, Address] = Field(min_length=1)
    external_network: str = "Ext-Net"
    # anti-affinity refuses an instance when no further host is free; soft-anti-affinity then shares one.
    policy: Literal["anti-affinity", "soft-anti-affinity"] = "anti-affinity"

    @model_validator(mode="after")
    def _region_in_network(self) -> "InstanceGroupArgs":
        if self.region not in self.network.regions:
            known = ", ".join(self.network.regions) or "none"
            raise ValueError(f"region={self.region}: the private network {self.network.name} is in: {known}")
        return self
