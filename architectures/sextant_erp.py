"""Sextant Expertise, the ERP of an accountancy firm, in two sites (OVH case study #02, claims ERP-1 to ERP-10).

                the world
                    │ 443 (80 redirects)
            IP Load Balancing ── ends TLS, 60 : 40
         ┌──────────┴──────────┐ vRack
erp-1 (Strasbourg)      erp-2 (Roubaix)
  web                     web
  business ──┐ writes     business
  MySQL ◀────┴──────────── ┘
    └─────── replication ──▶ MySQL

watchdog (VPS): promotes, moves the weights; monitors every machine
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar

from pydantic import Field, model_validator

from architectures.base import Architecture, Database, Outputs, RackSettings, locations
from pulumi_casebook import (
    Backup,
    BackupBucket,
    BackupServer,
    Certificate,
    FarmServer,
    Listener,
    LoadBalancerIp,
    MailArgs,
    Monitoring,
    MysqlPair,
    NginxTier,
    PhpTier,
    Probe,
    RetentionArgs,
    Site,
    SmsArgs,
    VrackNetwork,
    Watchdog,
    exposure,
)
from pulumi_casebook.core.args import Args, BalancerName, Domain, Label, PrivateCidr, Project, ServerName, Vlan, VpsName
from pulumi_casebook.core.component import takes
from pulumi_casebook.data.object_storage import Region

APPLICATION = Path(__file__).with_name("applications") / "erp"
# Of the requests: to the site with the master database, and to the other.
WEIGHTS = (60, 40)
HEALTH = Probe(type="http", port=80, url="/health")
# The 24 hourly backups of the previous day are among those of the seven days.
KEPT = RetentionArgs(hourly_days=7, weekly_days=31)


class BackupStorage(Args):
    """Object storage for the backups, in the place of a server (ERP-10)."""

    project: Project
    region: Region = "GRA"


class Settings(RackSettings):
    """What the stack's file may say."""

    domain: Domain = "sextant.example"

    # What the account rents, by service name. The first server starts with the master database.
    load_balancer: BalancerName
    servers: Mapping[Label, ServerName] = Field(min_length=2, max_length=2)
    backup: ServerName | None = None
    monitoring: VpsName
    # Who is told of an incident: by mail, by text message, or both.
    mail: MailArgs | None = None
    sms: SmsArgs | None = None
    # InnoDB's cache, in MiB: the servers hold web and business layers as well.
    buffer_pool_mib: int = Field(default=4096, ge=16)

    # Advised by OVHcloud; off until they are given (ERP-10): the database on servers of its own, in the order of
    # `servers`; backups in object storage.
    database_servers: Mapping[Label, ServerName] | None = Field(default=None, min_length=2, max_length=2)
    backup_storage: BackupStorage | None = None

    # 0: the untagged network; the vRack carries nothing else.
    vlan: Vlan = 0
    private_cidr: PrivateCidr = "10.9.0.0/24"
    TIERS: ClassVar[Mapping[str, str]] = {
        "server": "16/28",
        "database": "32/29",
        "writer": "40/29",
        "backup": "48/28",
        "load_balancer": "240/28",
    }

    @property
    def own_names(self) -> Iterable[str]:
        return ("monitoring", *(["backup"] if self.backup else []))

    @model_validator(mode="after")
    def _one_place_for_backups(self) -> "Settings":
        if (self.backup is None) == (self.backup_storage is None):
            raise ValueError("backup or backup_storage: backups go to one of them")
        return self


class SextantOutputs(Outputs):
    url: str
    # Its service name.
    load_balancer: str
    database: Database


class SextantErp(Architecture[Settings]):
    """The whole drawing. Attribute: `outputs`."""

    @takes(Settings)
    def __init__(self, args: Settings) -> None:
        plan = args.address_plan
        network = VrackNetwork("private", vrack=args.vrack, vlan=args.vlan, cidr=plan.cidr)
        site = Site(network=network, plan=plan, admin_cidrs=args.admin_cidrs, install=args.install)
        servers = site.dedicated("server", args.servers)
        databases = site.dedicated("database", args.database_servers) if args.database_servers else servers
        monitoring = site.vps("monitoring", args.monitoring)
        nat = site.tier("load_balancer")

        database = MysqlPair(
            "database",
            machines=databases,
            network=network,
            address=plan.address("writer"),
            # The applications, one of which is on the machine that holds the writer's address; the balancer's probe.
            clients=[*servers, f"{plan.address('writer')}/32", nat],
            database="erp",
            user="erp",
            buffer_pool_mib=args.buffer_pool_mib,
            lease_seconds=20,
        )
        fronts = dict[str, FarmServer]()
        for server, near, far, weight in zip(servers, databases, reversed(databases), WEIGHTS, strict=True):
            business = PhpTier(
                f"business-{server.name}",
                machines=[server],
                application=APPLICATION,
                clients=[server],
                uses=[database.service],
                extensions=["mysql"],
                environment={
                    "READ_FROM": str(near.address),
                    # While the near one restarts.
                    "READ_ELSE_FROM": str(far.address),
                    "WRITE_TO": database.address,
                    "DATABASE_NAME": database.database,
                    "DATABASE_USER": database.user,
                },
                secrets={"DATABASE_PASSWORD": database.password},
                authorities={"DATABASE_AUTHORITY": database.authority},
            )
            web = NginxTier(
                f"web-{server.name}",
                machines=[server],
                to=business.service,
                clients=[nat],
                trusted_proxies=[nat],
            )
            fronts[server.name] = FarmServer(to=web.service, weight=weight)

        site_certificate = Certificate("site", names=[args.domain, f"erp.{args.domain}"])
        balancer = LoadBalancerIp(
            "front",
            service_name=args.load_balancer,
            network=network,
            nat_cidr=plan.range("load_balancer"),
            servers=fronts,
            listeners=[
                Listener(
                    port=443,
                    to_port=80,
                    protocol="http",
                    certificate=site_certificate,
                    probe=HEALTH,
                    proxy_protocol=None,
                ),
                Listener(port=80, protocol="http", probe=HEALTH, proxy_protocol=None),
                Listener(port=3306, probe=Probe(type="mysql"), proxy_protocol=None, open=False),
            ],
            externally_managed=True,
        )

        if args.backup_storage:
            kept_on: BackupServer | BackupBucket = BackupBucket(
                "storage",
                project=args.backup_storage.project,
                region=args.backup_storage.region,
                bucket=f"sextant-{args.backup_storage.project[:8]}-backups",
                pruner=monitoring,
            )
        else:
            [store] = site.dedicated("backup", {"backup": str(args.backup)})
            kept_on = BackupServer("backups", machine=store)
        stored = [kept_on.monitored] if isinstance(kept_on, BackupServer) else kept_on.watches
        # Of both, for either may be the one that is left.
        backups = [
            Backup(
                f"database-{machine.name}",
                machine=machine,
                mysql=database.service,
                to=kept_on,
                schedule="hourly",
                retention=KEPT,
            )
            for machine in databases
        ]

        Monitoring(
            "monitoring",
            machine=monitoring,
            watches=[database.monitored, *(backup.monitored for backup in backups), *stored],
            machines=site.machines,
            over="public",
            mail=args.mail,
            sms=args.sms,
        )
        Watchdog(
            "watchdog",
            machine=monitoring,
            database=database,
            load_balancer=balancer,
            fronts={near.name: str(server.address) for server, near in zip(servers, databases, strict=True)},
            weights=WEIGHTS,
            alertmanager="http://127.0.0.1:9093",
        )

        self.outputs = SextantOutputs(
            url=balancer.url,
            load_balancer=balancer.service_name,
            database=Database.of(database, database.address),
            machines=locations(site.machines),
            exposure=exposure(site.machines, {"load balancer": balancer.open_to}),
        )
