"""A web application on each of a tier's machines: it signs URLs, and photos never pass it."""

from pathlib import Path

import pulumi
import pulumi_random as random
from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from pulumi_casebook.core.args import Unique
from pulumi_casebook.core.clients import Clients, Served
from pulumi_casebook.core.component import Component, takes
from pulumi_casebook.core.templates import render
from pulumi_casebook.data.swift_storage import SIGNER
from pulumi_casebook.machines.configuration import Allow, Configuration, Directory, File, Ready, Unit
from pulumi_casebook.machines.machine import Machine
from pulumi_casebook.machines.site import HealthCheck, Service
from pulumi_casebook.machines.units import UNITS
from pulumi_casebook.network.certificate import Certificate

HOME, KEYS, SOCKET = "/opt/upload", "/etc/upload", "/run/upload.sock"
HEALTH = 8081
PROGRAM = Path(__file__).with_name("programs") / "application.py"


class UploadTierArgs(Served):
    # The web servers; the first takes a change first.
    machines: Unique[Machine] = Field(min_length=1)
    # What signs URLs of the container: `signing_key` of a `SwiftStorage` container, or of an `ObjectStorage`.
    signing_key: pulumi.Output[str] | None = Field(repr=False)
    # What browsers see. Balancers pass TLS through.
    certificate: Certificate
    # From where the balancers in front connect, with PROXY protocol; nobody else may.
    clients: Clients = Field(min_length=1)
    # For how long a browser may begin an upload with a URL that it was given.
    upload_seconds: int = Field(default=300, ge=1, le=7 * 86400)
    # For how long a URL for viewing is good.
    view_seconds: int = Field(default=3600, ge=1, le=7 * 86400)

    @field_validator("signing_key")
    @classmethod
    def _signs(cls, value: pulumi.Output[str] | None) -> pulumi.Output[str] | None:
        if value is None:
            raise PydanticCustomError("secret", "this container has no key; make it with signed_urls=True")
        return value


class UploadTier(Component[UploadTierArgs]):
    """nginx and a small Python application that hands out signed URLs of one container.

    Declares the role `upload` on each machine (on the first, then on all others at once) and the token that uploading
    clients show (`RandomPassword`). The machines hold nothing but configuration: any can be lost, or join.

    Outputs: `token`, secret. Attributes, known at preview: `service`, for the balancer in front; `ports`, what it
    connects to.
    Sources: GIR-1, GIR-4.
    """

    ports = (80, 443, HEALTH)

    @takes(UploadTierArgs)
    def __init__(self, args: UploadTierArgs) -> None:
        drawn = random.RandomPassword(f"{self.name}-token", length=32, special=False, opts=self.child())
        self.token = drawn.result
        servers = {machine.name: machine.public_address for machine in args.machines}
        found = HealthCheck(port=HEALTH, proves="nginx and the application behind it answer")
        self.service = Service(self, self.name, servers, 443, found, args.allowed_cidrs, "tcp")
        before: list[pulumi.Resource] = []
        for number, machine in enumerate(args.machines):
            configured = machine.configure(
                configuration(args, machine.name),
                role="upload",
                secrets={
                    "certificate": args.certificate.certificate_pem,
                    "private_key": args.certificate.private_key_pem,
                    "signing_key": pulumi.Output.from_input(args.signing_key or ""),
                    "token": self.token,
                },
                opts=self.child(depends_on=list(before)),
            )
            if number == 0:
                before.append(configured.applied)


def configuration(args: UploadTierArgs, machine: str) -> Configuration:
    """What one web server must hold."""
    nginx = File(
        path="/etc/nginx/nginx.conf",
        content=render(
            __file__, "nginx.conf.j2", machine=machine, allowed_cidrs=args.allowed_cidrs, health=HEALTH, socket=SOCKET
        ),
    )
    certificate = File(path="/etc/nginx/certificate.pem", content="@secret(certificate)@\n", mode="0600")
    key = File(path="/etc/nginx/key.pem", content="@secret(private_key)@\n", mode="0600")
    program = File(path=f"{HOME}/application.py", content=PROGRAM.read_text())
    signer = File(path=f"{HOME}/signed_url.py", content=SIGNER.read_text())
    signing = File(path=f"{KEYS}/signing.json", content="@secret(signing_key)@\n", mode="0600")
    token = File(path=f"{KEYS}/token", content="@secret(token)@\n", mode="0600")
    port = File(
        path=f"{UNITS}/upload.socket",
        content=f"[Socket]\nListenStream={SOCKET}\nSocketUser=www-data\nSocketMode=0600\n\n"
        "[Install]\nWantedBy=sockets.target\n",
    )
    unit = File(path=f"{UNITS}/upload.service", content=render(__file__, "upload.service.j2", args=args))
    return Configuration(
        role="upload",
        packages=("curl", "logrotate", "nginx", "python3"),
        directories=(Directory(path=HOME), Directory(path=KEYS, mode="0700")),
        files=(nginx, certificate, key, program, signer, signing, token, port, unit),
        units=(
            Unit(unit="upload.socket", restart_on=(port.path,)),
            Unit(unit="upload.service", restart_on=(program.path, signer.path, signing.path, token.path, unit.path)),
            Unit(
                unit="nginx.service",
                reload_on=(nginx.path, certificate.path, key.path),
                check="nginx -t -q",
            ),
        ),
        allow=tuple(Allow(port=port, sources=args.allowed_cidrs) for port in UploadTier.ports),
        ready=Ready(command="curl -fsSk --max-time 5 --haproxy-protocol https://127.0.0.1/healthz"),
    )
