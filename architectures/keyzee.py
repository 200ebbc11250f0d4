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
          the same in Gravelines, smaller, at rest: `drp takeover` on gra-conductor
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pulumi
from pydantic import Field, model_validator

from architectures import ProjectSettings, check_plan
from pulumi_casebook import (
    AddressPlan,
    Allow,
    Backend,
    Certificate,
    DnsRoundRobin,
    DrpReplicaSite,
    DrpSite,
    Forward,
    Frontend,
    GaleraCluster,
    Gateway,
    HaproxyTier,
    InstanceGroup,
    Machine,
    Nas,
    NginxTier,
    PhpTier,
    RequestFilter,
    Route,
    SharedFiles,
    StandbyUnits,
    TomcatTier,
    VrackNetwork,
    dedicated_servers,
    ssh_key,
)
from pulumi_casebook.core.args import (
    Args,
    Cidr,
    Domain,
    Label,
    NasName,
    ProviderName,
    ServerName,
    System,
    Unique,
    Vlan,
    VrackName,
)
from pulumi_casebook.network.vrack_network import PrivateCidr

APPLICATIONS = Path(__file__).with_name("applications") / "keyzee"
ANYBODY = "0.0.0.0/0"
# Offsets of a site's tiers in its own 256 addresses.
TIERS = {
    "gateway": (2, 31),
    "virtual": (8, 29),
    "haproxy": (16, 28),
    "proxy": (32, 28),
    "keys": (48, 28),
    "mobile": (64, 28),
    "database": (80, 28),
    "conductor": (96, 28),
}
FILES = "/srv/keyzee"


def tiers(half: int) -> dict[str, str]:
    """The first site has the first 256 addresses of the network, the one that takes over the next."""
    return {tier: f"{first + 256 * half}/{prefix}" for tier, (first, prefix) in TIERS.items()}


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


class Elsewhere(Place):
    """A site of its own, in a private network of its own."""

    vlan: Vlan
    private_cidr: PrivateCidr

    @model_validator(mode="after")
    def _room(self) -> "Elsewhere":
        check_plan("private_cidr", self.private_cidr, tiers(0))
        return self


class Settings(ProjectSettings):
    """What the stack's file may say."""

    # From where administrators reach the gateways.
    admin_cidrs: Unique[Cidr] = Field(min_length=1)
    # A zone of the account; the service is www of it.
    zone: Domain
    vrack: VrackName
    # The system that dedicated servers get at the first `up`; None: they are used as they are.
    install: System | None = None
    flavor: ProviderName = "b3-8"
    # Of each NAS-HA.
    files_gb: int = Field(default=500, ge=10)

    # The site that serves, and the one that takes over (KEY-6).
    primary: Place
    replica: Place
    # Planned by Keyzee (KEY-7): further sites with fleets of their own, off until they are given.
    elsewhere: Mapping[Label, Elsewhere] = Field(default_factory=dict)

    vlan: Vlan = 12
    private_cidr: PrivateCidr = "10.12.0.0/23"

    @model_validator(mode="after")
    def _each_once(self) -> "Settings":
        places = (self.primary, self.replica, *self.elsewhere.values())
        used = [one for place in places for one in (place.name, place.nas, *place.databases, *place.databases.values())]
        if twice := sorted({name for name in used if used.count(name) > 1}):
            raise ValueError(f"{twice[0]}: the sites share nothing; one name, server or NAS-HA cannot be of two")
        check_plan("private_cidr", self.private_cidr, tiers(1))
        return self


class Built(NamedTuple):
    """A site, as far as others have to do with it."""

    gateway: Machine
    haproxies: tuple[Machine, ...]
    mobiles: tuple[Machine, ...]
    database: GaleraCluster
    # What is to be there before the site is put to rest.
    front: HaproxyTier
    # Of the front: where clients come, and where the site's own applications find each other.
    address: str
    machines: tuple[Machine, ...]
    # How one more machine is made in it.
    instance: dict[str, Any]


def plan(network: VrackNetwork, half: int) -> AddressPlan:
    return AddressPlan(network.cidr, **tiers(half))


def site(
    settings: Settings,
    place: Place,
    network: VrackNetwork,
    half: int = 0,
    follows: GaleraCluster | None = None,
    followers: Unique[str] = (),
) -> Built:
    """The whole drawing in one place."""
    planned, sizes = plan(network, half), place.sizes
    common: dict[str, Any] = {"network": network, "ssh_key": ssh_key(), "admin_cidrs": settings.admin_cidrs}
    machines: list[Machine] = []

    def instances(tier: str, count: int, **more: Any) -> tuple[Machine, ...]:
        """A tier of instances, each on another host."""
        group = InstanceGroup(
            f"{place.name}-{tier}",
            region=place.region,
            flavor=settings.flavor,
            addresses={f"{place.name}-{tier}-{n}": planned.address(tier, n) for n in range(1, count + 1)},
            **({"public": False} | common | more),
        )
        machines.extend(group.machines)
        return tuple(group.machines)

    def block(tier: str) -> str:
        """All of a tier's addresses, so that one more machine changes nothing in the next tier."""
        return planned.range(tier)

    # Everything that comes in or goes out passes it (KEY-1).
    address = planned.address("virtual" if sizes.haproxy > 1 else "haproxy", 1)
    open_to_all = [Allow(port=port, sources=(ANYBODY,)) for port in (80, 443)]
    [door] = instances("gateway", 1, public=True, ip_forwarding=True, allow=open_to_all)
    gateway = Gateway(
        f"{place.name}-gateway",
        machine=door,
        network=network,
        clients=[network.cidr],
        forwards={"http": Forward(port=80, to=address), "https": Forward(port=443, to=address)},
        intrusion_detection=True,
    )
    common |= {"via": door, "gateway": gateway.address, "opts": pulumi.ResourceOptions(depends_on=[gateway])}

    # Databases, on dedicated servers (KEY-4).
    servers = dedicated_servers(planned, "database", place.databases, install=settings.install, **common)
    machines += servers
    database = GaleraCluster(
        f"{place.name}-database",
        machines=servers,
        network=network,
        clients=[block("haproxy")],
        database="keyzee",
        user="keyzee",
        replica_of=follows.source if follows else None,
        followers=followers,
        # A copy of the other's data needs the other.
        opts=pulumi.ResourceOptions(depends_on=[follows] if follows else []),
    )
    reach_database: dict[str, Any] = {
        "environment": {"DATABASE_HOST": address, "DATABASE_NAME": database.database, "DATABASE_USER": database.user},
        "secrets": {"DATABASE_PASSWORD": database.password},
    }

    # The keys, and the mobile application with its files (KEY-3, KEY-5).
    keys = TomcatTier(
        f"{place.name}-keys",
        machines=instances("keys", sizes.keys),
        application=APPLICATIONS / "keys",
        clients=[block("haproxy")],
        # A password that was drawn anew is one that every member takes already.
        opts=pulumi.ResourceOptions(depends_on=[database]),
        **reach_database,
    )
    mobiles = instances("mobile", sizes.mobile)
    files = Nas(
        f"{place.name}-files",
        service_name=place.nas,
        partition="keyzee",
        size_gb=settings.files_gb,
        machines=mobiles,
        mount=FILES,
        owner="www-data:www-data",
        snapshots=["day-1"],
        via=door,
    )
    reach_database["environment"]["FILES"] = files.mount
    mobile = PhpTier(
        f"{place.name}-mobile",
        machines=mobiles,
        application=APPLICATIONS / "mobile",
        server="apache",
        clients=[block("haproxy")],
        extensions=["mysql"],
        opts=pulumi.ResourceOptions(depends_on=[files, database]),
        **reach_database,
    )

    # Requests pass HAProxy, the proxies, and HAProxy again: each level has its work divided (KEY-2).
    proxies = NginxTier(
        f"{place.name}-proxy",
        machines=instances("proxy", sizes.proxy),
        upstreams={"haproxy": f"{address}:8080"},
        request_filter=RequestFilter(),
        clients=[block("haproxy")],
        trusted_proxies=[block("haproxy")],
    )
    haproxies = instances(
        "haproxy",
        sizes.haproxy,
        shared_addresses=[address] if sizes.haproxy > 1 else [],
        allow=open_to_all,
    )
    front = HaproxyTier(
        f"{place.name}-front",
        machines=haproxies,
        virtual={"front": address} if sizes.haproxy > 1 else {},
        clients=[ANYBODY],
        backends={
            "proxies": Backend(servers=proxies.servers),
            "keys": Backend(servers=keys.servers, port=keys.port),
            "mobile": Backend(servers=mobile.servers, port=mobile.port),
            "database": Backend(
                servers=database.servers, port=database.port, mode="tcp", check=database.check, single_writer=True
            ),
        },
        frontends={
            "http": Frontend(port=80, backend="proxies", redirect_https=True),
            "https": Frontend(
                port=443,
                backend="proxies",
                certificate=Certificate(f"{place.name}-www", names=[f"www.{settings.zone}"]),
            ),
            "applications": Frontend(
                port=8080,
                backend="mobile",
                routes=(Route(backend="keys", path_prefix="/keys"),),
                clients=(block("proxy"),),
                trusted_proxies=(block("proxy"),),
            ),
            "mysql": Frontend(port=3306, backend="database", clients=(block("keys"), block("mobile"))),
        },
        opts=pulumi.ResourceOptions(depends_on=[database, keys, mobile, proxies]),
    )
    return Built(
        door, haproxies, mobiles, database, front, address, tuple(machines), {**common, "region": place.region}
    )


def build(settings: Settings) -> None:
    network = VrackNetwork(
        "private",
        vrack=settings.vrack,
        vlan=settings.vlan,
        cidr=settings.private_cidr,
        project=settings.project,
        regions=[settings.primary.region, settings.replica.region],
    )
    second = plan(network, 1)
    followers = [second.address("database", n) for n, _ in enumerate(settings.replica.databases, 1)]
    primary = site(settings, settings.primary, network, followers=tuple(followers))
    replica = site(settings, settings.replica, network, half=1, follows=primary.database)
    www = DnsRoundRobin(
        "www", zone=settings.zone, subdomain="www", targets={"front": primary.gateway.public_address}, watched=True
    )

    # The second site takes over by one command (KEY-6). It is warm: all but its door is at work.
    [conductor] = InstanceGroup(
        f"{settings.replica.name}-conductor",
        flavor=settings.flavor,
        addresses={f"{settings.replica.name}-conductor": second.address("conductor", 1)},
        public=False,
        **replica.instance,
    ).machines
    DrpReplicaSite(
        "drp",
        conductor=conductor,
        primary=DrpSite(
            database=primary.database, rests=(StandbyUnits(machines=primary.haproxies),), files=primary.mobiles[0]
        ),
        replica=DrpSite(
            database=replica.database, rests=(StandbyUnits(machines=replica.haproxies),), files=replica.mobiles[0]
        ),
        record=www,
        addresses={"front": replica.gateway.public_address},
        files=SharedFiles(path=FILES),
        opts=pulumi.ResourceOptions(depends_on=[primary.front, replica.front]),
    )

    places = {settings.primary.name: primary, settings.replica.name: replica}
    for name, place in settings.elsewhere.items():
        apart = VrackNetwork(
            f"{name}-private",
            vrack=settings.vrack,
            vlan=place.vlan,
            cidr=place.private_cidr,
            project=settings.project,
            regions=[place.region],
            attach_project=False,
            opts=pulumi.ResourceOptions(depends_on=[network]),
        )
        places[place.name] = site(settings, place, apart)
        # Fleets are apart, so a fleet's application knows the name of its own place.
        DnsRoundRobin(
            name, zone=settings.zone, subdomain=name, targets={"front": places[place.name].gateway.public_address}
        )

    pulumi.export("url", f"https://{www.host}")
    pulumi.export(
        "machines",
        {
            machine.name: machine.location
            for machine in [conductor, *(machine for built in places.values() for machine in built.machines)]
        },
    )
    pulumi.export("gateways", {name: built.gateway.public_address for name, built in places.items()})
    pulumi.export(
        "drp",
        {
            "on": conductor.name,
            "the second site takes over": "sudo drp takeover",
            "the first site serves again": "sudo drp handback",
        },
    )
    pulumi.export(
        "database",
        {
            "name": primary.database.database,
            "user": primary.database.user,
            "password": primary.database.password,
            "address": f"{primary.address}:{primary.database.port}",
            "address in the second site": f"{replica.address}:{replica.database.port}",
        },
    )
    pulumi.export("exposure", exposure(settings))


def exposure(settings: Settings) -> dict[str, dict[str, tuple[int, ...]]]:
    """Who, by name or pattern, reaches which ports of whom while the first site serves; nothing else is open."""
    found: dict[str, dict[str, tuple[int, ...]]] = {"the world": {}, "admin_cidrs": {}, "the private network": {}}
    for place in (settings.primary, settings.replica, *settings.elsewhere.values()):
        gateway, haproxy, proxy, keys, mobile = (
            f"{place.name}-{tier}-*" for tier in ("gateway", "haproxy", "proxy", "keys", "mobile")
        )
        found["admin_cidrs"] |= dict.fromkeys((gateway, *place.databases), (22,))
        found[gateway] = {f"{place.name}-*": (22,)}
        found[haproxy] = {proxy: (80,), keys: (8080,), mobile: (80,), **dict.fromkeys(place.databases, (3306, 9200))}
        found[keys] = {keys: (4000,)}
        for database in place.databases:
            found[database] = dict.fromkeys(place.databases, (4567, 9201))
        if place is not settings.replica:  # the doors of a site at rest are closed
            found["the world"][gateway] = found["the private network"][haproxy] = (80, 443)
            found[haproxy][haproxy] = (10000,)
            found[proxy] = {haproxy: (8080,)}
            found[keys][haproxy] = (3306,)
            found[mobile] = {haproxy: (3306,)}
    # What keeps the two sites in step, and gives the orders.
    conductor = found[f"{settings.replica.name}-conductor"] = {}
    for place, other in ((settings.primary, settings.replica), (settings.replica, settings.primary)):
        for database in place.databases:
            found[database] |= dict.fromkeys(other.databases, (3306, 9201))
        found[f"{place.name}-mobile-1"] = {f"{other.name}-mobile-1": (8730,)}
        conductor |= dict.fromkeys((f"{place.name}-haproxy-*", *place.databases, f"{place.name}-mobile-1"), (22,))
    return found
