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

from collections.abc import Iterable, Mapping, Sequence

from pydantic import Field, model_validator

from architectures.base import Architecture, Login, Outputs, ProjectSettings, Text, locations, published
from pulumi_casebook import (
    AddressPlan,
    Allow,
    Cdn,
    Certificate,
    InputError,
    Listener,
    LoadBalancerIp,
    Machine,
    Monitoring,
    Site,
    SwiftStorage,
    UploadTier,
    Vps,
    VrackNetwork,
    WebHosting,
    balancer_cidrs,
    exposure,
    ssh_key,
)
from pulumi_casebook.core.args import (
    WORLD,
    Args,
    BalancerName,
    Domain,
    Label,
    PrivateCidr,
    ProviderName,
    Vlan,
    VpsName,
    VrackName,
)
from pulumi_casebook.core.component import takes
from pulumi_casebook.data.swift_storage import ContainerArgs, Region
from pulumi_casebook.network.cdn import CdnArgs
from pulumi_casebook.network.web_hosting import WebHostingArgs
from pulumi_casebook.watching.autoscaler import AutoscalerArgs

TIERS = {"peak": "64/26"}


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
        ProjectSettings.plan("private_cidr", self.private_cidr, TIERS)
        return self


class Settings(ProjectSettings):
    """What the stack's file may say."""

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

    @property
    def own_names(self) -> Iterable[str]:
        instances = self.peaks.instances if self.peaks else 0
        return (*(["monitoring"] if self.peaks else []), *(f"peak-{n}" for n in range(1, instances + 1)))

    @model_validator(mode="after")
    def _something_to_scale(self) -> "Settings":
        if self.scaling and not self.peaks:
            raise ValueError("scaling: there is nothing to scale without peaks")
        return self


class GiropticOutputs(Outputs):
    url: str
    # What clients that upload show.
    token: Text
    photos: str
    # Container -> who may write to it.
    logins: Mapping[str, Login]
    # Hosting plan -> its addresses.
    sites: Mapping[str, list[str]]


class Giroptic(Architecture[Settings]):
    """The whole drawing. Attribute: `outputs`."""

    @takes(Settings)
    def __init__(self, args: Settings) -> None:
        balancer = balancer_cidrs(args.load_balancer, self)
        web = [*side(args, "europe", args.europe, "rbx"), *side(args, "america", args.america, "bhs")]
        watching: Sequence[Machine] = ()
        if args.peaks:
            monitoring = Vps(
                "monitoring", service_name=args.peaks.monitoring, ssh_key=ssh_key(), admin_cidrs=args.admin_cidrs
            )
            watching = (monitoring,)
            web += helpers(args, args.peaks, [Allow(port=port, sources=balancer) for port in UploadTier.ports])
            Monitoring("monitoring", machine=monitoring, machines=web, over="public")

        storage = SwiftStorage(
            "storage",
            project=args.project,
            region=args.storage_region,
            containers={
                # Its key signs deletions as well; with versions they take nothing away.
                "photos": ContainerArgs(
                    signed_urls=True,
                    origins=[f"https://www.{args.domain}"],
                    writers=["photos"],
                    versioning=True,
                    keep=True,
                ),
                "exports": ContainerArgs(writers=["exports"]),
            },
        )
        photos = storage.containers["photos"]
        application = UploadTier(
            "application",
            machines=web,
            signing_key=photos.signing_key,
            certificate=Certificate("application", names=[f"app.{args.domain}"]),
            clients=balancer,
        )
        front = LoadBalancerIp(
            "front",
            service_name=args.load_balancer,
            to=application.service,
            # Any server serves any request, so nobody is tied to one: who joins at a peak takes its share at once.
            listeners=[Listener(port=port) for port in (443, 80)],
        )
        sites = {name: WebHosting.of(name, plan) for name, plan in args.hosting.items()}
        if args.cdn:
            Cdn.of("cdn", args.cdn)

        machines = [*web, *watching]
        world = {"load balancer": {WORLD: [80, 443]}, "object storage": {WORLD: [443]}}
        self.outputs = GiropticOutputs(
            url=front.url,
            token=published(application.token),
            photos=photos.url,
            logins={
                name: Login(username=published(user.username), password=published(user.password))
                for name, user in storage.users.items()
            },
            sites={name: site.urls for name, site in sites.items()},
            machines=locations(machines),
            exposure=exposure(machines, world),
        )


def side(args: Settings, name: str, servers: Mapping[str, str], datacenter: str) -> Sequence[Machine]:
    """The VPS of one side of the Atlantic, which must stand there (GIR-1)."""
    machines = [
        Vps(
            label,
            service_name=service,
            automatic_backup=args.vps_backup,
            ssh_key=ssh_key(),
            admin_cidrs=args.admin_cidrs,
        )
        for label, service in servers.items()
    ]
    for machine in machines:
        if not machine.site.startswith(datacenter):
            raise InputError(f"{name}.{machine.name}: stands in {machine.site}, not in {datacenter}")
    return machines


def helpers(args: Settings, peaks: Peaks, allow: Sequence[Allow]) -> Sequence[Machine]:
    """Instances that join the VPS behind the balancer (GIR-8)."""
    if not peaks.instances:
        return ()
    plan = AddressPlan(peaks.private_cidr, **TIERS)
    network = VrackNetwork(
        "private",
        vrack=peaks.vrack,
        vlan=peaks.vlan,
        cidr=plan.cidr,
        project=args.project,
        regions=[peaks.region],
    )
    site = Site(network=network, plan=plan, admin_cidrs=args.admin_cidrs, region=peaks.region, flavor=peaks.flavor)
    return site.instances("peak", peaks.instances, allow=allow)
