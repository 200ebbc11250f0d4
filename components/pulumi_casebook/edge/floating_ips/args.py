"""Arguments of public addresses that follow a private one."""

from collections.abc import Iterator, Mapping

from pydantic import Field, model_validator

from pulumi_casebook.core.args import Address, Label, ProviderName, Unique, check_host
from pulumi_casebook.core.component import Claim, ComponentArgs
from pulumi_casebook.machines.machine import Machine
from pulumi_casebook.network.vrack_network import VrackNetwork


class FloatingIpsArgs(ComponentArgs):
    # The compute region whose public addresses they are.
    region: ProviderName
    # The private network that the addresses are in.
    network: VrackNetwork
    # Name -> the private address that a public one stands for; machines move it between them (VRRP).
    addresses: Mapping[Label, Address] = Field(min_length=1)
    # The router's planned address in the network.
    router_address: Address
    # The machines that hold the addresses in turn: from these addresses, and only from them, they answer by the router.
    machines: Unique[Machine] = ()
    # Where public addresses come from.
    external_network: ProviderName = "Ext-Net"

    def claims(self, name: str) -> Iterator[Claim]:  # noqa: ARG002
        yield self.network.claim("router_address", self.router_address)

    @model_validator(mode="after")
    def _in_network(self) -> "FloatingIpsArgs":
        if self.region not in self.network.regions:
            known = ", ".join(self.network.regions) or "none"
            raise ValueError(f"region={self.region}: the private network {self.network.name} is in: {known}")
        planned = {"router_address": self.router_address}
        planned |= {f"addresses.{name}": address for name, address in self.addresses.items()}
        for field, address in planned.items():
            check_host(field, address, self.network.cidr)
            if other := next((f for f, a in planned.items() if a == address and f != field), None):
                raise ValueError(f"{field}={address}: the address of {other} too")
        return self

    @model_validator(mode="after")
    def _routable(self) -> "FloatingIpsArgs":
        for machine in self.machines:
            if machine.interface is None:
                raise ValueError(
                    f"machines: the component does not write {machine.name}'s private interface, so that it can add "
                    "no route to it; use a dedicated server or an instance with public=False"
                )
        return self
