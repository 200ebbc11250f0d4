"""NextRadioTV (BFM, RMC, 01net), nine million visitors a day (OVH case study #04, claims NRT-1 to NRT-20).

  visitors: DNS round robin, port 80                   50 journalists: allowed addresses     administrators: VPN
                │                                                       └────────┬────────────┘
front-1 … front-4    HAProxy, on four hosts                                   gateway ──▶ the Internet
nginx-1 … nginx-8    pages and images kept ◀── images ── object storage          │
php-1 … php-7 ────── memcached-1 … memcached-4                 office-front, -nginx, -php, -memcached
sql-1, sql-2         HAProxy                                   office-sql-1, office-sql-2
    │                                                                           │
db-1 … db-7 ◀─────────── one Galera cluster over vRack ───────────▶ office-db-1 … office-db-3

dns-1, dns-2     search-1, search-2     monitoring     logs     development: a server apart
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar, Literal

import pulumi
from pydantic import Field, model_validator

from architectures.base import (
    Architecture,
    CloudRackSettings,
    Login,
    OutputModel,
    Outputs,
    Text,
    locations,
    published,
)
from pulumi_casebook import (
    AddressPlan,
    Allow,
    Archive,
    Backend,
    BackupBucket,
    Certificate,
    Configuration,
    DedicatedServer,
    Directory,
    DnsRoundRobin,
    DrpReplicaSite,
    DrpSite,
    FloatingIps,
    Forward,
    Frontend,
    GaleraCluster,
    Gateway,
    HaproxyTier,
    Images,
    Logs,
    Machine,
    MailArgs,
    Memcached,
    Monitoring,
    NginxTier,
    NightArgs,
    PageCache,
    PhpTier,
    Resolver,
    SearchPair,
    Service,
    Site,
    SmsArgs,
    StandbyUnits,
    SwiftStorage,
    Tier,
    Vpn,
    exposure,
    ssh_key,
)
from pulumi_casebook.core.args import WORLD, Args, Domain, Label, PrivateCidr, ProviderName, ServerName, Sources, Vlan
from pulumi_casebook.core.component import takes
from pulumi_casebook.data.galera_cluster import check_members, check_votes
from pulumi_casebook.data.swift_storage import ContainerArgs, Region
from pulumi_casebook.edge.gateway import WireGuardKey
from pulumi_casebook.watching.monitoring import check_night

APPLICATION = Path(__file__).parent / "applications/nextradiotv"
# OVHcloud's own name server (cdns.ovh.net), near every machine.
OVHCLOUD_RESOLVER = "213.186.33.99"
NIGHTLY = "*-*-* 03:15:00"
FORMERLY_ONE = re.compile(r"^((?:office-|drp-)?(?:nginx|php|memcached))-1(?![0-9])")
# Where a platform's tiers are in its 256 addresses.
ROOMS = {
    "router": "1/32",
    "gateway": "2/31",
    "dns": "4/30",
    "monitoring": "8/32",
    "logs": "9/32",
    "search": "10/31",
    "virtual": "16/29",
    "sql_virtual": "24/29",
    "front": "32/27",
    "nginx": "64/26",
    "php": "128/26",
    "memcached": "192/28",
    "sql": "208/28",
    "database": "224/27",
}


class Sizes(Args):
    """Machines of each tier of a platform."""

    nginx: int = Field(ge=1, le=60)
    php: int = Field(ge=1, le=60)
    memcached: int = Field(ge=1, le=14)
    sql: int = Field(ge=2, le=8)


class PublicSizes(Sizes):
    """The public platform's: each HAProxy of its front has an address that another takes over."""

    front: int = Field(ge=2, le=8)


class Drp(Args):
    """A second, smaller site that is ready to take over (NRT-18)."""

    region: ProviderName
    sizes: PublicSizes
    # Members of the cluster that follows the first site's: an odd number.
    database_servers: Mapping[Label, ServerName] = Field(min_length=3, max_length=9)


class Settings(CloudRackSettings):
    """What the stack's file may say."""

    # From where journalists reach the back office.
    journalists_cidrs: Sources = Field(min_length=1)
    # Administrators' devices in the VPN: name -> WireGuard public key.
    vpn_peers: Mapping[Label, WireGuardKey] = Field(default_factory=dict)
    # A zone of the account; the site is www of it.
    zone: Domain

    # What the account rents, by service name.
    # The members of the one cluster: those that serve the public, and the back office's.
    public_databases: Mapping[Label, ServerName] = Field(min_length=1)
    office_databases: Mapping[Label, ServerName] = Field(min_length=1)
    search_servers: Mapping[Label, ServerName] = Field(min_length=2, max_length=2)
    monitoring: ServerName
    logs: ServerName
    development: ServerName

    # Public Cloud: machines of the public platform, and of the back office, which is the same, smaller.
    public: PublicSizes
    office: Sizes
    region: ProviderName
    storage_region: Region

    # Alerts: by mail in the day, by text message at night.
    mail: MailArgs | None = None
    sms: SmsArgs | None = None
    night: NightArgs | None = None

    # Planned by NextRadioTV; off until it is given.
    drp: Drp | None = None

    vlan: Vlan = 4
    private_cidr: PrivateCidr = "10.4.0.0/22"
    # The public platform and what all share; the back office and the second site have 256 addresses each.
    TIERS: ClassVar[Mapping[str, str]] = {**ROOMS, "office": "256/24", "drp": "512/24"}

    @model_validator(mode="after")
    def _as_components_want_it(self) -> "Settings":
        members = len(self.public_databases) + len(self.office_databases)
        try:
            check_members(members)
        except ValueError as error:
            raise ValueError(f"public_databases, office_databases: {error}") from None
        if self.drp:
            check_votes("drp.database_servers", len(self.drp.database_servers))
        if self.vpn_peers:
            Vpn(peers=self.vpn_peers).check_apart(f"private_cidr={self.private_cidr}", self.private_cidr)
        check_night(self.night, self.mail, self.sms)
        return self

    @property
    def own_names(self) -> Iterable[str]:
        parts = {"": self.public, "office-": self.office, **({"drp-": self.drp.sizes} if self.drp else {})}
        yield from ("gateway", "dns-1", "dns-2", "monitoring", "logs", "development", "office-front")
        yield from ("drp-gateway", "drp-dns-1", "drp-dns-2") if self.drp else ()
        for before, sizes in parts.items():
            yield from (f"{before}{tier}-{n}" for tier, size in sizes for n in range(1, size + 1))

    @model_validator(mode="after")
    def _an_address_for_each(self) -> "Settings":
        if self.drp and self.drp.sizes.front != self.public.front:
            raise ValueError(
                f"drp.sizes.front={self.drp.sizes.front}: each of the {self.public.front} records of www needs its "
                "counterpart there; what is smaller is behind"
            )
        return self


class Door(OutputModel):
    """Where journalists come in."""

    address: Text
    host: str


class ImageStorage(Login):
    """Where journalists put images."""

    url: str


class Databases(OutputModel):
    """The one database, and where each platform reaches it."""

    name: str
    user: str
    password: Text
    public: str
    office: str


class NextRadioTvOutputs(Outputs):
    url: str
    # Record of www -> its public address.
    addresses: Mapping[str, Text]
    office: Door
    images: ImageStorage
    search: Mapping[str, str]
    database: Databases


def numbered(resource: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult:
    """Earlier releases named a tier's only machine without its number."""
    former = FORMERLY_ONE.sub(r"\1", resource.name)
    aliases = [pulumi.Alias(name=former)] if former != resource.name else None
    options = pulumi.ResourceOptions.merge(resource.opts, pulumi.ResourceOptions(aliases=aliases))
    return pulumi.ResourceTransformationResult(resource.props, options)


class NextRadioTv(Architecture[Settings]):
    """The whole drawing. Attribute: `outputs`."""

    transformations: ClassVar[list[pulumi.ResourceTransformation]] = [numbered]

    @takes(Settings)
    def __init__(self, args: Settings) -> None:
        plan = args.address_plan
        network = args.private_network(args.region, *([args.drp.region] if args.drp else []))
        office_plan, drp_plan = (AddressPlan(plan.range(part), **ROOMS) for part in ("office", "drp"))
        outside = Site(
            network=network,
            plan=plan,
            admin_cidrs=args.admin_cidrs,
            region=args.region,
            flavor=args.flavor,
            install=args.install,
        )
        journalists = Forward(port=443, to=office_plan.address("front"), sources=args.journalists_cidrs)
        site, gateway = behind_gateway(outside, args, forwards={"office": journalists})
        office = site.part("office", office_plan)
        public_databases = site.dedicated("database", args.public_databases)
        office_databases = office.dedicated("database", args.office_databases)
        [monitoring] = site.dedicated("monitoring", {"monitoring": args.monitoring})
        [logs] = site.dedicated("logs", {"logs": args.logs})
        search_servers = site.dedicated("search", args.search_servers)
        development = workshop(args)

        storage = SwiftStorage(
            "storage",
            project=args.project,
            region=args.storage_region,
            containers={
                "images": ContainerArgs(public=True, writers=["journalists"]),
                # What earlier releases put here is deleted by the platform, but for the copy of each month.
                "backups": ContainerArgs(keep=True),
            },
        )
        images = storage.containers["images"].url
        members = [*public_databases, *office_databases]
        standby = len(args.drp.database_servers) if args.drp else 0
        database = GaleraCluster(
            "database",
            machines=members,
            # Ten members are an even number of votes; the eleventh is on hardware of its own anyway.
            arbitrators=[] if len(members) % 2 else [monitoring],
            network=network,
            clients=[site.tier("sql"), office.tier("sql")],
            reached_at=[plan.address("sql_virtual"), office_plan.address("sql_virtual")],
            followers=drp_plan.addresses("database", standby),
            database="cms",
            user="cms",
        )

        # Pages take milliseconds, so a PHP server that takes 3 s hangs; what journalists send may take its time.
        pages, sql = platform(site, "public", args.public, database, public_databases, images, answer_seconds=3)
        front, fronts, addresses = public_front(site, args.public.front, pages)
        editing, office_sql = platform(office, "office", args.office, database, office_databases, images)
        office_front = office.instance("front", allow=[journalists.allow])
        # With a second site the records are its controller's to move.
        www = DnsRoundRobin(
            "www", zone=args.zone, subdomain="www", targets=addresses, externally_managed=args.drp is not None
        )
        host = f"office.{args.zone}"
        office_door = HaproxyTier(
            "office-front",
            machines=[office_front],
            clients=args.journalists_cidrs,
            backends={"nginx": Backend(to=editing)},
            frontends={"https": Frontend(port=443, backend="nginx", certificate=Certificate("office", names=[host]))},
        )

        search = SearchPair(
            "search", machines=search_servers, arbitrator=logs, clients=[site.tier("php"), office.tier("php")]
        )
        Logs(
            "logs",
            machine=logs,
            machines=site.machines,
            files={"http": "/var/log/nginx/access.log"},
            programs={"http": "haproxy"},
            retention_days=21,
            tag_retention_days={"http": 365},
        )
        copies = BackupBucket(
            "copies",
            project=args.project,
            region=args.storage_region,
            # Names of buckets are the whole platform's; the project's number makes this one our own.
            bucket=f"nextradiotv-{args.project[:8]}-backups",
            archives={"database": 21, "database-monthly": None, "logs": 21, "git": 21},
        )
        dumps = Archive(
            "database",
            machine=office_databases[-1],
            mysql=database.service,
            to=copies,
            schedule=NIGHTLY,
        )
        Archive(
            "database-monthly",
            machine=office_databases[-1],
            mysql=database.service,
            to=copies,
            schedule="monthly",
        )
        log_archive = Archive(
            "logs",
            machine=logs,
            paths=["/var/log"],
            to=copies,
            schedule=NIGHTLY,
        )
        # Nobody watches it: the server is in no network that the monitoring machine is in.
        Archive(
            "git",
            machine=development,
            paths=["/srv/git"],
            to=copies,
            schedule=NIGHTLY,
        )
        tiers = (front, sql, office_door, office_sql, database, dumps, log_archive)
        Monitoring(
            "monitoring",
            machine=monitoring,
            watches=[tier.monitored for tier in tiers],
            machines=site.machines,
            mail=args.mail,
            sms=args.sms,
            night=args.night,
            probes={"site": f"http://{www.host}/"},
        )
        if args.drp:
            first = DrpSite(database=database, rests=[StandbyUnits(machines=fronts)])
            elsewhere = outside.part("drp", drp_plan, args.drp.region)
            second_site(elsewhere, args, args.drp, first, www, images)

        machines = [*site.machines, development]
        journalist = storage.users["journalists"]
        self.outputs = NextRadioTvOutputs(
            url=f"http://{www.host}/",
            addresses={name: published(address) for name, address in addresses.items()},
            office=Door(address=published(gateway.public_address), host=host),
            images=ImageStorage(
                url=images, username=published(journalist.username), password=published(journalist.password)
            ),
            search={name: str(address) for name, address in search.service.servers.items()},
            database=Databases(
                name=database.database,
                user=database.user,
                password=published(database.password),
                public=f"{plan.address('sql_virtual')}:3306",
                office=f"{office_plan.address('sql_virtual')}:3306",
            ),
            machines=locations(machines),
            exposure=exposure(machines, {"addresses": {WORLD: [80]}}),
        )


def behind_gateway(site: Site, args: Settings, forwards: Mapping[str, Forward]) -> tuple[Site, Machine]:
    """The site behind its gateway, which is the only way out, for administrators the only way in, and for others by
    `forwards`; two machines there answer for names (NRT-9, NRT-10, NRT-15)."""
    vpn = Vpn(peers=args.vpn_peers) if args.vpn_peers else None
    openings = [forward.allow for forward in forwards.values()] + ([vpn.allow] if vpn else [])
    machine = site.instance("gateway", ip_forwarding=True, allow=openings)
    gateway = Gateway(
        site.named("gateway"),
        machine=machine,
        network=site.network,
        clients=[site.network.cidr],
        forwards=forwards,
        vpn=vpn,
    )
    inside = site.behind(gateway.way_out)
    dns = Resolver(
        site.named("dns"),
        machines=inside.instances("dns", 2),
        clients=[site.network.cidr],
        forwarders=[OVHCLOUD_RESOLVER],
        dnssec=False,
    )
    return inside.behind(gateway.way_out, dns.name_servers), machine


def platform(
    site: Site,
    role: Literal["public", "office"],
    sizes: Sizes,
    database: GaleraCluster,
    members: Tier,
    images: str,
    answer_seconds: int = 30,
) -> tuple[Service, HaproxyTier]:
    """nginx, PHP, Memcached, and HAProxy before the members of the database that are its own (NRT-4, NRT-6).

    Returns the pages, for the front, and the HAProxy before the database.
    """
    writer = site.plan.address("sql_virtual")
    haproxies = site.instances("sql", sizes.sql, shared_addresses=[writer])
    caches = site.instances("memcached", sizes.memcached)
    applications = site.instances("php", sizes.php)
    proxies = site.instances("nginx", sizes.nginx)
    sql = HaproxyTier(
        site.named("sql"),
        machines=haproxies,
        virtual_addresses={"sql": writer},
        clients=[applications],
        # Multi-master, as the document has it: whoever writes may be asked to try again (error 1213).
        backends={"galera": Backend(to=database.service.of(members), balance="leastconn", nolinger=True)},
        frontends={"mysql": Frontend(port=3306, backend="galera")},
    )
    memcached = Memcached(site.named("memcached"), machines=caches, clients=[applications])
    php = PhpTier(
        site.named("php"),
        machines=applications,
        application=APPLICATION,
        clients=[proxies],
        uses=[sql.service, memcached.service],
        request_seconds=answer_seconds,
        environment={
            "ROLE": role,
            "DATABASE_HOST": writer,
            "DATABASE_NAME": database.database,
            "DATABASE_USER": database.user,
            "MEMCACHED": " ".join(memcached.service.addresses),
        },
        secrets={"DATABASE_PASSWORD": database.password},
        authorities={"DATABASE_AUTHORITY": database.authority},
    )
    nginx = NginxTier(
        site.named("nginx"),
        machines=proxies,
        to=php.service,
        cache=PageCache(seconds=60),
        images=Images(origin=images, resolvers=site.resolvers),
        answer_seconds=answer_seconds,
        clients=[site.tier("front")],
        trusted_proxies=[site.tier("front")],
    )
    return nginx.service, sql


def public_front(site: Site, size: int, pages: Service) -> tuple[HaproxyTier, Tier, Mapping[str, pulumi.Output[str]]]:
    """HAProxy before a platform, on port 80 only, and the public address of each, which moves to another machine when
    its own dies (NRT-2, NRT-3)."""
    virtual = {f"address-{number}": site.plan.address("virtual", number) for number in range(1, size + 1)}
    web = Allow(port=80, sources=[WORLD])
    machines = site.instances("front", size, allow=[web], shared_addresses=list(virtual.values()))
    front = HaproxyTier(
        site.named("front"),
        machines=machines,
        virtual_addresses=virtual,
        clients=[WORLD],
        backends={"nginx": Backend(to=pages)},
        frontends={"http": Frontend(port=80, backend="nginx")},
    )
    floating = FloatingIps(
        site.named("front"),
        region=machines[0].site,
        network=site.network,
        addresses={site.named(name): address for name, address in virtual.items()},
        router_address=site.plan.address("router"),
        machines=machines,
    )
    return front, machines, {name: floating.public[site.named(name)] for name in virtual}


def workshop(args: Settings) -> Machine:
    """Development and pre-production with their git: a server of its own, which is in no private network (NRT-17)."""
    machine = DedicatedServer(
        "development",
        service_name=args.development,
        install=args.install,
        ssh_key=ssh_key(),
        admin_cidrs=args.admin_cidrs,
    )
    packages = ("git", "mariadb-server", "memcached", "nginx", "php-fpm", "php-memcached", "php-mysql")
    git = Directory(path="/srv/git", owner="debian:debian")
    role = "development"
    machine.configure(Configuration(role=role, packages=packages, directories=[git]), role=role)
    return machine


def second_site(site: Site, args: Settings, drp: Drp, first: DrpSite, www: DnsRoundRobin, images: str) -> None:
    """The same architecture, smaller, in step with the first over the vRack; `drp failover` on its gateway (NRT-18)."""
    site, gateway = behind_gateway(site, args, forwards={})
    members = site.dedicated("database", drp.database_servers)
    database = GaleraCluster(
        "drp-database",
        machines=members,
        network=site.network,
        clients=[site.tier("sql")],
        reached_at=[site.plan.address("sql_virtual")],
        replica_of=first.database.source,
        database=first.database.database,
        user=first.database.user,
    )
    pages, _ = platform(site, "public", drp.sizes, database, members, images, answer_seconds=3)
    _, fronts, addresses = public_front(site, drp.sizes.front, pages)
    DrpReplicaSite(
        "drp",
        controller=gateway,
        primary=first,
        replica=DrpSite(database=database, rests=[StandbyUnits(machines=fronts)]),
        record=www,
        addresses=addresses,
        port=80,
    )
