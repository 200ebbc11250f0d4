"""Arguments of an IP Load Balancing."""

import ipaddress
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pulumi
from pydantic import Field, field_validator, model_validator

from pulumi_casebook.core.args import PRIVATE, Address, Args, BalancerName, Cidr, Label, Port, Unique, form
from pulumi_casebook.core.component import ComponentArgs
from pulumi_casebook.machines.site import Service
from pulumi_casebook.network.certificate import Certificate
from pulumi_casebook.network.vrack_network import VrackNetwork

ProbePath = Annotated[
    str, form(r"/[A-Za-z0-9/._~%?=&-]*", "a path of the site, such as /health, of letters, digits and /._~%?=&-")
]
Zone = Annotated[str, form(r"[a-z0-9-]+", "a datacentre of the balancer, such as gra, or all")]


class Probe(Args):
    """How the balancer finds out that a server is dead. A server that refuses a connection is skipped at once."""

    # tcp connects; the others speak the protocol.
    type: Literal["tcp", "http", "internal", "mysql", "oco", "pgsql", "smtp"] = "tcp"
    # None: the port that the traffic goes to.
    port: Port | None = None
    # What an http probe asks for.
    url: ProbePath | None = None
    # Seconds, 30 to 3600: OVHcloud offers nothing faster.
    interval: int = 30

    @field_validator("interval")
    @classmethod
    def _allowed(cls, value: int) -> int:
        if not 30 <= value <= 3600:
            raise ValueError("seconds, 30 to 3600: OVHcloud probes no more often than every 30 s")
        return value

    @model_validator(mode="after")
    def _url_of_http(self) -> "Probe":
        if self.url and self.type != "http":
            raise ValueError(f"url={self.url}: only a probe of type http asks for a URL, this one is {self.type}")
        return self


class Listener(Args):
    """One open port of the balancer, its farm of servers and its frontend."""

    # Open to the world, or to `allowed_cidrs`; up to 49151.
    port: Port
    # The servers' port; None: the same.
    to_port: Port | None = None
    # tcp passes connections through, TLS included; http reads requests.
    protocol: Literal["tcp", "http"] = "tcp"
    # Who gets the next connection, in OVHcloud's words.
    balance: Literal["roundrobin", "leastconn", "source", "first", "uri"] = "roundrobin"
    # What ties a client to a server.
    stickiness: Literal["sourceIp", "cookie"] | None = None
    # How a dead server is found; None: as the tier behind says, else by connecting.
    probe: Probe | None = None
    # How servers learn the client's address; they must expect it. None: they see the balancer's only.
    proxy_protocol: Literal["v1", "v2"] | None = "v2"
    # Who may connect; none: everyone.
    allowed_cidrs: Unique[Cidr] = ()
    # What browsers see: the balancer then ends TLS; http only.
    certificate: Certificate | None = None
    # The same by its id, where the balancer has the certificate already.
    certificate_id: int | None = None
    # False: the servers are probed on this port, which the balancer does not open.
    open: bool = True

    @field_validator("port")
    @classmethod
    def _offered(cls, value: int) -> int:
        if value > 49151:
            raise ValueError("1 to 49151: OVHcloud keeps the ports above for itself")
        return value

    @model_validator(mode="after")
    def _tcp_reads_nothing(self) -> "Listener":
        for field, value in (("balance", "uri"), ("stickiness", "cookie")):
            if self.protocol == "tcp" and getattr(self, field) == value:
                raise ValueError(f"{field}={value}: needs protocol=http, for a tcp listener does not read requests")
        if self.protocol == "tcp" and self.ends_tls:
            raise ValueError("certificate: a tcp listener passes TLS through; use protocol=http")
        if self.certificate and self.certificate_id is not None:
            raise ValueError("certificate and certificate_id: give one of them")
        return self

    @property
    def ends_tls(self) -> bool:
        return self.certificate is not None or self.certificate_id is not None

    @property
    def target(self) -> int:
        return self.to_port or self.port


class FarmServer(Args):
    """One server behind the balancer."""

    # What a tier of one server hands over, in the place of its address.
    to: Service | None = None
    # Its address: planned, in `network`; without a network its public one, which an instance is only born with.
    address: Address | pulumi.Output[str] = Field(default="", validate_default=True)
    # Its share. Never 0, which the provider plans again for ever: see `active`.
    weight: int = Field(default=1, ge=1, le=256)
    # False takes it out of service without deleting anything.
    active: bool = True
    # Serves only when no other does.
    backup: bool = False

    @model_validator(mode="before")
    @classmethod
    def _handed_over(cls, values: Any) -> Any:
        if not isinstance(values, Mapping) or not isinstance(service := values.get("to"), Service):
            return values
        if len(service.servers) != 1:
            raise ValueError(f"to: {service.name} has {len(service.servers)} servers; a farm's server is one of them")
        return {"address": next(iter(service.servers.values())), **values}


class LoadBalancerIpArgs(ComponentArgs):
    # The balancer, which the account rents already.
    service_name: BalancerName
    # The private network where the servers are; None: they are reached by public address, wherever they are.
    network: VrackNetwork | None = None
    # From where the balancer connects in the network: a /28 to /25 of it, with no machine in it.
    nat_cidr: Cidr | None = None
    # A datacentre of the balancer, or all of them.
    zone: Zone = "all"
    # What the tier behind hands over: its servers, and how a dead one is found.
    to: Service | None = None
    # Server name -> address: keyed, so that one more moves no other.
    servers: Mapping[Label, Address | pulumi.Output[str] | FarmServer] = Field(
        default={}, min_length=1, validate_default=True
    )
    # The open ports.
    listeners: Unique[Listener] = Field(min_length=1)
    # False where another stack, or a person, has put the balancer into the vRack already.
    attach_vrack: bool = True
    # True where a Watchdog moves weights and takes servers out: after the first `up` both are its own.
    externally_managed: bool = False

    @model_validator(mode="before")
    @classmethod
    def _handed_over(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and isinstance(service := values.get("to"), Service):
            return {"servers": service.servers, **values}
        return values

    def probe_of(self, listener: Listener) -> Probe:
        """How a dead server is found behind a listener."""
        if listener.probe or not self.to:
            return listener.probe or Probe()
        check = self.to.check
        return Probe(type="http", port=check.port, url=check.path) if check.path else Probe(port=check.port)

    @field_validator("listeners")
    @classmethod
    def _one_per_port(cls, value: tuple[Listener, ...]) -> tuple[Listener, ...]:
        ports = [listener.port for listener in value]
        if twice := {port for port in ports if ports.count(port) > 1}:
            raise ValueError(f"port {min(twice)} has two listeners; a port is open once")
        return value

    @model_validator(mode="after")
    def _addresses(self) -> "LoadBalancerIpArgs":
        if (self.network is None) != (self.nat_cidr is None):
            raise ValueError("network and nat_cidr go together; without both, servers are reached by public address")
        if self.network is None or self.nat_cidr is None:
            for name, server in self.planned.items():
                if isinstance(server.address, str) and any(ipaddress.IPv4Address(server.address) in n for n in PRIVATE):
                    raise ValueError(f"servers.{name}={server.address}: private; give the network that it is in")
            return self
        network, nat = ipaddress.IPv4Network(self.network.cidr), ipaddress.IPv4Network(self.nat_cidr)
        if not nat.subnet_of(network):
            raise ValueError(f"nat_cidr={nat}: outside the network {network}, where the servers would not answer it")
        if not 25 <= nat.prefixlen <= 28:
            raise ValueError(
                f"nat_cidr={nat}: /28 to /25; each of the balancer's processes takes addresses of it (OVHcloud "
                "refuses a range that is too small when it grows), and more than 128 are never used"
            )
        for name, server in self.planned.items():
            if isinstance(server.address, pulumi.Output):
                raise ValueError(f"servers.{name}: addresses in a network are planned, not born with a resource")
            address = ipaddress.IPv4Address(server.address)
            if address not in network:
                raise ValueError(f"servers.{name}={address}: outside the network {network}")
            if address in nat:
                raise ValueError(f"servers.{name}={address}: inside nat_cidr {nat}, whose addresses the balancer takes")
        return self

    @property
    def planned(self) -> Mapping[str, FarmServer]:
        """The servers with their defaults, by name: their order in the input means nothing."""
        return {
            name: server if isinstance(server, FarmServer) else FarmServer(address=server)
            for name, server in sorted(self.servers.items())
        }
