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

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
from pydantic import Field, model_validator

from architectures import check_plan
from pulumi_casebook import (
    AddressPlan,
    Backup,
    BackupServer,
    BucketRepository,
    Certificate,
    FarmServer,
    Listener,
    LoadBalancerIp,
    Monitoring,
    MysqlPair,
    NginxTier,
    ObjectStorage,
    PhpTier,
    Probe,
    Vps,
    VrackNetwork,
    Watchdog,
    dedicated_servers,
    ssh_key,
)
from pulumi_casebook.backups.backup import RetentionArgs
from pulumi_casebook.core.args import (
    Args,
    BalancerName,
    Cidr,
    Domain,
    Label,
    Project,
    ServerName,
    System,
    Unique,
    Vlan,
    VpsName,
    VrackName,
)
from pulumi_casebook.data.object_storage import BucketArgs, Region
from pulumi_casebook.network.vrack_network import PrivateCidr
from pulumi_casebook.watching.monitoring import MailArgs, SmsArgs

APPLICATION = Path(__file__).with_name("applications") / "erp"
TIERS = {"server": "16/28", "database": "32/29", "writer": "40/29", "backup": "48/28", "load_balancer": "240/28"}
# Of the requests: to the site with the master database, and to the other.
WEIGHTS = (60, 40)
HEALTH = Probe(type="http", port=80, url="/health")
# The 24 hourly backups of the previous day are among those of the seven days.
KEPT = RetentionArgs(hourly_days=7, weekly_days=31)


class BackupStorage(Args):
    """Object storage for the backups, in the place of a server (ERP-10)."""

    project: Project
    region: Region = "GRA"


class Settings(Args):
    """What the stack's file may say."""

    # From where administrators reach SSH.
    admin_cidrs: Unique[Cidr] = Field(min_length=1)
    domain: Domain = "sextant.example"

    # What the account rents, by service name. The first server starts with the master database.
    vrack: VrackName
    load_balancer: BalancerName
    servers: Mapping[Label, ServerName] = Field(min_length=2, max_length=2)
    backup: ServerName | None = None
    monitoring: VpsName
    # The system that dedicated servers get at the first `up`; None: they are used as they are.
    install: System | None = None
    # Who is told of an incident: by mail, by text message, or both (components/pulumi_casebook/watching/monitoring).
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

    @model_validator(mode="after")
    def _one_place_for_backups(self) -> "Settings":
        if (self.backup is None) == (self.backup_storage is None):
            raise ValueError("backup or backup_storage: backups go to one of them")
        check_plan("private_cidr", self.private_cidr, TIERS)
        return self


def build(settings: Settings) -> None:
    plan = AddressPlan(settings.private_cidr, **TIERS)
    everywhere: dict[str, Any] = {"ssh_key": ssh_key(), "admin_cidrs": settings.admin_cidrs}
    network = VrackNetwork("private", vrack=settings.vrack, vlan=settings.vlan, cidr=plan.cidr)

    rented = {"network": network, "install": settings.install, **everywhere}

    servers = dedicated_servers(plan, "server", settings.servers, **rented)
    databases = dedicated_servers(plan, "database", settings.database_servers or {}, **rented) or servers
    stores = dedicated_servers(plan, "backup", {"backup": settings.backup} if settings.backup else {}, **rented)
    watcher = Vps("monitoring", service_name=settings.monitoring, **everywhere)
    nat = plan.range("load_balancer")

    database = MysqlPair(
        "database",
        machines=databases,
        network=network,
        address=plan.address("writer", 1),
        # The applications, one of which is on the machine that holds the writer's address; and the balancer's probe.
        clients=[*(f"{machine.address}/32" for machine in servers), f"{plan.address('writer', 1)}/32", nat],
        database="erp",
        user="erp",
        buffer_pool_mib=settings.buffer_pool_mib,
        lease_seconds=20,
    )
    sites: list[pulumi.Resource] = []
    for server, near, far in zip(servers, databases, reversed(databases), strict=True):
        business = PhpTier(
            f"business-{server.name}",
            machines=[server],
            application=APPLICATION,
            clients=[f"{server.address}/32"],
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
            # A password that was drawn anew is one that both servers take already.
            opts=pulumi.ResourceOptions(depends_on=[database]),
        )
        web = NginxTier(
            f"web-{server.name}",
            machines=[server],
            php=business.servers,
            php_root=business.root,
            clients=[nat],
            trusted_proxies=[nat],
        )
        sites += [business, web]

    behind: dict[str, Any] = {"protocol": "http", "proxy_protocol": None}
    balancer = LoadBalancerIp(
        "front",
        service_name=settings.load_balancer,
        network=network,
        nat_cidr=nat,
        servers={
            machine.name: FarmServer(address=str(machine.address), weight=weight)
            for machine, weight in zip(servers, WEIGHTS, strict=True)
        },
        listeners=[
            Listener(
                port=443,
                to_port=80,
                certificate=Certificate("site", names=[settings.domain, f"erp.{settings.domain}"]),
                probe=HEALTH,
                **behind,
            ),
            Listener(port=80, probe=HEALTH, **behind),
            Listener(port=3306, probe=Probe(type="mysql"), proxy_protocol=None, open=False),
        ],
        watched=True,
        opts=pulumi.ResourceOptions(depends_on=[database, *sites]),
    )
    if settings.backup_storage:
        storage = ObjectStorage(
            "storage",
            project=settings.backup_storage.project,
            region=settings.backup_storage.region,
            prefix=f"sextant-{settings.backup_storage.project[:8]}",
            buckets={"backups": BucketArgs(writers=["backup"])},
        )
        repository: BackupServer | BucketRepository = BucketRepository(
            bucket=storage.buckets["backups"], user=storage.users["backup"]
        )
    else:
        repository = BackupServer("backups", machine=stores[0])
    # Of both, for either may be the one that is left.
    for machine in databases:
        Backup(
            f"database-{machine.name}",
            machine=machine,
            mysql=True,
            to=repository,
            schedule="hourly",
            retention=KEPT,
            opts=pulumi.ResourceOptions(depends_on=[database]),
        )

    machines = [*servers, *(databases if databases is not servers else []), *stores]
    Monitoring("monitoring", machine=watcher, machines=machines, over="public", mail=settings.mail, sms=settings.sms)
    Watchdog(
        "watchdog",
        machine=watcher,
        database=database,
        load_balancer=balancer,
        fronts={near.name: str(server.address) for server, near in zip(servers, databases, strict=True)},
        weights=WEIGHTS,
        alertmanager="http://127.0.0.1:9093",
        opts=pulumi.ResourceOptions(depends_on=[database]),
    )

    pulumi.export("url", balancer.url)
    pulumi.export("load_balancer", balancer.service_name)
    pulumi.export(
        "database",
        {
            "address": f"{database.address}:{database.port}",
            "name": database.database,
            "user": database.user,
            "password": database.password,
        },
    )
    pulumi.export("machines", {machine.name: machine.location for machine in [*machines, watcher]})
    # Who, by name or pattern, reaches which ports of whom: all that is open (drills/ports.py).
    replicas = {machine.name: [3306] for machine in databases}
    pulumi.export(
        "exposure",
        {
            "the world": {"load balancer": [80, 443]},
            "admin_cidrs": {"every machine": [22]},
            "load balancer": replicas | {one.name: [80, *replicas.get(one.name, [])] for one in servers},
            **{machine.name: replicas for machine in servers},
            **{machine.name: replicas | {store.name: [2222] for store in stores} for machine in databases},
            "monitoring": {"every machine": [9100], **{machine.name: [22] for machine in databases}},
        },
    )
