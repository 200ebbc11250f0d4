"""So Foot, a football magazine with large peaks in load (OVH case study #08, claims SOF-1 to SOF-11).

                        the world
                            │ 80, 443
                    IP Load Balancing
                            │ vRack
              haproxy-1 ────┴──── haproxy-2
                  │                   │
   web-1  web-2  web-3        web-4 … web-8 (instances)
     ▲ rsync    │ SQL
     │          ▼
back-office   db-1 (Roubaix) ── replication ──▶ db-2 (Strasbourg)
     ▲ 443      └──────── backup ────────▶ object storage
 journalists
                    monitoring (VPS) watches every machine, and prunes the backups
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar

from pydantic import Field

from architectures.base import (
    Architecture,
    CloudRackSettings,
    Database,
    OutputModel,
    Outputs,
    Text,
    locations,
    published,
)
from pulumi_casebook import (
    Backend,
    BackOffice,
    Backup,
    BackupBucket,
    Cdn,
    Certificate,
    Frontend,
    HaproxyTier,
    Listener,
    LoadBalancerIp,
    Monitoring,
    MysqlPair,
    RetentionArgs,
    Site,
    WebTier,
    exposure,
)
from pulumi_casebook.core.args import (
    BalancerName,
    Domain,
    Label,
    PrivateCidr,
    ProviderName,
    ServerName,
    Sources,
    Vlan,
    VpsName,
)
from pulumi_casebook.core.component import takes
from pulumi_casebook.data.object_storage import Region
from pulumi_casebook.network.cdn import CdnArgs
from pulumi_casebook.watching.autoscaler import AutoscalerArgs

KEPT = RetentionArgs(daily=14, weekly=8)


class Settings(CloudRackSettings):
    """What the stack's file may say."""

    # From where journalists reach the back office.
    editors_cidrs: Sources = Field(min_length=1)
    domain: Domain = "sofoot.example"

    # What the account rents, by service name.
    load_balancer: BalancerName
    haproxy_servers: Mapping[Label, ServerName] = Field(min_length=2, max_length=8)
    web_servers: Mapping[Label, ServerName] = Field(max_length=24)
    database_servers: Mapping[Label, ServerName] = Field(min_length=2, max_length=2)
    back_office: ServerName
    monitoring: VpsName

    # Public Cloud: one more web server is one more here (SOF-6).
    web_instances: int = Field(default=5, ge=1, le=40)
    region: ProviderName = "GRA11"
    storage_region: Region = "GRA"

    # How long browsers keep a page, in seconds.
    page_seconds: int = Field(default=30, ge=0)
    # Whether the front logs every request, or only those that failed.
    log_requests: bool = False
    # Clients of the database at once.
    database_connections: int = Field(default=200, ge=10, le=10000)

    # Planned by So Foot; off until they are given: `python -m stacks scale sofoot` (SOF-6), a CDN for what is static
    # (SOF-11; the site's code must use its name).
    scaling: AutoscalerArgs | None = None
    cdn: CdnArgs | None = None

    vlan: Vlan = 8
    private_cidr: PrivateCidr = "10.8.0.0/24"
    TIERS: ClassVar[Mapping[str, str]] = {
        "haproxy": "16/28",
        "web": "64/26",
        "database": "128/29",
        "writer": "136/29",
        "back_office": "144/28",
        "load_balancer": "240/28",
    }

    @property
    def own_names(self) -> Iterable[str]:
        first = len(self.web_servers) + 1
        return ("monitoring", "back-office", *(f"web-{n}" for n in range(first, first + self.web_instances)))


class Door(OutputModel):
    """Where editors log in."""

    url: Text
    user: str
    password: Text


class SoFootOutputs(Outputs):
    url: str
    back_office: Door
    database: Database


class SoFoot(Architecture[Settings]):
    """The whole drawing. Attribute: `outputs`."""

    @takes(Settings)
    def __init__(self, args: Settings) -> None:
        plan = args.address_plan
        network = args.private_network(args.region)
        site = Site(
            network=network,
            plan=plan,
            admin_cidrs=args.admin_cidrs,
            region=args.region,
            flavor=args.flavor,
            install=args.install,
        )
        monitoring = site.vps("monitoring", args.monitoring)
        haproxies = site.dedicated("haproxy", args.haproxy_servers)
        dedicated = site.dedicated("web", args.web_servers)
        web_servers = dedicated + site.instances("web", args.web_instances, after=dedicated)
        databases = site.dedicated("database", args.database_servers)
        [office_server] = site.dedicated("back_office", {"back-office": args.back_office})
        nat = site.tier("load_balancer")

        office = BackOffice(
            "back-office",
            machine=office_server,
            certificate=Certificate("back-office", names=[f"back-office.{args.domain}"]),
            editors_cidrs=args.editors_cidrs,
            network=network,
            title="So Foot",
        )
        web = WebTier(
            "web",
            machines=web_servers,
            source=office,
            proxies=haproxies,
            page_seconds=args.page_seconds,
        )
        site_certificate = Certificate("site", names=[args.domain, f"www.{args.domain}"])
        front = HaproxyTier(
            "front",
            machines=haproxies,
            clients=[nat],
            probed_by=[nat],
            backends={"web": Backend(to=web.service)},
            frontends={
                "http": Frontend(port=80, backend="web", proxy_protocol_from=[nat]),
                "https": Frontend(port=443, backend="web", proxy_protocol_from=[nat], certificate=site_certificate),
            },
            log_requests=args.log_requests,
        )
        balancer = LoadBalancerIp(
            "front",
            service_name=args.load_balancer,
            network=network,
            nat_cidr=plan.range("load_balancer"),
            to=front.service,
            listeners=[Listener(port=port) for port in (80, 443)],
        )
        database = MysqlPair(
            "database",
            machines=databases,
            network=network,
            address=plan.address("writer"),
            clients=[web_servers, office_server],
            database="sofoot",
            user="sofoot",
            max_connections=args.database_connections,
        )

        # Who watches prunes: it holds no data.
        copies = BackupBucket(
            "storage",
            project=args.project,
            region=args.storage_region,
            # Names of buckets are the whole platform's; the project's number makes this one our own.
            bucket=f"sofoot-{args.project[:8]}-backups",
            pruner=monitoring,
        )
        content = ["/srv/edit", "/srv/www"]
        pages = Backup(
            "site", machine=office_server, paths=content, schedule="*-*-* 04:15:00", to=copies, retention=KEPT
        )
        dumps = Backup(
            "database",
            machine=databases[1],
            mysql=database.service,
            schedule="*-*-* 03:15:00",
            to=copies,
            retention=KEPT,
        )
        Monitoring(
            "monitoring",
            machine=monitoring,
            watches=[front.monitored, database.monitored, pages.monitored, dumps.monitored, *copies.watches],
            machines=site.machines,
            over="public",
            probes={"site": balancer.url},
        )
        if args.cdn:
            Cdn.of("cdn", args.cdn)

        self.outputs = SoFootOutputs(
            url=balancer.url,
            back_office=Door(url=published(office.url), user=office.user, password=published(office.password)),
            database=Database.of(database, database.address),
            machines=locations(site.machines),
            exposure=exposure(site.machines, {"load balancer": balancer.open_to}),
        )
