"""Tomcat on each of a tier's machines, every one of which knows every session."""

import uuid
from collections.abc import Mapping

import pulumi_random as random
from pydantic import Field, model_validator

from pulumi_casebook.core.args import Port, Unique
from pulumi_casebook.core.clients import Clients, Served
from pulumi_casebook.core.component import Component, takes
from pulumi_casebook.core.templates import render
from pulumi_casebook.machines.configuration import Allow, Configuration, File, Ready, Unit
from pulumi_casebook.machines.machine import Machine, PrivateMachines, one_after_another
from pulumi_casebook.machines.site import HealthCheck, Limits, Service, Usable, servers_of
from pulumi_casebook.machines.units import UNITS
from pulumi_casebook.web.application import Application, Source
from pulumi_casebook.web.environment import (
    Authorities,
    SecretValue,
    Value,
    Variable,
    authority_files,
    check_environment,
    role_secrets,
    written,
)

ETC = "/etc/tomcat10"
HEALTH = "/usr/share/tomcat-tier/healthz"
DRAINING = "/run/tomcat10/draining"
REPLICATION = 4000
UNIT = "tomcat10.service"


class TomcatTierArgs(Served):
    # The members; one takes a change after the other. Each holds all sessions: 8 at most.
    machines: PrivateMachines = Field(max_length=8)
    # A folder of JSP files and WEB-INF, or a .war: what the tier answers with.
    application: Source
    # Who may connect: the HAProxy tier in front.
    clients: Clients = Field(min_length=1)
    # What the application needs: databases, caches, shared files. It is made after them, and refused where they are not
    # for its machines.
    uses: Unique[Usable] = ()
    # What the application finds in its environment.
    environment: Mapping[Variable, Value] = Field(default_factory=dict)
    # The same, secret: encrypted in state, in a file that root alone reads.
    secrets: Mapping[Variable, SecretValue] = Field(default_factory=dict, repr=False)
    # The certificates (PEM) by which the application knows its databases, `database.authority`: each in a file, whose
    # path it finds in this variable.
    authorities: Authorities = Field(default_factory=dict)
    # What of a machine's memory Tomcat may take, in MiB; three quarters of it are Java's heap.
    memory_mib: int = Field(default=1024, ge=256)
    # Requests at once, for each.
    threads: int = Field(default=200, ge=4, le=10000)
    # How long a session lives without a request, in minutes.
    session_minutes: int = Field(default=30, ge=1)
    # Between saying "not me" on /healthz and stopping, in seconds: longer than the tier in front needs to see it.
    drain_seconds: int = Field(default=5, ge=0, le=300)
    # How long requests that are under way may take to end, in seconds.
    request_seconds: int = Field(default=30, ge=1)
    # MiB of a request's body; what is more is not read, and a form of more has no parameters.
    body_mib: int = Field(default=16, ge=1, le=2047)
    # KiB of a request's first line and headers together; more is answered with 400.
    header_kib: int = Field(default=16, ge=4, le=256)
    # Of the application.
    port: Port = 8080

    @model_validator(mode="after")
    def _consistent(self) -> "TomcatTierArgs":
        check_environment(self.environment, secrets=self.secrets, authorities=self.authorities)
        for service in self.uses:
            service.check_open_to("uses", self.machines)
        held = Application("tomcat", self.application).held
        if len(self.machines) > 1 and b"<distributable" not in held.get("WEB-INF/web.xml", b""):
            raise ValueError(
                f"application={self.application}: its WEB-INF/web.xml does not say <distributable/>, and Tomcat then "
                "keeps sessions on one member, with which they would be lost"
            )
        if self.port == REPLICATION:
            raise ValueError(f"port={self.port}: members tell each other their sessions on it")
        return self


class TomcatTier(Component[TomcatTierArgs]):
    """Tomcat 10.1 (Debian 13) on machines that tell each other every session, over TCP and encrypted.

    Declares the key of the replication and the role `tomcat` on each machine, one machine after the other. A member
    that restarts says so on /healthz first, lets requests end, and has all sessions again before it is ready.

    Attributes, known at preview: `service`, for a backend of HAProxy.
    Sources: KEY-3; tomcat.apache.org 10.1 "Clustering/Session Replication", "The Cluster Channel object".
    """

    @takes(TomcatTierArgs)
    def __init__(self, args: TomcatTierArgs) -> None:
        application = Application("tomcat", args.application)
        servers = servers_of(args.machines)
        self.service = Service(
            self,
            self.name,
            servers,
            args.port,
            HealthCheck(proves="Tomcat answers, has started the application, and is not about to stop"),
            args.allowed_cidrs,
            machines=args.machines,
            limits=Limits(
                header_kib=args.header_kib,
                body_mib=args.body_mib,
                answer_seconds=args.request_seconds,
                connections=args.threads,
            ),
            passes_to=tuple((used, Limits()) for used in args.uses if isinstance(used, Service)),
        )
        # AES-256, as hexadecimal digits.
        key = random.RandomPassword(
            f"{self.name}-replication",
            length=64,
            lower=False,
            upper=False,
            special=True,
            override_special="abcdef",
            opts=self.child(),
        )
        one_after_another(
            self,
            args.machines,
            "tomcat",
            lambda machine: configuration(args, machine, application),
            {"replication": key.result, **role_secrets(args.secrets, args.authorities)},
        )


def configuration(args: TomcatTierArgs, machine: Machine, application: Application) -> Configuration:
    """What one member must hold."""
    members = [(member.address, _identity(member)) for member in args.machines if member.name != machine.name]
    authorities = authority_files("tomcat", "tomcat", args.authorities)
    values = {
        "args": args,
        "machine": machine,
        "root": application.root,
        "health": HEALTH,
        "draining": DRAINING,
        "members": members,
        "identity": _identity(machine),
        "replication": REPLICATION,
        "environment": written(args.environment, args.secrets, authorities),
    }
    server = File(
        path=f"{ETC}/server.xml",
        content=render(__file__, "server.xml.j2", **values),
        owner="root:tomcat",
        mode="0640",
    )
    java = File(path="/etc/default/tomcat10", content=render(__file__, "default.j2", **values))
    environment = File(path=f"{ETC}/environment", content=render(__file__, "environment.j2", **values), mode="0600")
    health = (
        File(path=f"{HEALTH}/WEB-INF/web.xml", content=render(__file__, "web.xml.j2")),
        File(path=f"{HEALTH}/healthz.jsp", content=render(__file__, "healthz.jsp.j2", **values)),
    )
    unit = File(path=f"{UNITS}/{UNIT}.d/casebook.conf", content=render(__file__, "tomcat10.service.j2", **values))
    files = (server, java, environment, *health, unit, *authorities.values())
    others = tuple(f"{address}/32" for address, _ in members)
    return Configuration(
        role="tomcat",
        packages=("curl", "tomcat10"),
        directories=application.directories,
        files=(*application.files, *files),
        units=(
            *application.units,
            Unit(unit=UNIT, restart_on=(*application.follows, *(file.path for file in files))),
        ),
        allow=(Allow(port=args.port, sources=args.allowed_cidrs), Allow(port=REPLICATION, sources=others)),
        # It draws on entropy, unpacks and compiles: a small machine takes its time.
        ready=Ready(command=f"curl -fsS --max-time 10 http://{machine.address}:{args.port}/healthz", seconds=180),
    )


def _identity(machine: Machine) -> str:
    """A member's 16 bytes, the same for ever, as Java writes them: with a sign."""
    return "{" + ",".join(str((byte ^ 128) - 128) for byte in uuid.uuid5(uuid.NAMESPACE_DNS, machine.name).bytes) + "}"
