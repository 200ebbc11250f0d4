"""Giroptic, photos of 360° cameras (OVH case study #01, claims GIR-1 to GIR-9).

           browsers and cameras, all over the world
         ┌──────────────┴───────────────┐
         │ 443, 80                      │ signed URLs, HTTPS
  IP Load Balancing                     │
    ┌────┴──────┐                       ▼
europe-1    america-1   ── sign ──▶  object storage
(VPS, RBX)  (VPS, BHS)

  two web hosting plans: the site, and its pre-production
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pydantic import Field, model_validator

from architectures import ProjectSettings, check_plan
from pulumi_casebook import (
    AddressPlan,
    Allow,
    Cdn,
    Certificate,
    InputError,
    InstanceGroup,
    Listener,
    LoadBalancerIp,
    Machine,
    Monitoring,
    SwiftStorage,
    UploadTier,
    Vps,
    VrackNetwork,
    WebHosting,
    balancer_cidrs,
    exporter_access,
    ssh_key,
)
from pulumi_casebook.core.args import (
    Args,
    BalancerName,
    Cidr,
    Domain,
    Label,
    ProviderName,
    Unique,
    Vlan,
    VpsName,
    VrackName,
)
from pulumi_casebook.data.swift_storage import ContainerArgs, Region
from pulumi_casebook.network.cdn import CdnArgs
from pulumi_casebook.network.vrack_network import PrivateCidr
from pulumi_casebook.network.web_hosting import WebHostingArgs
from pulumi_casebook.watching.autoscaler import AutoscalerArgs

TIERS = {"peak": "64/26"}
SIDES = {"europe": "rbx", "america": "bhs"}


class Peaks(Args):
    """Public Cloud instances, billed by the hour, that help at peaks (GIR-8)."""

    # How many there are now: a person's to change, or the autoscaler's.
    instances: int = Field(default=0, ge=0, le=40)
    region: ProviderName = "GRA11"
    flavor: ProviderName = "b3-8"
    # Their own network; the balancer reaches them by public address.
    vrack: VrackName
    vlan: Vlan = 12
    private_cidr: PrivateCidr = "10.12.0.0/24"
    # A VPS that watches the load of all web servers.
    monitoring: VpsName

    @model_validator(mode="after")
    def _room(self) -> "Peaks":
        check_plan("private_cidr", self.private_cidr, TIERS)
        return self


class Settings(ProjectSettings):
    """What the stack's file may say."""

    # From where administrators reach SSH.
    admin_cidrs: Unique[Cidr] = Field(min_length=1)
    domain: Domain

    # What the account rents, by service name: one more VPS on either side is one more line (GIR-2).
    load_balancer: BalancerName
    europe: Mapping[Label, VpsName] = Field(min_length=1)
    america: Mapping[Label, VpsName] = Field(min_length=1)
    storage_region: Region = "GRA"
    # Refuse a VPS without OVHcloud's automatic daily backup (GIR-5).
    vps_backup: bool = True
    # Web hosting plans: the site and its pre-production (GIR-6).
    hosting: Mapping[Label, WebHostingArgs]

    # Planned by Giroptic; off until they are given.
    peaks: Peaks | None = None
    scaling: AutoscalerArgs | None = None
    cdn: CdnArgs | None = None

    @model_validator(mode="after")
    def _something_to_scale(self) -> "Settings":
        if self.scaling and not self.peaks:
            raise ValueError("scaling: there is nothing to scale without peaks")
        return self


def build(settings: Settings) -> None:
    reached: dict[str, Any] = {"ssh_key": ssh_key(), "admin_cidrs": settings.admin_cidrs}
    balancer = tuple(balancer_cidrs(settings.load_balancer))

    def side(name: str, servers: Mapping[str, str]) -> list[Machine]:
        machines: list[Machine] = [
            Vps(label, service_name=service, automatic_backup=settings.vps_backup, **reached)
            for label, service in servers.items()
        ]
        for machine in machines:
            if not machine.site.startswith(SIDES[name]):
                raise InputError(f"{name}.{machine.name}: stands in {machine.site}, not in {SIDES[name]}")
        return machines

    web = [*side("europe", settings.europe), *side("america", settings.america)]
    if settings.peaks:
        web += helpers(settings, settings.peaks, web, balancer, reached)

    storage = SwiftStorage(
        "storage",
        project=settings.project,
        region=settings.storage_region,
        containers={
            "photos": ContainerArgs(signed_urls=True, origins=[f"https://www.{settings.domain}"], writers=["photos"]),
            "exports": ContainerArgs(writers=["exports"]),
        },
    )
    photos = storage.containers["photos"]
    application = UploadTier(
        "application",
        machines=web,
        signing_key=photos.signing_key,
        certificate=Certificate("application", names=[f"app.{settings.domain}"]),
        clients=balancer,
    )
    front = LoadBalancerIp(
        "front",
        service_name=settings.load_balancer,
        servers={machine.name: machine.public_address for machine in web},
        # Any server serves any request, so nobody is tied to one: who joins at a peak takes its share at once.
        listeners=[Listener(port=port, probe=application.probe) for port in (443, 80)],
        opts=pulumi.ResourceOptions(depends_on=[application]),
    )
    sites = {name: WebHosting.of(name, plan) for name, plan in settings.hosting.items()}
    if settings.cdn:
        Cdn.of("cdn", settings.cdn)

    pulumi.export("url", front.url)
    pulumi.export("token", application.token)
    pulumi.export("photos", photos.url)
    pulumi.export("logins", {name: user._asdict() for name, user in storage.users.items()})
    pulumi.export("sites", {name: site.urls for name, site in sites.items()})
    pulumi.export("machines", {machine.name: machine.location for machine in web})
    pulumi.export(
        "exposure",
        {
            "the world": {"load balancer": [80, 443], "object storage": [443]},
            "load balancer": {"every machine": list(application.ports)},
            "admin_cidrs": {"every machine": [22]},
        },
    )


def helpers(
    settings: Settings, peaks: Peaks, web: list[Machine], balancer: tuple[str, ...], reached: dict[str, Any]
) -> Sequence[Machine]:
    """Instances that join the VPS behind the balancer, and who watches when they are needed (GIR-8)."""
    monitoring = Vps("monitoring", service_name=peaks.monitoring, **reached)
    machines: Sequence[Machine] = ()
    if peaks.instances:
        plan = AddressPlan(peaks.private_cidr, **TIERS)
        network = VrackNetwork(
            "private",
            vrack=peaks.vrack,
            vlan=peaks.vlan,
            cidr=plan.cidr,
            project=settings.project,
            regions=[peaks.region],
        )
        machines = InstanceGroup(
            "peak",
            region=peaks.region,
            flavor=peaks.flavor,
            network=network,
            addresses={f"peak-{n}": plan.address("peak", n) for n in range(1, peaks.instances + 1)},
            allow=[exporter_access(monitoring), *(Allow(port=port, sources=balancer) for port in UploadTier.ports)],
            **reached,
        ).machines
    webhook = settings.scaling.webhook if settings.scaling else None
    Monitoring("monitoring", machine=monitoring, machines=[*web, *machines], over="public", webhook=webhook)
    return machines
