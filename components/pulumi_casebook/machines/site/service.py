"""What a tier hands to the next one, and to who watches it."""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import pulumi
from pydantic import Field

from pulumi_casebook.core.args import Args, InputError, Line, Port, Seconds, form
from pulumi_casebook.core.component import HandedOver
from pulumi_casebook.core.templates import render
from pulumi_casebook.machines.machine import Machine

# Of the words that HAProxy's rules are made of, so that nothing can leave its place in the file.
Path = Annotated[
    str, form(r"/[A-Za-z0-9/._~?=&-]*", "a path of the site, such as /healthz, of letters, digits and /._~?=&-")
]


class HealthCheck(Args):
    """How a server is found dead, in seconds: at worst `interval` until the next check, then `fall` checks, all but
    the first `fast_interval` apart, each up to `timeout`. The defaults take 2.8 s."""

    # What an answer proves of the server, in words for docs/probes.md.
    proves: Line = "it answers"
    # The page that answers `status` when the server works; None: a connection is enough.
    path: Path | None = "/healthz"
    # What a server that works answers.
    status: int = Field(default=200, ge=100, le=599)
    # Where it is asked; None: the port that the traffic goes to.
    port: Port | None = None
    # Between two checks of a server that works.
    interval: Seconds = 1
    # Between two checks of one that has just failed, or is coming back.
    fast_interval: Seconds = 0.25
    # How long an answer may take.
    timeout: Seconds = 0.75
    # Failed checks in a row until it is dead.
    fall: int = Field(default=2, ge=1, le=100)
    # Good checks in a row until it lives again.
    rise: int = Field(default=2, ge=1, le=100)

    @property
    def detection(self) -> float:
        """Seconds until a dead server gets no request, at worst."""
        return self.interval + self.fall * self.timeout + (self.fall - 1) * self.fast_interval


@dataclass(frozen=True)
class Limits:
    """What a tier lets through of a request, and how long it waits. None: as much, or as long, as comes."""

    # KiB of a request's first line and headers together, as the client sent them.
    header_kib: int | None = None
    # MiB of its body.
    body_mib: int | None = None
    # Seconds for a server behind to accept a connection.
    connect_seconds: float | None = None
    # Seconds until the answer, at most.
    answer_seconds: float | None = None
    # Seconds without a byte after which what stays open ends: a websocket, a connection to a database.
    idle_seconds: float | None = None
    # Requests, or connections where it reads none, at once, for each of its servers; more wait.
    connections: int | None = None
    # Files, connections among them, that each may have open.
    files: int | None = None

    def misfit(self, behind: "Limits") -> str | None:
        """What of a tier with these limits does not fit to the one behind, which would refuse, or go on with, what the
        first lets through. None: nothing; what a tier does not read, it does not judge.
        """
        for field, else_ in (
            ("header_kib", "and would be the one to refuse"),
            ("body_mib", "and would be the one to refuse"),
            ("connections", "of all who stand in front together"),
        ):
            through, taken = getattr(self, field), getattr(behind, field)
            if through and taken and through > taken:
                return f"{field}={through}: what stands behind takes {taken} at most, {else_}"
        if self.answer_seconds and behind.answer_seconds and self.answer_seconds < behind.answer_seconds:
            return (
                f"answer_seconds={self.answer_seconds:g}: what stands behind may take {behind.answer_seconds:g}, and "
                "would go on for nobody; give it less, or this more"
            )
        return None


class Usable(HandedOver):
    """What an application `uses`: a tier's service, shared files. It is there first."""

    def check_open_to(self, field: str, machines: Iterable[Machine]) -> None:
        """For a validator: each of the machines can use it, or a ValueError that names the field and what to do."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Service(Usable):
    """What a tier serves: `servers` (name to private address), `port`, how a dead one is found, and in which mode.

    Who takes it (`Backend(to=web.service)`) is made after it, and is refused where the tier does not let it in.
    """

    name: str
    servers: Mapping[str, str | pulumi.Output[str]]
    port: int
    check: HealthCheck
    # Who is let in, as CIDRs.
    open_to: tuple[str, ...]
    mode: Literal["http", "tcp", "fastcgi"] = "http"
    # Where a FastCGI application's files are on its servers.
    root: str | None = None
    # The servers themselves, where each is a machine.
    machines: Sequence[Machine] = ()
    # Of its requests, for who passes them on to it.
    limits: Limits = Limits()
    # Where it passes them on to, and what of them; connections are those of all its servers to each of the other's.
    passes_to: "tuple[tuple[Service, Limits], ...]" = ()

    @property
    def addresses(self) -> tuple[str, ...]:
        """Of the servers, which are planned."""
        return tuple(str(address) for address in self.servers.values() if isinstance(address, str))

    def check_open_to(self, field: str, machines: Iterable[Machine]) -> None:
        networks = [ipaddress.IPv4Network(cidr) for cidr in self.open_to]
        for machine in machines:
            if machine.address and not any(ipaddress.IPv4Address(machine.address) in one for one in networks):
                raise ValueError(f"{field}: {self.name} does not let {machine.name} in; name its tier in clients there")

    def of(self, machines: Iterable[Machine]) -> "Service":
        """The service of some of the servers only."""
        chosen = tuple(machines)
        names = [machine.name for machine in chosen]
        if strangers := [name for name in names if name not in self.servers]:
            raise InputError(
                f"Service of {self.name!r}: {strangers[0]} is none of its servers {', '.join(self.servers)}"
            )
        return replace(self, servers={name: self.servers[name] for name in names}, machines=chosen)


@dataclass(frozen=True, eq=False)
class Mount(Usable):
    """Files that machines share: `path` on each of them."""

    path: str
    machines: Sequence[Machine]

    def check_open_to(self, field: str, machines: Iterable[Machine]) -> None:
        mounted = {machine.name for machine in self.machines}
        for machine in machines:
            if machine.name not in mounted:
                raise ValueError(f"{field}: {machine.name} does not mount {self.path}; name it in machines there")


@dataclass(frozen=True)
class Exporter:
    """Figures that a daemon shows by itself, at /metrics."""

    # Prometheus' job.
    name: str
    port: int


@dataclass(frozen=True, eq=False)
class Monitored:
    """What a component hands to `Monitoring`: its machines, what shows figures on them, and its alert rules.

    `rules` are Prometheus' (YAML, a list of `alert:` items), of these machines alone, so that those of two components
    do not mix: see `alerts`. `name` is of one component alone: its kind and its own.
    """

    name: str
    machines: Sequence[Machine]
    rules: str
    exporters: tuple[Exporter, ...] = ()
    # Figures that each of the machines writes for its exporter, as PromQL selects them; one that is missing is told.
    figures: Sequence[str] = ()
    # The file of figures, by its name without `.prom`, that a program on each of them writes again and again.
    writes: str = ""


def alerts(beside: str, machines: Iterable[Machine], **values: Any) -> str:
    """The rules of `templates/alerts.yml.j2` (pass `__file__`); `machines` is in it what `machine=~` takes."""
    return render(beside, "alerts.yml.j2", machines="|".join(machine.name for machine in machines), **values)
