"""Arguments of a gateway."""

import hashlib
import ipaddress
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from pulumi_casebook.core.args import WORLD, Address, Args, Cidr, Label, Line, Port, PrivateCidr, Unique, form
from pulumi_casebook.core.clients import Clients, Served
from pulumi_casebook.core.keys import SshPublicKey
from pulumi_casebook.machines.configuration import Allow
from pulumi_casebook.machines.machine import Machine
from pulumi_casebook.network.vrack_network import VrackNetwork

WireGuardKey = Annotated[
    str, form(r"[A-Za-z0-9+/]{42}[AEIMQUYcgkosw480]=", "a public key of WireGuard, as `wg pubkey` prints it")
]
# Taken by the gateway's own SSH.
SSH = 22


class Forward(Args):
    """A port of the public address that is a machine's behind it. Clients keep their own addresses."""

    # The public port.
    port: Port
    # The machine's private address; it must leave by this gateway, so that its answers come back here.
    to: Address
    # The port there; None: the same.
    to_port: Port | None = None
    # tcp or udp.
    protocol: Literal["tcp", "udp"] = "tcp"
    # From where it is reached.
    sources: Unique[Cidr] = (WORLD,)

    @property
    def allow(self) -> Allow:
        """What the gateway's machine must let in for it."""
        return Allow(port=self.port, protocol=self.protocol, sources=self.sources)


class Vpn(Args):
    """WireGuard for administrators: who is in it reaches the private network as the gateway does."""

    # Administrator -> the public key of their device (`wg genkey | tee private.key | wg pubkey`).
    peers: Mapping[Label, WireGuardKey] = Field(min_length=1)
    # The tunnel's own addresses, of no other network's: the gateway has the first, a peer one that its name decides.
    cidr: PrivateCidr = "10.200.0.0/16"
    # The UDP port, which the gateway's own `allow` must let in from the world: WireGuard answers nobody without a key.
    port: Port = 51820

    @property
    def allow(self) -> Allow:
        """What the gateway's machine must let in for it."""
        return Allow(port=self.port, protocol="udp", sources=(WORLD,))

    @property
    def address(self) -> str:
        return str(ipaddress.IPv4Network(self.cidr)[1])

    @property
    def addresses(self) -> dict[str, str]:
        """Peer -> its address: another peer moves none."""
        network = ipaddress.IPv4Network(self.cidr)
        hashes = {name: int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") for name in self.peers}
        return {name: str(network[2 + value % (network.num_addresses - 3)]) for name, value in hashes.items()}

    def check_apart(self, field: str, network: str) -> None:
        """For a validator: its addresses are of no other network, or a ValueError that names the field."""
        if ipaddress.IPv4Network(self.cidr).overlaps(ipaddress.IPv4Network(network)):
            raise ValueError(f"{field}: the VPN's addresses {self.cidr} overlap the network {network}")

    @model_validator(mode="after")
    def _told_apart(self) -> "Vpn":
        if ipaddress.IPv4Network(self.cidr).prefixlen > 24:
            raise ValueError(f"cidr={self.cidr}: too small to give every name an address of its own; /24 or wider")
        taken: dict[str, str] = {}
        for name, address in self.addresses.items():
            if other := taken.get(address):
                raise ValueError(f"peers.{name}: its address {address} is that of {other}; choose a wider cidr")
            taken[address] = name
        if len(set(self.peers.values())) < len(self.peers):
            raise ValueError("peers: two have the same key; WireGuard knows them by nothing else")
        return self


class GatewayArgs(Served):
    # The machine: public and private address, and a private port that takes any packet (`ip_forwarding` of instances).
    machine: Machine
    # The private network that it serves.
    network: VrackNetwork
    # Who may leave through it.
    clients: Clients = Field(min_length=1)
    # Where they may go.
    allowed_destinations: Unique[Cidr] = (WORLD,)
    # Public ports that are those of machines behind it, by name; the gateway's own `allow` must let them in.
    forwards: Mapping[Label, Forward] = {}
    # Administrator -> SSH public key that may jump from here to port 22 of the network, as the user `jump`, and do
    # nothing else.
    jump_keys: Mapping[Label, SshPublicKey] = {}
    # The administrators' VPN.
    vpn: Vpn | None = None
    # Suricata in the path of all that is passed on: what a rule calls bad is dropped.
    intrusion_detection: bool = False
    # Rules of Suricata beside those of the component and of suricata-update.
    rules: Unique[Line] = ()
    # Failed logins after which an address is banned from SSH.
    ban_after: int = Field(default=5, ge=1, le=100)
    # For how long, in seconds.
    ban_seconds: int = Field(default=3600, ge=60)

    @model_validator(mode="after")
    def _between(self) -> "GatewayArgs":
        inside = ipaddress.IPv4Network(self.network.cidr)
        if self.machine.address is None or ipaddress.IPv4Address(self.machine.address) not in inside:
            raise ValueError(f"machine={self.machine.name}: has no address in the network {self.network.cidr}")
        for name, forward in self.forwards.items():
            if ipaddress.IPv4Address(forward.to) not in inside or forward.to == self.machine.address:
                raise ValueError(f"forwards.{name}.to={forward.to}: not a machine behind it in {self.network.cidr}")
        if self.vpn:
            self.vpn.check_apart(f"vpn.cidr={self.vpn.cidr}", self.network.cidr)
        if self.rules and not self.intrusion_detection:
            raise ValueError("rules are read by Suricata: intrusion_detection is off")
        return self

    @model_validator(mode="after")
    def _each_port_once(self) -> "GatewayArgs":
        taken = {("tcp", SSH): "the gateway's own SSH"}
        if self.vpn:
            taken["udp", self.vpn.port] = "the VPN"
        for name, forward in self.forwards.items():
            if other := taken.get((forward.protocol, forward.port)):
                raise ValueError(f"forwards.{name}.port={forward.port}: taken by {other}")
            taken[forward.protocol, forward.port] = f"forwards.{name}"
        return self
