"""The back office: editors work here over HTTPS, web servers fetch from here what was published."""

import base64
import hashlib
import html

import pulumi_random as random
from pydantic import Field, field_validator

from pulumi_casebook.core.args import Label, Line, Sources
from pulumi_casebook.core.component import Component, ComponentArgs, takes
from pulumi_casebook.core.templates import render
from pulumi_casebook.machines.configuration import Allow, Configuration, Directory, File, Ready, Unit
from pulumi_casebook.machines.machine import Machine
from pulumi_casebook.machines.rsync_tls import Offer
from pulumi_casebook.network.certificate import Authority, Certificate
from pulumi_casebook.network.vrack_network import VrackNetwork

UNITS = "/etc/systemd/system"
# Where web servers fetch the site, inside TLS; the rsync daemon itself hears this machine alone.
RSYNC_TLS = 8730


class BackOfficeArgs(ComponentArgs):
    # Where it is; it serves nothing else over HTTP.
    machine: Machine
    # What editors' browsers see.
    certificate: Certificate
    # From where editors connect. It is their second lock, after the password.
    editors_cidrs: Sources = Field(min_length=1)
    # The private network whose machines may fetch what is published.
    network: VrackNetwork
    # The editors' name at the door.
    user: Label = "editor"
    # Shown to the editors.
    title: Line = Field(default="Back office", min_length=1, max_length=100)
    # The largest file that an editor can send.
    upload_mib: int = Field(default=2048, ge=1)

    @field_validator("machine")
    @classmethod
    def _private(cls, value: Machine) -> Machine:
        if value.address is None:
            raise ValueError(f"{value.name} has no address in a private network, where web servers fetch the site")
        return value


class BackOffice(Component[BackOfficeArgs]):
    """One machine with the working copy (/srv/edit) and the published site (/srv/www).

    Editors send files by HTTPS (WebDAV: PUT, DELETE, MKCOL, MOVE below /edit/) and publish (PUT /publish, or the
    command `publish` on the machine); an rsync daemon gives the published site to the private network, read only and
    inside TLS. Declares the role `back-office`, the editors' password, and an authority whose certificate tells web
    servers that they speak with this machine.

    Outputs: `url`, `password` (secret), `authority` (its certificate). Attributes: `user`, `address` (private),
    `applied` (what to wait for).
    Source: SOF-5.
    """

    @takes(BackOfficeArgs)
    def __init__(self, args: BackOfficeArgs) -> None:
        password = random.RandomPassword(f"{self.name}-editor", length=24, special=False, opts=self.child())
        self.password = password.result
        self.user, self.address = args.user, str(args.machine.address)
        authority = Authority(self)
        self.authority = authority.pem
        own = authority.certificate(self, args.machine.name, [self.address])
        self.url = args.machine.public_address.apply(lambda address: f"https://{address}")
        configured = args.machine.configure(
            configuration(args),
            role="back-office",
            secrets={
                "certificate": args.certificate.certificate_pem,
                "key": args.certificate.private_key_pem,
                "password": password.result.apply(hashed),
                **Offer.secrets(own),
            },
            opts=self.child(),
        )
        self.applied = configured.applied


def hashed(password: str) -> str:
    """For nginx's user file. A fast hash is enough: nobody guesses 24 random characters."""
    digest = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    return "{SHA}" + base64.b64encode(digest).decode()


def configuration(args: BackOfficeArgs) -> Configuration:
    """What the machine must hold."""
    nginx = File(
        path="/etc/nginx/nginx.conf",
        content=render(__file__, "nginx.conf.j2", title=args.title, upload_mib=args.upload_mib),
    )
    certificate = File(path="/etc/nginx/certificate.pem", content="@secret(certificate)@\n", mode="0600")
    key = File(path="/etc/nginx/key.pem", content="@secret(key)@\n", mode="0600")
    editors = File(
        path="/etc/nginx/editors", content=f"{args.user}:@secret(password:word)@\n", owner="root:www-data", mode="0640"
    )
    rsyncd = File(
        path="/etc/rsyncd.conf",
        content=render(__file__, "rsyncd.conf.j2"),
    )
    offer = Offer("rsync-tls", str(args.machine.address), RSYNC_TLS)
    page = File(
        path="/usr/share/back-office/index.html",
        content=render(__file__, "index.html.j2", title=html.escape(args.title)),
    )
    publish = File(path="/usr/local/sbin/publish", content=render(__file__, "publish.j2"), mode="0755")
    units = {
        name: File(path=f"{UNITS}/{name}", content=render(__file__, f"{name}.j2"))
        for name in ("publish.service", "publish.path", "publish-first.service")
    }
    restart = File(path=f"{UNITS}/rsync.service.d/casebook.conf", content=render(__file__, "rsync.service.j2"))
    return Configuration(
        role="back-office",
        packages=("curl", "logrotate", "nginx", "openssl", "rsync", "socat"),
        directories=(
            Directory(path="/srv/edit", owner="www-data:www-data"),
            Directory(path="/srv/www"),
            Directory(path="/var/lib/back-office", owner="www-data:www-data"),
        ),
        files=(
            nginx,
            certificate,
            key,
            editors,
            rsyncd,
            *offer.files,
            page,
            publish,
            *units.values(),
            restart,
        ),
        units=(
            Unit(unit="publish-first.service", oneshot=True, restart_on=(units["publish-first.service"].path,)),
            Unit(unit="publish.path", restart_on=(units["publish.path"].path,)),
            Unit(unit="rsync.service", restart_on=(rsyncd.path, restart.path)),
            offer.unit,
            Unit(
                unit="nginx.service",
                reload_on=(nginx.path, certificate.path, key.path, editors.path),
                check="nginx -t -q",
            ),
        ),
        allow=(Allow(port=443, sources=args.editors_cidrs), Allow(port=RSYNC_TLS, sources=(args.network.cidr,))),
        ready=Ready(
            command="rsync --contimeout=2 rsync://127.0.0.1/www/.generation"
            f" && openssl s_client -verify_return_error -CAfile {offer.authority}"
            f" -connect {args.machine.address}:{RSYNC_TLS} </dev/null"
            " && curl -ksSo /dev/null https://127.0.0.1/"
        ),
    )
