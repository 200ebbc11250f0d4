"""Keyzee, virtual keys for shared vehicles, by OTAKeys (OVH case study #12, claims KEY-1 to KEY-8).

          the world: www.keyzee.example
               │ 80, 443
 gateway: firewall, intrusion detection; the only way in and out
               │
haproxy-1 ─────┴───── haproxy-2         one address for both
   │ 443 ▶ proxy-1, proxy-2             nginx: unwanted requests go no further
   │ 8080 ▶ keys-1 … (Tomcat)           mobile-1 … (Apache, PHP) ── NAS-HA
   │ 3306 ▶ db-1, db-2, db-3            Galera, on dedicated servers over vRack
               ║ vRack: data and files, in step
          the same in Gravelines, smaller, at rest: `drp failover` on gra-conductor

Ours, for the document is silent: rbx-monitoring and rbx-logs for both sites, and backups of the databases and the files
of each in object storage, which rbx-monitoring prunes.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import pulumi
from pydantic import Field, field_validator, model_validator

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
    AddressPlan,
    Allow,
    Backend,
    Backup,
    BackupBucket,
    Certificate,
    DnsRoundRobin,
    DrpReplicaSite,
    DrpSite,
    Forward,
    Frontend,
    GaleraCluster,
    Gateway,
    HaproxyTier,
    Logs,
    Machine,
    MailArgs,
    Monitored,
    Monitoring,
    Nas,
    NginxTier,
    PhpTier,
    RequestFilter,
    RetentionArgs,
    Route,
    SharedFiles,
    Site,
    SmsArgs,
    StandbyUnits,
    TomcatTier,
    VrackNetwork,
    exposure,
)
from pulumi_casebook.core.args import WORLD, Args, Domain, Label, NasName, PrivateCidr, ProviderName, ServerName, Vlan
from pulumi_casebook.core.component import takes
from pulumi_casebook.data.galera_cluster import check_votes
from pulumi_casebook.data.object_storage import Region

APPLICATIONS = Path(__file__).with_name("applications") / "keyzee"
OPEN = [Allow(port=port, sources=[WORLD]) for port in (80, 443)]
FILES = "/srv/keyzee"
KEPT = RetentionArgs(daily=14, weekly=8)
# Where each tier's addresses are in those of its site.
TIERS = {
    "gateway": "2/31",
    "virtual": "8/29",
    "haproxy": "16/28",
    "proxy": "32/28",
    "keys": "48/28",
    "mobile": "64/28",
    "database": "80/28",
    "conductor": "96/28",
    "monitoring": "112/32",
    "logs": "113/32",
}


class Sizes(Args):
    """Machines of each tier."""

    haproxy: int = Field(ge=1, le=16)
    proxy: int = Field(ge=1, le=16)
    keys: int = Field(ge=1, le=8)
    mobile: int = Field(ge=1, le=16)


class Place(Args):
    """One site."""

    # Before the names of its machines.
    name: Label
    region: ProviderName
    sizes: Sizes
    # Dedicated servers for the databases, and the NAS-HA, by service name.
    databases: Mapping[Label, ServerName] = Field(min_length=3, max_length=9)
    nas: NasName

    @field_validator("databases")
    @classmethod
    def _odd(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        check_votes("databases", len(value))
        return value

    @property
    def own_names(self) -> Iterable[str]:
        """Of its machines that are not rented by name."""
        numbers = {"gateway": 1, **dict(iter(self.sizes))}
        return (f"{self.name}-{tier}-{n}" for tier, size in numbers.items() for n in range(1, size + 1))


class Elsewhere(Place):
    """A site of its own, in a private network of its own."""

    vlan: Vlan
    private_cidr: PrivateCidr

    @model_validator(mode="after")
    def _room(self) -> "Elsewhere":
        Settings.plan("private_cidr", self.private_cidr, TIERS)
        return self


class Settings(CloudRackSettings):
    """What the stack's file may say."""

    # A zone of the account; the service is www of it.
    zone: Domain
    # Of each NAS-HA.
    files_gb: int = Field(default=500, ge=10)
    # Of the backups.
    storage_region: Region = "GRA"
    # Who is told of an incident: by mail, by text message, or both.
    mail: MailArgs | None = None
    sms: SmsArgs | None = None

    # The site that serves, and the one that takes over (KEY-6).
    primary: Place
    replica: Place
    # Planned by Keyzee (KEY-7): further sites with fleets of their own, off until they are given.
    elsewhere: Mapping[Label, Elsewhere] = Field(default_factory=dict)

    vlan: Vlan = 12
    private_cidr: PrivateCidr = "10.12.0.0/23"
    # The second site has 256 addresses of its own, beside those of the first.
    TIERS: ClassVar[Mapping[str, str]] = {**TIERS, "replica": "256/24"}

    @model_validator(mode="after")
    def _told_apart(self) -> "Settings":
        names, vlans = {self.primary.name: "primary"}, {self.vlan: "the first two sites"}
        others = {f"elsewhere.{name}": place for name, place in self.elsewhere.items()}
        for where, place in {"replica": self.replica, **others}.items():
            if other := names.get(place.name):
                raise ValueError(f"{where}.name={place.name}: {other} has it; their machines would have the same names")
            names[place.name] = where
            if isinstance(place, Elsewhere):
                if other := vlans.get(place.vlan):
                    raise ValueError(f"{where}.vlan={place.vlan}: that of {other}; each has a network of its own")
                vlans[place.vlan] = where
        if "www" in self.elsewhere:
            raise ValueError("elsewhere.www: is the name of the service itself; fleets have names of their own")
        return self

    @property
    def own_names(self) -> Iterable[str]:
        places = (self.primary, self.replica, *self.elsewhere.values())
        return (f"{self.replica.name}-conductor", *(name for place in places for name in place.own_names))


class Commands(OutputModel):
    """How the other site is let serve, and on which machine."""

    machine: str
    failover: str = "sudo drp failover"
    failback: str = "sudo drp failback"


class KeyzeeOutputs(Outputs):
    url: str
    # Site -> the public address of its gateway.
    gateways: Mapping[str, Text]
    drp: Commands
    # Of the first site, and the same in the second.
    database: Database
    replica_database: Database


class Built:
    """The whole drawing in one place."""

    def __init__(
        self,
        args: Settings,
        place: Place,
        network: VrackNetwork,
        plan: AddressPlan,
        follows: GaleraCluster | None = None,
        followers: Sequence[str] = (),
    ) -> None:
        sizes = place.sizes
        outside = Site(
            name=place.name,
            network=network,
            plan=plan,
            admin_cidrs=args.admin_cidrs,
            region=place.region,
            flavor=args.flavor,
            install=args.install,
        )
        # Of the front: where clients come, and where the site's own applications find each other.
        shared = {"front": plan.address("virtual")} if sizes.haproxy > 1 else {}
        self.address = shared.get("front", plan.address("haproxy"))

        # Everything that comes in or goes out passes it (KEY-1).
        [self.door] = outside.instances("gateway", 1, ip_forwarding=True, allow=OPEN)
        gateway = Gateway(
            outside.named("gateway"),
            machine=self.door,
            network=network,
            clients=[network.cidr],
            forwards={"http": Forward(port=80, to=self.address), "https": Forward(port=443, to=self.address)},
            intrusion_detection=True,
        )
        self.site = site = outside.behind(gateway.way_out)
        haproxies = site.instances("haproxy", sizes.haproxy, shared_addresses=[*shared.values()], allow=OPEN)
        proxy_machines = site.instances("proxy", sizes.proxy)
        key_machines = site.instances("keys", sizes.keys)
        self.mobiles = site.instances("mobile", sizes.mobile)

        # Databases, on dedicated servers (KEY-4). All reach them through HAProxy.
        self.databases = site.dedicated("database", place.databases)
        self.database = GaleraCluster(
            site.named("database"),
            machines=self.databases,
            network=network,
            clients=[haproxies],
            reached_at=[self.address],
            database="keyzee",
            user="keyzee",
            replica_of=follows.source if follows else None,
            followers=followers,
        )
        environment = {
            "DATABASE_HOST": self.address,
            "DATABASE_NAME": self.database.database,
            "DATABASE_USER": self.database.user,
        }
        secrets = {"DATABASE_PASSWORD": self.database.password}
        authorities = {"DATABASE_AUTHORITY": self.database.authority}
        # A password that was rotated is one that every member takes already.
        after_database = pulumi.ResourceOptions(depends_on=[self.database])

        # The keys, and the mobile application with its files (KEY-3, KEY-5).
        keys = TomcatTier(
            site.named("keys"),
            machines=key_machines,
            application=APPLICATIONS / "keys",
            clients=[haproxies],
            environment=environment,
            secrets=secrets,
            authorities=authorities,
            opts=after_database,
        )
        self.files = files = Nas(
            site.named("files"),
            service_name=place.nas,
            partition="keyzee",
            size_gb=args.files_gb,
            machines=self.mobiles,
            mount=FILES,
            owner="www-data:www-data",
            snapshots=["day-1"],
            via=self.door,
        )
        mobile = PhpTier(
            site.named("mobile"),
            machines=self.mobiles,
            application=APPLICATIONS / "mobile",
            server="apache",
            clients=[haproxies],
            uses=[files.mounted],
            extensions=["mysql"],
            environment={**environment, "FILES": files.mount},
            secrets=secrets,
            authorities=authorities,
            opts=after_database,
        )

        # Requests pass HAProxy, the proxies, and HAProxy again: each level has its work divided (KEY-2).
        proxies = NginxTier(
            site.named("proxy"),
            machines=proxy_machines,
            upstreams={"haproxy": f"{self.address}:8080"},
            request_filter=RequestFilter(),
            clients=[haproxies],
            trusted_proxies=[haproxies],
        )
        self.front = HaproxyTier(
            site.named("front"),
            machines=haproxies,
            virtual_addresses=shared,
            clients=[WORLD],
            backends={
                "proxies": Backend(to=proxies.service),
                "keys": Backend(to=keys.service),
                "mobile": Backend(to=mobile.service),
                "database": Backend(to=self.database.service, single_writer=True),
            },
            frontends={
                "http": Frontend(port=80, backend="proxies", redirect_https=True),
                "https": Frontend(
                    port=443,
                    backend="proxies",
                    certificate=Certificate(site.named("www"), names=[f"www.{args.zone}"]),
                ),
                "applications": Frontend(
                    port=8080,
                    backend="mobile",
                    routes=[Route(backend="keys", path_prefix="/keys")],
                    clients=[proxy_machines],
                    trusted_proxies=[proxy_machines],
                ),
                "mysql": Frontend(port=3306, backend="database", clients=[key_machines, self.mobiles]),
            },
        )

    def saved(self, to: BackupBucket) -> list[Backup]:
        """Its data, every night."""
        database = Backup(
            self.site.named("database"),
            machine=self.databases[-1],
            mysql=self.database.service,
            to=to,
            schedule="*-*-* 03:15:00",
            retention=KEPT,
        )
        files = Backup(
            self.site.named("files"),
            machine=self.mobiles[0],
            paths=[FILES],
            to=to,
            schedule="*-*-* 04:15:00",
            retention=KEPT,
            opts=pulumi.ResourceOptions(depends_on=[self.files]),
        )
        return [database, files]

    @property
    def part(self) -> DrpSite:
        """It is warm: all but its door is at work."""
        return DrpSite(database=self.database, rests=[StandbyUnits(of=self.front.service)], files=self.mobiles[0])


class Keyzee(Architecture[Settings]):
    """The whole drawing. Attribute: `outputs`."""

    @takes(Settings)
    def __init__(self, args: Settings) -> None:
        plan = args.address_plan
        network = args.private_network(args.primary.region, args.replica.region)
        second = AddressPlan(plan.range("replica"), **TIERS)
        followers = second.addresses("database", len(args.replica.databases))
        primary = Built(args, args.primary, network, plan, followers=followers)
        replica = Built(args, args.replica, network, second, follows=primary.database)
        www = DnsRoundRobin(
            "www",
            zone=args.zone,
            subdomain="www",
            targets={"front": primary.door.public_address},
            externally_managed=True,
        )

        # The second site takes over by one command (KEY-6).
        # Its tier keeps the name that it was made with: another one would replace the machine.
        controller = replica.site.instance("conductor")
        DrpReplicaSite(
            "drp",
            controller=controller,
            primary=primary.part,
            replica=replica.part,
            record=www,
            addresses={"front": replica.door.public_address},
            files=SharedFiles(path=FILES),
        )

        # Who watches prunes: it holds no data.
        monitoring = primary.site.instance("monitoring")
        copies = BackupBucket(
            "copies",
            project=args.project,
            region=args.storage_region,
            # Names of buckets are the whole platform's; the project's number makes this one our own.
            bucket=f"keyzee-{args.project[:8]}-backups",
            pruner=monitoring,
        )
        look_after(args, [primary, replica], monitoring, copies, copies.watches)

        places = {args.primary.name: primary, args.replica.name: replica}
        for name, place in args.elsewhere.items():
            apart = VrackNetwork(
                f"{name}-private",
                vrack=args.vrack,
                vlan=place.vlan,
                cidr=place.private_cidr,
                project=args.project,
                regions=[place.region],
                attach_project=False,
                opts=pulumi.ResourceOptions(depends_on=[network]),
            )
            built = places[place.name] = Built(args, place, apart, AddressPlan(apart.cidr, **TIERS))
            look_after(args, [built], built.site.instance("monitoring"), copies)
            # Fleets are apart, so a fleet's application knows the name of its own place.
            DnsRoundRobin(name, zone=args.zone, subdomain=name, targets={"front": built.door.public_address})

        machines = [machine for built in places.values() for machine in built.site.machines]
        self.outputs = KeyzeeOutputs(
            url=f"https://{www.host}",
            gateways={name: published(built.door.public_address) for name, built in places.items()},
            drp=Commands(machine=controller.name),
            database=Database.of(primary.database, primary.address),
            replica_database=Database.of(replica.database, replica.address),
            machines=locations(machines),
            exposure=exposure(machines),
        )


def look_after(
    args: Settings, places: Sequence[Built], monitoring: Machine, copies: BackupBucket, more: Sequence[Monitored] = ()
) -> None:
    """Backups, logs, and somebody who is told, of the places in one network."""
    site = places[0].site
    logs = site.instance("logs")
    machines = [machine for built in places for machine in built.site.machines]
    saved = [backup.monitored for built in places for backup in built.saved(copies)]
    Logs(site.named("logs"), machine=logs, machines=machines, programs={"http": "haproxy"})
    Monitoring(
        site.named("monitoring"),
        machine=monitoring,
        watches=[*(part.monitored for built in places for part in (built.front, built.database)), *saved, *more],
        machines=machines,
        mail=args.mail,
        sms=args.sms,
    )
