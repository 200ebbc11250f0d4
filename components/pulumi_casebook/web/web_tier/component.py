"""nginx on each of a tier's machines, serving the whole site from its own disk."""

import pulumi
from pydantic import Field, model_validator

from pulumi_casebook.core.args import Unique
from pulumi_casebook.core.component import Component, ComponentArgs, takes
from pulumi_casebook.core.templates import render
from pulumi_casebook.machines.configuration import Allow, Configuration, File, Ready, Unit
from pulumi_casebook.machines.machine import Machine
from pulumi_casebook.machines.rsync_tls import connect_program
from pulumi_casebook.machines.site import HealthCheck, Limits, Service, servers_of
from pulumi_casebook.machines.units import ACCOUNTS, ASKED, UNITS
from pulumi_casebook.web.back_office import RSYNC_TLS, BackOffice

AUTHORITY = "/etc/ssl/casebook/back-office.crt"


class WebTierArgs(ComponentArgs):
    # The web servers; the first takes a change first.
    machines: Unique[Machine] = Field(min_length=1)
    # Whose published site they serve.
    source: BackOffice
    # The members of the HAProxy tier in front: nobody else may connect, and they are believed about clients.
    proxies: Unique[Machine] = Field(min_length=1)
    # Seconds between two looks at whether something new was published.
    sync_seconds: int = Field(default=3, ge=1, le=3600)
    # How long a new server may take to fetch the whole site.
    first_sync_minutes: int = Field(default=20, ge=1, le=60)
    # How long browsers keep pages.
    page_seconds: int = Field(default=30, ge=0)
    # How long they keep what pages are made of: images, styles, scripts, videos.
    asset_seconds: int = Field(default=7 * 86400, ge=0)

    @model_validator(mode="after")
    def _private(self) -> "WebTierArgs":
        for field, machines in (("machines", self.machines), ("proxies", self.proxies)):
            for machine in machines:
                if machine.address is None:
                    raise ValueError(f"{field}: {machine.name} has no address in a private network")
                if field == "machines" and machine.address == self.source.address:
                    raise ValueError(f"machines: {machine.name} is the back office, whose nginx has another purpose")
        return self


class WebTier(Component[WebTierArgs]):
    """nginx 1.26 (Debian 13) and a timer that fetches the site by rsync, inside TLS, when something new was published.

    Declares the role `web` on each machine: on the first, then on all others at once, so that a configuration which
    does not work stops at one server. A machine is ready once it holds and serves the whole site, so that a tier in
    front that depends on this one never sends it a request too early.

    Attributes, known at preview: `service`, for the backend of the tier in front.
    Sources: SOF-1, SOF-3, SOF-6.
    """

    @takes(WebTierArgs)
    def __init__(self, args: WebTierArgs) -> None:
        proxies = tuple(f"{machine.address}/32" for machine in args.proxies)
        found = HealthCheck(proves="nginx answers, and the whole site has been fetched")
        limits = Limits(header_kib=16, connections=4096, files=16384)
        self.service = Service(self, self.name, servers_of(args.machines), 80, found, proxies, limits=limits)
        before: list[pulumi.Resource] = [args.source.applied]
        for number, machine in enumerate(args.machines):
            configured = machine.configure(
                configuration(args, machine),
                role="web",
                secrets={"authority": args.source.authority},
                opts=self.child(depends_on=list(before)),
            )
            if number == 0:
                before.append(configured.applied)


def configuration(args: WebTierArgs, machine: Machine) -> Configuration:
    """What one web server must hold."""
    proxies = [machine.address for machine in args.proxies]
    nginx = File(
        path="/etc/nginx/nginx.conf",
        content=render(__file__, "nginx.conf.j2", args=args, machine=machine, proxies=proxies),
    )
    sync = File(
        path="/usr/local/sbin/web-sync",
        content=render(
            __file__,
            "web-sync.j2",
            source=args.source.address,
            connect=connect_program(args.source.address, RSYNC_TLS, AUTHORITY),
        ),
        mode="0755",
    )
    account = File(path="/etc/sysusers.d/web-sync.conf", content='u web-sync - "Fetches the site" /var/lib/web-sync\n')
    authority = File(path=AUTHORITY, content="@secret(authority)@", owner="root:www-data", mode="0640")
    service = File(path=f"{UNITS}/web-sync.service", content=render(__file__, "web-sync.service.j2"))
    timer = File(
        path=f"{UNITS}/web-sync.timer", content=render(__file__, "web-sync.timer.j2", seconds=args.sync_seconds)
    )
    return Configuration(
        role="web",
        packages=("curl", "logrotate", "nginx", "openssl", "rsync"),
        files=(nginx, account, ASKED, authority, sync, service, timer),
        units=(
            Unit(unit=ACCOUNTS, oneshot=True, restart_on=(account.path, ASKED.path)),
            Unit(unit="nginx.service", reload_on=(nginx.path,), check="nginx -t -q"),
            Unit(unit="web-sync.timer", restart_on=(timer.path,)),
        ),
        allow=(Allow(port=80, sources=tuple(f"{address}/32" for address in proxies)),),
        ready=Ready(
            command=f"curl -fsS --max-time 5 http://{machine.address}/healthz", seconds=args.first_sync_minutes * 60
        ),
    )
