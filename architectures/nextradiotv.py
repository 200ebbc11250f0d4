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

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
from pydantic import Field, model_validator

from architectures import ProjectSettings, check_plan
from pulumi_casebook import (
    AddressPlan,
    Allow,
    Archive,
    Backend,
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
    InstanceGroup,
    Logs,
    Machine,
    Memcached,
    Monitoring,
    NginxTier,
    PageCache,
    PhpTier,
    Resolver,
    SearchPair,
    StandbyUnits,
    SwiftStorage,
    Vpn,
    VrackNetwork,
    dedicated_servers,
    ssh_key,
)
from pulumi_casebook.core.args import (
    Args,
    Cidr,
    Domain,
    Label,
    ProviderName,
    ServerName,
    System,
    Unique,
    Vlan,
    VrackName,
)
from pulumi_casebook.data.swift_storage import ContainerArgs, Region
from pulumi_casebook.edge.gateway import WireGuardKey
from pulumi_casebook.network.vrack_network import PrivateCidr
from pulumi_casebook.watching.monitoring import ExporterArgs, MailArgs, NightArgs, SmsArgs

APPLICATION = Path(__file__).parent / "applications/nextradiotv"
WORLD = "0.0.0.0/0"
# OVHcloud's own name server (cdns.ovh.net), near every machine.
OVHCLOUD_RESOLVER = "213.186.33.99"


class Sizes(Args):
    """Machines of each tier of a platform."""

    front: int = Field(ge=1, le=8)
    nginx: int = Field(ge=1, le=60)
    php: int = Field(ge=1, le=60)
    memcached: int = Field(ge=1, le=14)
    sql: int = Field(ge=2, le=8)


class Drp(Args):
    """A second, smaller site that is ready to take over (NRT-18)."""

    region: ProviderName
    sizes: Sizes
    # Members of the cluster that follows the first site's: an odd number.
    database_servers: Mapping[Label, ServerName] = Field(min_length=3, max_length=9)


class Settings(ProjectSettings):
    """What the stack's file may say."""

    # From where administrators reach the gateway, and journalists the back office.
    admin_cidrs: Unique[Cidr] = Field(min_length=1)
    journalists_cidrs: Unique[Cidr] = Field(min_length=1)
    # Administrators' devices in the VPN: name -> WireGuard public key.
    vpn_peers: Mapping[Label, WireGuardKey] = Field(default_factory=dict)
    # A zone of the account; the site is www of it.
    zone: Domain

    # What the account rents, by service name.
    vrack: VrackName
    # The members of the one cluster: those that serve the public, and the back office's.
    public_databases: Mapping[Label, ServerName] = Field(min_length=1)
    office_databases: Mapping[Label, ServerName] = Field(min_length=1)
    search_servers: Mapping[Label, ServerName] = Field(min_length=2, max_length=2)
    monitoring: ServerName
    logs: ServerName
    development: ServerName
    # The system that dedicated servers get at the first `up`; None: they are used as they are.
    install: System | None = None

    # Public Cloud: machines of the public platform, and of the back office, which is the same, smaller.
    public: Sizes
    office: Sizes
    region: ProviderName
    flavor: ProviderName = "b3-8"
    storage_region: Region

    # Alerts: by mail in the day, by text message at night.
    mail: MailArgs | None = None
    sms: SmsArgs | None = None
    night: NightArgs | None = None

    # Planned by NextRadioTV; off until it is given.
    drp: Drp | None = None

    vlan: Vlan = 4
    private_cidr: PrivateCidr = "10.4.0.0/22"

    @model_validator(mode="after")
    def _an_address_for_each(self) -> "Settings":
        if self.drp and self.drp.sizes.front != self.public.front:
            raise ValueError(
                f"drp.sizes.front={self.drp.sizes.front}: each of the {self.public.front} records of www needs its "
                "counterpart there; what is smaller is behind"
            )
        return self

    @model_validator(mode="after")
    def _each_server_once(self) -> "Settings":
        used = [self.monitoring, self.logs, self.development]
        used += [*self.public_databases.values(), *self.office_databases.values(), *self.search_servers.values()]
        used += self.drp.database_servers.values() if self.drp else ()
        if twice := sorted({name for name in used if used.count(name) > 1}):
            raise ValueError(f"{twice[0]}: one server cannot be two machines of the drawing")
        check_plan("private_cidr", self.private_cidr, all_tiers())
        return self


def tiers(prefix: str = "", offset: int = 0) -> dict[str, str]:
    """Where each tier's addresses begin; every platform has its own 256."""
    single = {
        "router": (1, 32),
        "gateway": (2, 31),
        "dns": (4, 30),
        "monitoring": (8, 32),
        "logs": (9, 32),
        "search": (10, 31),
    }
    platform = {
        "virtual": (16, 29),
        "sql_virtual": (24, 29),
        "front": (32, 27),
        "nginx": (64, 26),
        "php": (128, 26),
        "memcached": (192, 28),
        "sql": (208, 28),
        "database": (224, 27),
    }
    return {f"{prefix}{tier}": f"{at + offset}/{size}" for tier, (at, size) in (single | platform).items()}


def all_tiers() -> dict[str, str]:
    return tiers() | tiers("office_", 256) | tiers("drp_", 512)


class Place:
    """One site: its gateway, its name servers, and how machines are made there."""

    def __init__(self, settings: Settings, network: VrackNetwork, region: str, prefix: str = "") -> None:
        self.settings, self.network, self.region, self.prefix = settings, network, region, prefix
        self.plan = AddressPlan(network.cidr, **all_tiers())
        self.machines: list[Machine] = []
        self.haproxies: list[Machine] = []
        self.common: dict[str, Any] = {"ssh_key": ssh_key(), "admin_cidrs": settings.admin_cidrs}
        doors = [Allow(port=443, sources=settings.journalists_cidrs)]
        doors += [Allow(port=51820, protocol="udp", sources=(WORLD,))] if settings.vpn_peers else []
        [self.door] = self.instances("gateway", 1, public=True, ip_forwarding=True, allow=doors)
        # The only way out; for administrators, and for journalists to their back office, the only way in.
        office = Forward(port=443, to=self.plan.address("office_front", 1), sources=settings.journalists_cidrs)
        gateway = Gateway(
            self.named("gateway"),
            machine=self.door,
            network=network,
            clients=[network.cidr],
            forwards={} if prefix else {"office": office},
            vpn=Vpn(peers=settings.vpn_peers) if settings.vpn_peers else None,
        )
        self.common |= {"via": self.door, "gateway": gateway.address, "opts": after(gateway)}
        dns = Resolver(
            self.named("dns"),
            machines=self.instances("dns", 2),
            clients=[network.cidr],
            forwarders=[OVHCLOUD_RESOLVER],
            dnssec=False,
        )
        self.resolvers = tuple(dns.addresses)
        self.common |= {"resolvers": self.resolvers, "opts": after(gateway, dns)}

    def named(self, tier: str) -> str:
        return f"{self.prefix}{tier}".replace("_", "-")

    def address(self, tier: str, number: int = 1) -> str:
        return self.plan.address(f"{self.prefix}{tier}", number)

    def block(self, tier: str) -> str:
        """All addresses of a tier, so that one more machine changes nothing in the next one."""
        return self.plan.range(f"{self.prefix}{tier}")

    def instances(self, tier: str, count: int, **more: Any) -> list[Machine]:
        """A tier of instances, each on another host (anti-affinity)."""
        name = self.named(tier)
        names = [name] if count == 1 else [f"{name}-{number}" for number in range(1, count + 1)]
        group = InstanceGroup(
            name,
            region=self.region,
            flavor=self.settings.flavor,
            network=self.network,
            addresses={one: self.address(tier, number) for number, one in enumerate(names, 1)},
            **{"public": False, **self.common, **more},
        )
        self.machines += group.machines
        return list(group.machines)

    def servers(self, tier: str, services: Mapping[str, str]) -> list[Machine]:
        """Dedicated servers, adopted."""
        made = dedicated_servers(
            self.plan,
            f"{self.prefix}{tier}",
            services,
            network=self.network,
            install=self.settings.install,
            **self.common,
        )
        self.machines += made
        return made

    def haproxy(self, name: str, machines: list[Machine], **more: Any) -> HaproxyTier:
        """A tier whose figures the monitoring machine asks for."""
        self.haproxies += machines
        return HaproxyTier(name, machines=machines, metrics_clients=[self.plan.range("monitoring")], **more)


def after(*resources: pulumi.Resource) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions(depends_on=list(resources))


def platform(
    site: Place, kind: str, sizes: Sizes, database: GaleraCluster, members: list[Machine], images: Images, **front: Any
) -> tuple[list[Machine], NginxTier]:
    """nginx, PHP, Memcached, and HAProxy before the members of the database that are its own (NRT-4, NRT-6).

    Returns the machines for its front, which get the arguments `front`, and the tier behind it.
    """
    sql_address = site.address(f"{kind}sql_virtual")
    sql = site.haproxy(
        site.named(f"{kind}sql"),
        machines=site.instances(f"{kind}sql", sizes.sql, shared_addresses=[sql_address]),
        virtual={"sql": sql_address},
        clients=[site.block(f"{kind}php")],
        backends={
            # Multi-master, as the document has it: whoever writes may be asked to try again (error 1213).
            "galera": Backend(
                mode="tcp",
                servers={machine.name: database.servers[machine.name] for machine in members},
                port=database.port,
                check=database.check,
                balance="leastconn",
            )
        },
        frontends={"mysql": Frontend(port=3306, backend="galera")},
        opts=after(database),
    )
    memcached = Memcached(
        site.named(f"{kind}memcached"),
        machines=site.instances(f"{kind}memcached", sizes.memcached),
        clients=[site.block(f"{kind}php")],
    )
    php = PhpTier(
        site.named(f"{kind}php"),
        machines=site.instances(f"{kind}php", sizes.php),
        application=APPLICATION,
        clients=[site.block(f"{kind}nginx")],
        environment={
            "ROLE": kind.rstrip("_") or "public",
            "DATABASE_HOST": sql_address,
            "DATABASE_NAME": database.database,
            "DATABASE_USER": database.user,
            "MEMCACHED": " ".join(memcached.servers.values()),
        },
        secrets={"DATABASE_PASSWORD": database.password},
        opts=after(sql, memcached),
    )
    nginx = NginxTier(
        site.named(f"{kind}nginx"),
        machines=site.instances(f"{kind}nginx", sizes.nginx),
        php=php.servers,
        cache=PageCache(seconds=60),
        images=images,
        # Pages take milliseconds, so a PHP server that takes 3 s hangs; what journalists send may take its time.
        answer_seconds=30 if kind == "office_" else 3,
        clients=[site.block(f"{kind}front")],
        trusted_proxies=[site.block(f"{kind}front")],
        opts=after(php),
    )
    return site.instances(f"{kind}front", sizes.front, **front), nginx


def public_front(
    site: Place, sizes: Sizes, database: GaleraCluster, members: list[Machine], images: Images
) -> tuple[Mapping[str, pulumi.Output[str]], list[Machine]]:
    """The public platform behind one public address for each HAProxy, on port 80 only.

    Each address moves to another machine when its own dies (NRT-2, NRT-3). Returns them, and the HAProxy machines.
    """
    addresses = {f"address-{n}": site.address("virtual", n) for n in range(1, sizes.front + 1)}
    web = Allow(port=80, sources=(WORLD,))
    machines, pages = platform(
        site, "", sizes, database, members, images, shared_addresses=tuple(addresses.values()), allow=[web]
    )
    site.haproxy(
        site.named("front"),
        machines=machines,
        virtual=addresses if len(machines) > 1 else {},
        clients=[WORLD],
        backends={"nginx": Backend(servers=pages.servers)},
        frontends={"http": Frontend(port=80, backend="nginx")},
        opts=after(pages),
    )
    floating = FloatingIps(
        site.named("front"),
        region=site.region,
        network=site.network,
        addresses={site.named(name): address for name, address in addresses.items()},
        router_address=site.address("router"),
        machines=machines,
    )
    return {name: floating.public[site.named(name)] for name in addresses}, machines


def build(settings: Settings) -> None:
    network = VrackNetwork(
        "private",
        vrack=settings.vrack,
        vlan=settings.vlan,
        cidr=settings.private_cidr,
        project=settings.project,
        regions=[settings.region, *([settings.drp.region] if settings.drp else [])],
    )
    storage = SwiftStorage(
        "storage",
        project=settings.project,
        region=settings.storage_region,
        containers={
            "images": ContainerArgs(public=True, writers=["journalists"]),
            "backups": ContainerArgs(writers=["backup"]),
        },
    )
    site = Place(settings, network, settings.region)
    images = Images(origin=storage.containers["images"].url, resolvers=site.resolvers)

    public_members = site.servers("database", settings.public_databases)
    office_members = site.servers("office_database", settings.office_databases)
    members = [*public_members, *office_members]
    [monitoring] = site.servers("monitoring", {"monitoring": settings.monitoring})
    [logs] = site.servers("logs", {"logs": settings.logs})
    search = site.servers("search", settings.search_servers)
    standby = settings.drp.database_servers if settings.drp else {}
    database = GaleraCluster(
        "database",
        machines=members,
        # Ten members are an even number of votes; the eleventh is on hardware of its own anyway.
        arbitrators=[] if len(members) % 2 else [monitoring],
        network=network,
        clients=[site.block("sql"), site.block("office_sql")],
        followers=[site.plan.address("drp_database", number) for number in range(1, len(standby) + 1)],
        database="cms",
        user="cms",
    )

    addresses, fronts = public_front(site, settings.public, database, public_members, images)
    # With a second site the records are its conductor's to move.
    www = DnsRoundRobin("www", zone=settings.zone, subdomain="www", targets=addresses, watched=settings.drp is not None)

    journalists = Allow(port=443, sources=settings.journalists_cidrs)
    [office], editing = platform(
        site, "office_", settings.office, database, office_members, images, allow=[journalists]
    )
    certificate = Certificate("office", names=[f"office.{settings.zone}"])
    site.haproxy(
        "office-front",
        machines=[office],
        clients=settings.journalists_cidrs,
        backends={"nginx": Backend(servers=editing.servers)},
        frontends={"https": Frontend(port=443, backend="nginx", certificate=certificate)},
        opts=after(editing),
    )

    found = SearchPair(
        "search",
        machines=search,
        arbitrator=logs,
        clients=[site.block("php"), site.block("office_php")],
    )
    store = Logs(
        "logs",
        machine=logs,
        machines=[machine for machine in site.machines if machine is not logs],
        files={"http": "/var/log/nginx/access.log"},
        programs={"http": "haproxy"},
        retention_days=21,
        tag_retention_days={"http": 365},
    )
    development = workshop(settings)
    Monitoring(
        "monitoring",
        machine=monitoring,
        machines=[machine for machine in site.machines if machine is not monitoring],
        mail=settings.mail,
        sms=settings.sms,
        night=settings.night,
        probes={"site": f"http://{www.host}/"},
        exporters={"haproxy": ExporterArgs(machines=site.haproxies, port=8404)},
    )
    copies: dict[str, Any] = {"container": storage.containers["backups"], "user": storage.users["backup"]}
    nightly: dict[str, Any] = {**copies, "schedule": "*-*-* 03:15:00", "expire_days": 21}
    Archive("database", machine=office_members[-1], mysql=True, opts=after(database), **nightly)
    Archive("database-monthly", machine=office_members[-1], mysql=True, schedule="monthly", watched=False, **copies)
    Archive("logs", machine=logs, paths=["/var/log"], opts=after(store), **nightly)
    # Nobody watches it: the server is in no network that the monitoring machine is in.
    Archive("git", machine=development, paths=["/srv/git"], watched=False, **nightly)

    machines = [*site.machines, development]
    if settings.drp:
        machines += second_site(
            settings,
            settings.drp,
            network,
            DrpSite(database=database, rests=(StandbyUnits(machines=tuple(fronts)),)),
            www,
            images.origin,
        )

    pulumi.export("url", f"http://{www.host}/")
    pulumi.export("addresses", addresses)
    pulumi.export("office", {"address": site.door.public_address, "host": f"office.{settings.zone}"})
    pulumi.export("images", {"url": storage.containers["images"].url, **storage.users["journalists"]._asdict()})
    pulumi.export("search", found.servers)
    pulumi.export("machines", {machine.name: machine.location for machine in machines})
    pulumi.export(
        "database",
        {
            "name": database.database,
            "user": database.user,
            "password": database.password,
            "public": f"{site.address('sql_virtual')}:3306",
            "office": f"{site.address('office_sql_virtual')}:3306",
        },
    )
    # Who, by name or pattern, reaches which ports of whom: all that is open (drills/ports.py).
    pulumi.export(
        "exposure",
        {
            "the world": {"the addresses": [80]},
            "journalists_cidrs": {"gateway": [443]},
            "admin_cidrs": {"gateway": [22], "development": [22]},
            "the private network": {"front-*": [80], "dns-*": [53], "logs": [2514]},
            "gateway": {"the private network": [22]},
            "front-*": {"nginx-*": [80]},
            "nginx-*": {"php-*": [9000]},
            "php-*": {"memcached-*": [11211], "sql-*": [3306], "search-*": [9200]},
            "office-front": {"office-nginx*": [80]},
            "office-nginx*": {"office-php*": [9000]},
            "office-php*": {"office-memcached*": [11211], "office-sql-*": [3306], "search-*": [9200]},
            "*sql-*": {"*db-*": [3306, 9200]},
            "*db-*": {"*db-*": [4567, 9201], "monitoring": [4567]},
            "search-*": {"search-*": [9200, 9300], "logs": [9200, 9300]},
            "logs": {"search-*": [9200, 9300]},
            "monitoring": {
                "the private network": [9100],
                "*db-*": [4567],
                "front-*": [8404],
                "*sql-*": [8404],
                "office-front": [8404],
            },
        },
    )


def workshop(settings: Settings) -> Machine:
    """Development and pre-production with their git: a server of its own, which is in no private network (NRT-17)."""
    machine = DedicatedServer(
        "development",
        service_name=settings.development,
        install=settings.install,
        ssh_key=ssh_key(),
        admin_cidrs=settings.admin_cidrs,
    )
    machine.configure(
        Configuration(
            role="development",
            packages=("git", "mariadb-server", "memcached", "nginx", "php-fpm", "php-memcached", "php-mysql"),
            directories=(Directory(path="/srv/git", owner="debian:debian"),),
        ),
        role="development",
    )
    return machine


def second_site(
    settings: Settings, drp: Drp, network: VrackNetwork, first: DrpSite, www: DnsRoundRobin, origin: str
) -> list[Machine]:
    """The same architecture, smaller, in step with the first over the vRack; `drp takeover` on its gateway (NRT-18)."""
    place = Place(settings, network, drp.region, "drp_")
    members = place.servers("database", drp.database_servers)
    database = GaleraCluster(
        "drp-database",
        machines=members,
        network=network,
        clients=[place.block("sql")],
        replica_of=first.database.source,
        database=first.database.database,
        user=first.database.user,
        opts=after(first.database),
    )
    images = Images(origin=origin, resolvers=place.resolvers)
    addresses, fronts = public_front(place, drp.sizes, database, members, images)
    DrpReplicaSite(
        "drp",
        conductor=place.door,
        primary=first,
        replica=DrpSite(database=database, rests=(StandbyUnits(machines=tuple(fronts)),)),
        record=www,
        addresses=addresses,
        port=80,
        opts=after(database, www),
    )
    return place.machines
