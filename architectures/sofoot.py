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
                    monitoring (VPS) watches every machine
"""

from collections.abc import Mapping
from typing import Any

import pulumi
from pydantic import Field, model_validator

from architectures import ProjectSettings, check_plan
from pulumi_casebook import (
    AddressPlan,
    Backend,
    BackOffice,
    Backup,
    BucketRepository,
    Cdn,
    Certificate,
    Frontend,
    HaproxyTier,
    InstanceGroup,
    Listener,
    LoadBalancerIp,
    Monitoring,
    MysqlPair,
    ObjectStorage,
    Vps,
    VrackNetwork,
    WebTier,
    dedicated_servers,
    exporter_access,
    ssh_key,
)
from pulumi_casebook.core.args import (
    BalancerName,
    Cidr,
    Domain,
    Label,
    ProviderName,
    ServerName,
    System,
    Unique,
    Vlan,
    VpsName,
    VrackName,
)
from pulumi_casebook.data.object_storage import BucketArgs, Region
from pulumi_casebook.network.cdn import CdnArgs
from pulumi_casebook.network.vrack_network import PrivateCidr
from pulumi_casebook.watching.autoscaler import AutoscalerArgs
from pulumi_casebook.watching.monitoring import ExporterArgs

TIERS = {"haproxy": 16, "web": 64, "database": 128, "writer": 136, "back_office": 144, "load_balancer": 240}


class Settings(ProjectSettings):
    """What the stack's file may say."""

    # From where administrators reach SSH, and journalists the back office.
    admin_cidrs: Unique[Cidr] = Field(min_length=1)
    editors_cidrs: Unique[Cidr] = Field(min_length=1)
    domain: Domain = "sofoot.example"

    # What the account rents, by service name.
    vrack: VrackName
    load_balancer: BalancerName
    haproxy_servers: Mapping[Label, ServerName] = Field(min_length=2, max_length=8)
    web_servers: Mapping[Label, ServerName] = Field(max_length=24)
    database_servers: Mapping[Label, ServerName] = Field(min_length=2, max_length=2)
    back_office: ServerName
    monitoring: VpsName
    # The system that dedicated servers get at the first `up`; None: they are used as they are.
    install: System | None = None

    # Public Cloud: one more web server is one more here (SOF-6).
    web_instances: int = Field(default=5, ge=1, le=40)
    region: ProviderName = "GRA11"
    flavor: ProviderName = "b3-8"
    storage_region: Region = "GRA"

    # How long browsers keep a page, in seconds.
    page_seconds: int = Field(default=30, ge=0)
    # Whether the front logs every request, or only those that failed.
    log_requests: bool = False
    # Clients of the database at once.
    database_connections: int = Field(default=200, ge=10, le=10000)

    # Planned by So Foot; off until they are given: `python -m stacks.scale sofoot` (SOF-6), a CDN for what is static
    # (SOF-11; the site's code must use its name).
    scaling: AutoscalerArgs | None = None
    cdn: CdnArgs | None = None

    vlan: Vlan = 8
    private_cidr: PrivateCidr = "10.8.0.0/24"

    @model_validator(mode="after")
    def _each_server_once(self) -> "Settings":
        used = [self.back_office, *self.haproxy_servers.values(), *self.web_servers.values()]
        used += self.database_servers.values()
        if twice := sorted({name for name in used if used.count(name) > 1}):
            raise ValueError(f"{twice[0]}: one server cannot be two machines of the drawing")
        check_plan("private_cidr", self.private_cidr, TIERS)
        return self


def build(settings: Settings) -> None:
    plan = AddressPlan(settings.private_cidr, **TIERS)
    key = ssh_key()
    network = VrackNetwork(
        "private",
        vrack=settings.vrack,
        vlan=settings.vlan,
        cidr=plan.cidr,
        project=settings.project,
        regions=[settings.region],
    )
    everywhere: dict[str, Any] = {"ssh_key": key, "admin_cidrs": settings.admin_cidrs}

    rented = {"network": network, "install": settings.install, **everywhere}

    monitoring = Vps("monitoring", service_name=settings.monitoring, **everywhere)
    haproxies = dedicated_servers(plan, "haproxy", settings.haproxy_servers, **rented)
    dedicated = dedicated_servers(plan, "web", settings.web_servers, **rented)
    databases = dedicated_servers(plan, "database", settings.database_servers, **rented)
    [back_office] = dedicated_servers(plan, "back_office", {"back-office": settings.back_office}, **rented)
    first = len(dedicated) + 1
    instances = InstanceGroup(
        "web",
        region=settings.region,
        flavor=settings.flavor,
        network=network,
        addresses={f"web-{n}": plan.address("web", n) for n in range(first, first + settings.web_instances)},
        allow=[exporter_access(monitoring)],
        **everywhere,
    )

    office = BackOffice(
        "back-office",
        machine=back_office,
        certificate=Certificate("back-office", names=[f"back-office.{settings.domain}"]),
        editors_cidrs=settings.editors_cidrs,
        network=network,
        title="So Foot",
    )
    web_servers = [*dedicated, *instances.machines]
    web = WebTier("web", machines=web_servers, source=office, proxies=haproxies, page_seconds=settings.page_seconds)
    nat = plan.block("load_balancer", 28)
    front = HaproxyTier(
        "front",
        machines=haproxies,
        allowed_cidrs=[nat],
        metrics_cidrs=[f"{monitoring.public_ip}/32"],
        probed_by=[nat],
        backends={"web": Backend(servers=web.servers)},
        frontends={
            "http": Frontend(port=80, backend="web", proxy_protocol_from=(nat,)),
            "https": Frontend(
                port=443,
                backend="web",
                proxy_protocol_from=(nat,),
                certificate=Certificate("site", names=[settings.domain, f"www.{settings.domain}"]),
            ),
        },
        log_requests=settings.log_requests,
        opts=pulumi.ResourceOptions(depends_on=[web]),
    )
    balancer = LoadBalancerIp(
        "front",
        service_name=settings.load_balancer,
        network=network,
        nat_cidr=nat,
        servers={machine.name: str(machine.address) for machine in haproxies},
        listeners=[Listener(port=port, probe=front.probe) for port in (80, 443)],
        opts=pulumi.ResourceOptions(depends_on=[front]),
    )

    database = MysqlPair(
        "database",
        machines=databases,
        network=network,
        address=plan.address("writer", 1),
        # The whole tier, so that one more web server changes nothing here.
        allowed_cidrs=[plan.block("web", 26), f"{back_office.address}/32"],
        database="sofoot",
        user="sofoot",
        max_connections=settings.database_connections,
    )

    storage = ObjectStorage(
        "storage",
        project=settings.project,
        region=settings.storage_region,
        # Names of buckets are the whole platform's; the project's number makes these our own.
        prefix=f"sofoot-{settings.project[:8]}",
        buckets={"backups": BucketArgs(writers=["backup"])},
    )
    bucket = BucketRepository(bucket=storage.buckets["backups"], user=storage.users["backup"])
    to_bucket: dict[str, Any] = {"to": bucket, "retention": {"daily": 14, "weekly": 8}}
    Backup("site", machine=back_office, paths=["/srv/edit", "/srv/www"], schedule="*-*-* 04:15:00", **to_bucket)
    Backup(
        "database",
        machine=databases[1],
        mysql=True,
        schedule="*-*-* 03:15:00",
        opts=pulumi.ResourceOptions(depends_on=[database]),
        **to_bucket,
    )

    watched = [*haproxies, *web_servers, *databases, back_office]
    webhook = settings.scaling.webhook if settings.scaling else None
    Monitoring(
        "monitoring",
        machine=monitoring,
        machines=watched,
        over="public",
        exporters={"haproxy": ExporterArgs(machines=haproxies, port=8404)},
        probes={"site": balancer.url},
        webhook=webhook,
    )

    if settings.cdn:
        Cdn.of("cdn", settings.cdn)

    pulumi.export("url", balancer.url)
    pulumi.export(
        "database",
        {
            "address": f"{database.address}:{database.port}",
            "name": database.database,
            "user": database.user,
            "password": database.password,
            "promote the replica": f"on {databases[1].name}: sudo mysql-pair promote",
        },
    )
    pulumi.export("machines", {machine.name: machine.whereabouts for machine in [*watched, monitoring]})
    # Who, by name or pattern, reaches which ports of whom: all that is open (drills/ports.py).
    pulumi.export(
        "exposure",
        {
            "the world": {"load balancer": [80, 443]},
            "editors_cidrs": {"back-office": [443]},
            "admin_cidrs": {"every machine": [22]},
            "load balancer": {"haproxy-*": [80, 443, 8404]},
            "haproxy-*": {"web-*": [80]},
            "web-*": {"db-*": [3306]},
            "back-office": {"db-*": [3306]},
            "db-*": {"db-*": [3306]},
            "the private network": {"back-office": [873]},
            "monitoring": {"every machine": [9100], "haproxy-*": [8404]},
        },
    )
    pulumi.export("back_office", {"url": office.url, "user": office.user, "password": office.password})
