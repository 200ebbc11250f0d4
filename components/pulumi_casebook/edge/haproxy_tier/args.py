"""Arguments of a tier of HAProxy."""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, TypeAdapter, field_validator, model_validator

from pulumi_casebook.core.args import Address, Args, HostName, Label, Line, Minutes, Port, Seconds, Unique, form
from pulumi_casebook.core.clients import Clients, Served, cidrs_of
from pulumi_casebook.core.component import Claim
from pulumi_casebook.machines.machine import Machine
from pulumi_casebook.machines.site import HealthCheck, Limits, Service
from pulumi_casebook.machines.site.service import Path
from pulumi_casebook.network.certificate import Certificate

PEERS_PORT = 10000
# MariaDB's wait_timeout: how long it keeps a connection without a byte.
SQL_IDLE_SECONDS = 28800
ADDRESS = TypeAdapter[str](Address)


def _endpoint(value: str) -> str:
    address, colon, port = value.partition(":")
    try:
        ADDRESS.validate_python(address)
        if colon and not (re.fullmatch(r"[0-9]{1,5}", port) and 1 <= int(port) <= 65535):
            raise ValueError
    except ValueError:
        raise ValueError(
            "a machine's address like 10.8.0.20, or one with a port (1 to 65535) like 10.8.0.20:8080"
        ) from None
    return value


def _header(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9-]+", value):
        raise ValueError("a header's name is letters, digits and dashes")
    return value


def _quotable(value: str) -> str:
    if re.search(r'["\\$%]', value):
        raise ValueError('HAProxy would read ", \\, $ and % in it as its own syntax; leave them out')
    return value


Endpoint = Annotated[str, AfterValidator(_endpoint)]
Header = Annotated[str, AfterValidator(_header)]
Text = Annotated[Line, AfterValidator(_quotable)]
Method = Annotated[str, form(r"[A-Z]{1,32}", "a method of HTTP, such as GET")]


class Timeouts(Args):
    """Seconds. A server that does not accept within `connect` is left for another one."""

    # For a server to accept a connection.
    connect: Seconds = 1
    # Without a byte from the client.
    client: Seconds = 30
    # Without a byte from the server.
    server: Seconds = 30
    # How long a request may wait for a server's `maxconn`.
    queue: Seconds = 5
    # For a request's headers to arrive.
    http_request: Seconds = 10
    # Between two requests of one connection.
    http_keep_alive: Seconds = 5


class Backend(Args):
    """Servers of one kind, and how they share the work."""

    # What a tier hands over: its servers, port, mode and health check, where they are not given here.
    to: Service | None = None
    # Name -> address, or address:port: keyed, so that one more moves no other.
    servers: Mapping[Label, Endpoint] = Field(default={}, min_length=1, validate_default=True)
    # Of the servers that do not say theirs.
    port: Port = 80
    # tcp passes connections through unread.
    mode: Literal["http", "tcp"] = "http"
    # Who gets the next request, in HAProxy's words.
    balance: Literal["roundrobin", "leastconn", "source", "uri", "first"] = "roundrobin"
    # How a dead server is found; None: HealthCheck() in http, HealthCheck(path=None) in tcp.
    check: HealthCheck | None = None
    # Requests at once for each server, from each member; more wait in a queue, so that a peak does not topple it. None:
    # the member's share of what the tier behind takes, 1,000 at most.
    maxconn: int | None = Field(default=None, ge=1)
    # Seconds in which a server that has come back gets to its full share.
    slowstart: float = Field(default=10, ge=0, le=3600)
    # A client stays with its server; the tier's members tell each other which.
    sticky: bool = False
    # Servers of this backend which serve only when no other does.
    backups: Unique[Label] = ()
    # One server has all connections, every member of the tier agrees on which, and it stays so until that server dies.
    single_writer: bool = False
    # Seconds without a byte, on either side, after which a connection ends, a websocket too; None: what the tier behind
    # waits, else the tier's `timeouts`, or with `single_writer` the eight hours that a SQL server itself waits, for
    # pools keep idle connections.
    idle: Seconds | None = None
    # Connections to servers end without a farewell, so that no source port waits 60 s for one: for protocols whose
    # clients have all their answers when they close, as SQL's; None: with `single_writer`.
    nolinger: bool | None = None

    @model_validator(mode="before")
    @classmethod
    def _handed_over(cls, values: Any) -> Any:
        if not isinstance(values, Mapping) or not isinstance(service := values.get("to"), Service):
            return values
        handed = {"servers": service.servers, "port": service.port, "mode": service.mode, "check": service.check}
        return {**handed, **values}

    @model_validator(mode="after")
    def _fitting(self) -> "Backend":
        if self.single_writer and (self.sticky or self.backups or self.balance != "roundrobin"):
            raise ValueError("single_writer: one server has all connections; leave out sticky, backups and balance")
        if self.nolinger and self.mode == "http":
            raise ValueError("nolinger: needs mode=tcp; in http, HAProxy itself knows when an answer is whole")
        if self.balance == "uri" and self.mode == "tcp":
            raise ValueError("balance=uri: needs mode=http, for a tcp backend does not read requests")
        if unknown := [name for name in self.backups if name not in self.servers]:
            raise ValueError(f"backups={unknown[0]}: not one of the servers {', '.join(self.servers)}")
        return self

    @property
    def health_check(self) -> HealthCheck:
        """How a dead server is found."""
        return self.check or (HealthCheck() if self.mode == "http" else HealthCheck(path=None))

    @property
    def idle_timeout(self) -> float | None:
        """Seconds without a byte on what stays open, where the backend has its own."""
        return self.idle or (SQL_IDLE_SECONDS if self.single_writer else self.limits.idle_seconds)

    @property
    def limits(self) -> Limits:
        """Of what stands behind."""
        return self.to.limits if self.to else Limits()

    @property
    def ends_at_once(self) -> bool:
        """Whether connections to servers end without a farewell."""
        return self.single_writer if self.nolinger is None else self.nolinger

    @property
    def shared(self) -> bool:
        """Whether members must tell each other which server was taken."""
        return self.sticky or self.single_writer

    @property
    def lines(self) -> list[tuple[str, str]]:
        """(name, address:port) of the servers, web-2 before web-10, on every member in the same order."""
        return endpoints(self.servers, self.port)


def endpoints(servers: Mapping[str, str], port: int) -> list[tuple[str, str]]:
    """(name, address:port), web-2 before web-10, on every member in the same order."""
    return [
        (name, endpoint if ":" in endpoint else f"{endpoint}:{port}")
        for name, endpoint in sorted(servers.items(), key=lambda one: _natural(one[0]))
    ]


def _natural(name: str) -> list[tuple[str, int]]:
    return [(word, int(digits or -1)) for word, digits in re.findall(r"([^0-9]+)([0-9]*)", name)]


class Route(Args):
    """Sends what matches to another backend. `host` and `path_prefix` must both match where both are given."""

    # Where it goes.
    backend: Label
    # The site that was asked for.
    host: HostName | None = None
    # How the path begins.
    path_prefix: Path | None = None

    @model_validator(mode="after")
    def _something(self) -> "Route":
        if self.host is None and self.path_prefix is None:
            raise ValueError("host or path_prefix: a route that matches everything is the frontend's backend")
        return self


class Frontend(Args):
    """One open port, in HTTP unless its backend is tcp."""

    # Open on every member.
    port: Port
    # Where requests go that no route takes.
    backend: Label
    # Who reaches it; none: the tier's `clients`.
    clients: Clients = ()
    # Ends TLS here.
    certificate: Certificate | None = None
    # Who speaks the PROXY protocol, and must: the load balancer in front, so that clients keep their addresses.
    proxy_protocol_from: Clients = ()
    # Who is believed about clients (X-Forwarded-For and -Proto): a proxy in front that has looked at the request.
    trusted_proxies: Clients = ()
    # Days for which browsers that were here come back by TLS alone (Strict-Transport-Security), whatever becomes of the
    # certificate meanwhile; with a certificate. None: they may come in clear.
    hsts_days: int | None = Field(default=None, ge=1, le=3650)
    # Answer plain HTTP with the same URL in https.
    redirect_https: bool = False
    # The first that matches wins.
    routes: Unique[Route] = ()
    # Requests of any other method are answered with 405; none: all are let through.
    methods: Unique[Method] = ()
    # Set on every answer.
    response_headers: Mapping[Header, Text] = Field(default_factory=dict)
    # Taken from every answer.
    dropped_response_headers: Unique[Header] = ()

    @property
    def allowed_cidrs(self) -> tuple[str, ...]:
        return cidrs_of(self.clients)

    @property
    def proxy_protocol_cidrs(self) -> tuple[str, ...]:
        return cidrs_of(self.proxy_protocol_from)

    @property
    def trusted_cidrs(self) -> tuple[str, ...]:
        return cidrs_of(self.trusted_proxies)

    @model_validator(mode="after")
    def _redirect_in_clear(self) -> "Frontend":
        if self.hsts_days and not self.certificate:
            raise ValueError(f"hsts_days={self.hsts_days}: browsers believe it of TLS alone; give a certificate")
        if self.redirect_https and self.certificate:
            raise ValueError("redirect_https: this frontend speaks TLS already; set it on the plain one")
        return self

    @property
    def added_bytes(self) -> int:
        """Of the headers set on every answer."""
        return sum(len(f"{name}: {value}\r\n") for name, value in self.response_headers.items())

    @model_validator(mode="after")
    def _headers_that_browsers_take(self) -> "Frontend":
        if self.added_bytes > 8192:
            raise ValueError(f"response_headers: {self.added_bytes} bytes together; proxies and browsers take 8192")
        return self

    @property
    def reads_requests(self) -> bool:
        """Whether anything is asked of it that only HTTP has."""
        changes = self.response_headers or self.dropped_response_headers
        return bool(self.routes or self.redirect_https or self.methods or self.trusted_cidrs or changes)


class HaproxyTierArgs(Served):
    # The members; a list that changes reloads the others.
    machines: Unique[Machine] = Field(min_length=1)
    # What clients reach, by name.
    frontends: Mapping[Label, Frontend] = Field(min_length=1)
    # What stands behind, by name.
    backends: Mapping[Label, Backend] = Field(min_length=1)
    # Who reaches the frontends: the NAT range of the load balancer in front.
    clients: Clients = Field(min_length=1)
    # Name -> an address of the private network that members hand on to each other (VRRP). The first prefers the first
    # member, the second the second, and so on: as many as members, and all of them serve.
    virtual_addresses: Mapping[Label, Address] = Field(default_factory=dict)
    # Seconds that a member must have been well before it takes back the addresses that prefer it.
    preempt_delay_seconds: int = Field(default=60, ge=0, le=1000)
    # Metrics (Prometheus, at /metrics) and statistics, for a `Monitoring` that watches the tier.
    metrics_port: Port = 8404
    # Minutes without an answer after which a server is down, and somebody is told.
    down_minutes: Minutes = 2
    # Load balancers that ask there whether a member is well: the health check of `service`.
    probed_by: Clients = ()
    # How long anything may take.
    timeouts: Timeouts = Timeouts()
    # Connections at once for each member.
    maxconn: int = Field(default=20000, ge=10, le=1_000_000)
    # KiB of a request's first line and headers together; a larger one is answered with 431.
    header_kib: int = Field(default=16, ge=4, le=256)
    # Seconds that a reload leaves to the connections it finds.
    hard_stop_seconds: int = Field(default=300, ge=1)
    # Also log requests that went well; the journal of a busy site then fills.
    log_requests: bool = False

    def claims(self, name: str) -> Iterator[Claim]:  # noqa: ARG002
        for label, address in self.virtual_addresses.items():
            for network in filter(None, {machine.network for machine in self.machines}):
                yield network.claim(f"virtual_addresses.{label}", address)

    @field_validator("machines")
    @classmethod
    def _private(cls, value: tuple[Machine, ...]) -> tuple[Machine, ...]:
        for machine in value:
            if machine.address is None:
                raise ValueError(f"{machine.name} has no address in a private network, where the tier works")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> "HaproxyTierArgs":
        for name, backend in self.backends.items():
            if backend.to:
                backend.to.check_open_to(f"backends.{name}.to", self.machines)
            if misfit := self.passed_on(backend).misfit(backend.limits):
                raise ValueError(f"backends.{name}, with maxconn={backend.maxconn}: {misfit}")
        if "members" in self.backends:
            raise ValueError("backends.members: the tier's own backend has this name")
        ports = [self.metrics_port, PEERS_PORT]
        for name, frontend in self.frontends.items():
            where = f"frontends.{name}"
            if name == "metrics":
                raise ValueError(f"{where}: the tier's own frontend has this name")
            if frontend.port in ports:
                raise ValueError(f"{where}.port={frontend.port}: taken (metrics, peers, or another frontend)")
            ports.append(frontend.port)
            modes = {self._backend(f"{where}.backend", frontend.backend).mode}
            modes |= {self._backend(f"{where}.routes", route.backend).mode for route in frontend.routes}
            if len(modes) > 1 or ("tcp" in modes and frontend.reads_requests):
                raise ValueError(f"{where}: its backends must be of one mode, and options of HTTP need http")
            for source in frontend.proxy_protocol_cidrs:
                if not any(_inside(source, allowed) for allowed in frontend.allowed_cidrs or self.allowed_cidrs):
                    raise ValueError(f"{where}.proxy_protocol_from={source}: outside clients, so dropped")
        return self

    @model_validator(mode="after")
    def _virtual_addresses(self) -> "HaproxyTierArgs":
        if self.virtual_addresses and len(self.machines) < 2:
            raise ValueError("virtual_addresses: an address moves between two machines or more, this tier has one")
        numbers: dict[int, str] = {}
        for name, address in self.virtual_addresses.items():
            where = f"virtual_addresses.{name}={address}"
            for machine in self.machines:
                if address == machine.address:
                    raise ValueError(f"{where}: {machine.name}'s own; take one that no machine has")
                if machine.shared_addresses is not None and address not in machine.shared_addresses:
                    raise ValueError(
                        f"{where}: the port of {machine.name} would drop it; name it in its group's shared_addresses"
                    )
            number = router_id(address)
            if number in (0, 255) or number in numbers:
                taken = f"that of {numbers[number]}" if number in numbers else "of no use"
                raise ValueError(f"{where}: its last number becomes VRRP's router id, and {number} is {taken}")
            numbers[number] = name
        return self

    def maxconn_of(self, backend: Backend) -> int:
        """Requests at once for each server of it, from each member."""
        taken = backend.limits.connections or 1000 * self.serving
        return backend.maxconn or min(max(taken // self.serving, 1), 1000)

    @property
    def serving(self) -> int:
        """How many members have requests at once. Those without an address that moves to them wait."""
        return min(len(self.machines), len(self.virtual_addresses) or len(self.machines))

    def answer_seconds(self, backend: Backend) -> float:
        """How long its servers may take for an answer: no less than they say, so that theirs comes first."""
        return max(self.timeouts.server, backend.limits.answer_seconds or 0, backend.idle or 0)

    @property
    def rewrite_bytes(self) -> int:
        """What is added to one request or answer, at most."""
        return 1024 + max(frontend.added_bytes for frontend in self.frontends.values())

    @property
    def default_backends(self) -> list[str]:
        """Where requests go that no route takes, by name."""
        return sorted({frontend.backend for frontend in self.frontends.values()})

    def reached_from(self, frontend: Frontend) -> list[Backend]:
        """All backends that its requests may go to."""
        return [
            self.backends[name] for name in dict.fromkeys((frontend.backend, *(r.backend for r in frontend.routes)))
        ]

    def client_seconds(self, frontend: Frontend) -> float:
        """Without a byte from a client: what the most patient of its backends allows.

        A websocket's time is its own.
        """
        found = self.reached_from(frontend)
        return max((one.idle_timeout if one.mode == "tcp" else one.idle) or self.timeouts.client for one in found)

    def limits_of(self, frontend: Frontend) -> Limits:
        """Of a frontend: what its default backend has."""
        backend = self.backends[frontend.backend]
        servers = 1 if backend.single_writer else len(backend.servers)
        at_once = min(self.maxconn, servers * self.maxconn_of(backend)) * self.serving // len(self.machines)
        return replace(self.passed_on(backend), connections=at_once, files=2 * self.maxconn + 100)

    def passed_on(self, backend: Backend) -> Limits:
        """What reaches the backend's servers."""
        http = backend.mode == "http"
        return Limits(
            header_kib=self.header_kib if http else None,
            body_mib=backend.limits.body_mib if http else None,
            connect_seconds=self.timeouts.connect,
            answer_seconds=self.answer_seconds(backend) if http else None,
            idle_seconds=backend.idle_timeout or self.timeouts.server,
            connections=self.serving * self.maxconn_of(backend),
        )

    def _backend(self, where: str, name: str) -> Backend:
        if name not in self.backends:
            raise ValueError(f"{where}={name}: no such backend; there are {', '.join(self.backends)}")
        return self.backends[name]


def router_id(address: str) -> int:
    """VRRP's number of a virtual address, unique where addresses are: in a network of up to 256."""
    return int(address.rpartition(".")[2])


def _inside(inner: str, outer: str) -> bool:
    return ipaddress.IPv4Network(inner).subnet_of(ipaddress.IPv4Network(outer))
