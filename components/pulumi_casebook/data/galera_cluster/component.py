"""A Galera cluster: members that all hold all data, and arbitrators that only vote."""

import ipaddress
import json
from collections.abc import Sequence
from pathlib import Path

import pulumi
import pulumi_random as random

from pulumi_casebook.core.component import Component, takes
from pulumi_casebook.core.templates import render
from pulumi_casebook.data.galera_cluster.args import GaleraClusterArgs, Source
from pulumi_casebook.edge.haproxy_tier.args import SQL_IDLE_SECONDS
from pulumi_casebook.machines.configuration import Allow, Configuration, Directory, File, Ready, Unit, program
from pulumi_casebook.machines.machine import Machine
from pulumi_casebook.machines.site import HealthCheck, Limits, Monitored, Service, alerts, servers_of
from pulumi_casebook.machines.units import FIGURES, METRICS
from pulumi_casebook.network.certificate import Authority

PROGRAM = Path(__file__).with_name("programs") / "galera.py"
INSTALLED = "/usr/local/sbin/galera"
PACKAGES = ("galera-4", "mariadb-backup", "mariadb-server", "python3-pymysql", "socat")
PASSWORDS = ("application", "health", "replica", "sst")
AUTHORITY, CERTIFICATE, KEY = (f"/etc/galera/{name}" for name in ("authority.crt", "member.crt", "member.key"))
SETTINGS, ACCOUNTS = "/etc/galera/settings.json", "/etc/galera/accounts.json"
CLIENT, ELSEWHERE = "/etc/galera/client.cnf", "/etc/galera/elsewhere.cnf"
SERVER = "/etc/mysql/mariadb.conf.d/90-galera.cnf"
MEMBERS = "/etc/mysql/mariadb.conf.d/91-galera-members.cnf"
START = "/etc/systemd/system/mariadb.service.d/galera.conf"
UNIT, SOCKET = (f"/etc/systemd/system/galera.{kind}" for kind in ("service", "socket"))
VOTE, VOTE_START, NODES = "/etc/default/garb", "/etc/systemd/system/garb.service.d/galera.conf", "/etc/galera/nodes"
GROUP, STATE_TRANSFER, WRITE_SETS, HEALTH, PEERS = 4567, 4444, 4568, 9200, 9201


class GaleraCluster(Component[GaleraClusterArgs]):
    """MariaDB 11.8 and Galera 4 (Debian 13): every member holds all data and takes reads and writes.

    Declares an authority and a certificate for each machine, four passwords, per member the roles `galera-peer`
    (programs, certificate, what a member tells the others) and then, one member after the other, `galera` (the server;
    ready when it serves), per arbitrator the role `galera-arbitrator`.

    Outputs: `password`, `authority` (the certificate by which clients know the members). Attributes, known at preview:
    `service` (for a backend of `HaproxyTier`), `port`, `database`, `user`, `monitored` (its members).
    Sources: NRT-5, KEY-4; mariadb.com/docs "Galera Cluster"; jepsen.io, MariaDB Galera Cluster 12.1.2.
    """

    @takes(GaleraClusterArgs)
    def __init__(self, args: GaleraClusterArgs) -> None:
        self.machines, self.follows = args.machines, args.replica_of.name if args.replica_of else None
        servers = servers_of(args.machines)
        # Slow to believe that a member is back: it must not flap.
        healthy = HealthCheck(
            path="/",
            port=HEALTH,
            interval=2,
            fast_interval=0.5,
            timeout=2,
            fall=2,
            rise=5,
            proves="the member is one of the cluster's majority, in step, and takes reads and writes",
        )
        limits = Limits(connections=args.max_connections, idle_seconds=SQL_IDLE_SECONDS)
        self.service = Service(self, self.name, servers, args.port, healthy, args.allowed_cidrs, "tcp", limits=limits)
        self.port, self.database, self.user = args.port, args.database, args.user
        self.monitored = Monitored(
            f"galera-{self.name}",
            args.machines,
            alerts(__file__, args.machines, name=self.name, args=args, elsewhere=elsewhere(args)),
            figures=("casebook_galera_primary",),
            writes="galera",
        )
        if args.replica_of:
            accounts = {name: args.replica_of.passwords[name] for name in PASSWORDS}
            authority = args.replica_of.authority
        else:
            accounts = {name: self._drawn(name) for name in PASSWORDS}
            authority = Authority(self)
        self.password, self.authority = accounts["application"], authority.pem
        self.source = Source(
            self,
            self.name,
            self.service.addresses,
            args.port,
            args.database,
            args.user,
            authority,
            accounts,
        )
        peers, certificates = list[pulumi.Resource](), {}
        for machine in args.machines:
            certificates[machine.name] = authority.certificate(
                self, machine.name, [str(machine.address), *args.reached_at]
            )
            role = machine.configure(
                peer(self.name, args, machine),
                role="galera-peer",
                secrets={**certificates[machine.name], **accounts},
                opts=self.child(),
            )
            peers.append(role.applied)
        # A member begins or joins once it has heard from every other one, so all of them come before any server.
        before = list[pulumi.Resource]()
        for machine in args.machines:
            valid_until = certificates[machine.name]["valid-until"]
            role = machine.configure(
                member(self.name, args, machine),
                role="galera",
                secrets={"sst": accounts["sst"], "valid-until": valid_until},
                opts=self.child(depends_on=[*peers, *before]),
            )
            before = [role.applied]
        for machine in args.arbitrators:
            machine.configure(
                arbitrator(self.name, args, machine),
                role="galera-arbitrator",
                secrets=authority.certificate(self, machine.name, [str(machine.address)]),
                opts=self.child(depends_on=before),
            )

    def _drawn(self, account: str) -> pulumi.Output[str]:
        # Letters and digits only: it stands in option files, JSON and SQL.
        return random.RandomPassword(f"{self.name}-{account}", length=32, special=False, opts=self.child()).result


def peer(name: str, args: GaleraClusterArgs, machine: Machine) -> Configuration:
    """What a machine needs to speak with the other members, whether its server runs or not."""
    values = {"own": machine.address}
    files = (
        *program(PROGRAM, INSTALLED),
        *_certificate_files("mysql"),
        File(path=UNIT, content=render(__file__, "galera.service.j2")),
        File(path=SOCKET, content=render(__file__, "galera.socket.j2", **values)),
    )
    # Read at every turn of the program: their change restarts nothing.
    read = (
        File(path=SETTINGS, content=json.dumps(settings(name, args, machine), indent=1) + "\n"),
        File(
            path=ACCOUNTS,
            content=json.dumps({who: f"@secret({who}:json)@" for who in PASSWORDS}) + "\n",
            mode="0600",
        ),
        File(path=ELSEWHERE, content=render(__file__, "elsewhere.cnf.j2", args=args), mode="0600"),
        File(path=CLIENT, content=render(__file__, "client.cnf.j2"), owner="root:mysql", mode="0640"),
    )
    others = tuple(f"{other.address}/32" for other in args.machines if other.name != machine.name)
    follows = tuple(file.path for file in files)
    return Configuration(
        role="galera-peer",
        packages=PACKAGES,
        directories=(FIGURES, Directory(path="/etc/galera"), Directory(path="/var/lib/galera")),
        files=(*files, *read),
        units=(
            Unit(unit="galera.socket", restart_on=(SOCKET,)),
            Unit(unit="galera.service", restart_on=follows),
        ),
        allow=(
            Allow(port=HEALTH, sources=args.allowed_cidrs),
            Allow(port=PEERS, sources=(*others, *_single(*elsewhere(args)))),
        ),
    )


def member(name: str, args: GaleraClusterArgs, machine: Machine) -> Configuration:
    """The server of one member."""
    number = int(ipaddress.IPv4Address(str(machine.address)))
    values = {"args": args, "cluster": name, "member": machine.name, "own": machine.address, "own_domain": number}
    values |= {"domain": 2 if args.replica_of else 1, "elsewhere": elsewhere(args)}
    server = File(path=SERVER, content=render(__file__, "server.cnf.j2", **values), owner="root:mysql", mode="0640")
    members = File(
        path=MEMBERS, content=render(__file__, "members.cnf.j2", addresses=[m.address for m in args.machines])
    )
    start = File(path=START, content=render(__file__, "mariadb.service.conf.j2"))
    voters = _others(machine, *args.machines, *args.arbitrators)
    others = _others(machine, *args.machines)
    return Configuration(
        role="galera",
        files=(server, members, start),
        units=(
            Unit(
                unit="mariadb.service",
                restart_on=(SERVER, START),
                # Who fails while it joins has kept another member busy, which rests as well.
                restart_seconds=15,
                check="mariadbd --user=mysql --help --verbose >/dev/null",
            ),
        ),
        allow=(
            Allow(port=args.port, sources=(*args.allowed_cidrs, *_single(*elsewhere(args)))),
            Allow(port=GROUP, sources=voters),
            Allow(port=WRITE_SETS, sources=others),
            Allow(port=STATE_TRANSFER, sources=others),
        ),
        ready=Ready(command=f"{INSTALLED} ready", seconds=3600),
    )


def arbitrator(name: str, args: GaleraClusterArgs, machine: Machine) -> Configuration:
    """A vote."""
    vote = File(path=VOTE, content=render(__file__, "garb.j2", cluster=name, own=machine.address))
    addresses = " ".join(str(member.address) for member in args.machines)
    nodes = File(path=NODES, content=f'GALERA_NODES="{addresses}"\n')
    start = File(path=VOTE_START, content=render(__file__, "garb.service.conf.j2"))
    files = (vote, start, *_certificate_files("ssl-cert"))
    return Configuration(
        role="galera-arbitrator",
        packages=("galera-arbitrator-4", "ssl-cert"),
        directories=(Directory(path="/etc/galera"),),
        files=(*files, nodes),
        units=(Unit(unit="garb.service", restart_on=tuple(file.path for file in files)),),
        allow=(Allow(port=GROUP, sources=_others(machine, *args.machines, *args.arbitrators)),),
        ready=Ready(command=f"ss -Htn state established '( dport = :{GROUP} or sport = :{GROUP} )' | grep -q ."),
    )


def settings(name: str, args: GaleraClusterArgs, machine: Machine) -> dict[str, object]:
    """What the program reads."""
    return {
        "cluster": name,
        "name": machine.name,
        "members": {member.name: member.address for member in args.machines},
        "elsewhere": list(elsewhere(args)),
        "writes_first": args.replica_of is None,
        "port": args.port,
        "votes": len(args.machines) + len(args.arbitrators),
        "database": args.database,
        "user": args.user,
        "allowed_cidrs": list(args.allowed_cidrs),
        "authority": AUTHORITY,
        "certificate": CERTIFICATE,
        "key": KEY,
        "accounts": ACCOUNTS,
        "client": CLIENT,
        "elsewhere_client": ELSEWHERE,
        "packages": list(PACKAGES),
        "server": ["/usr/sbin/mariadbd"],
        "start": ["systemctl", "start", "--no-block", "mariadb.service"],
        "kill": ["systemctl", "kill", "--signal=KILL", "mariadb.service"],
        "socket": "/run/mysqld/mysqld.sock",
        "data": "/var/lib/mysql",
        "state": "/var/lib/galera",
        "run": "/run/galera",
        "metrics": METRICS,
        "room_mib": 64,
        # A load balancer's checks until it believes that a member goes; then its clients' time to go.
        "notice_seconds": 5,
        "leave_seconds": 15,
        "pause": 2,
        # An application that was not reached by the `up` which drew a password anew is reached by the next.
        "grace_seconds": 3600,
        # Nor is one whose account opened in clear, in an earlier release, shut out before it knows of TLS.
        "clear_seconds": 86400,
    }


def _certificate_files(group: str) -> tuple[File, ...]:
    named = ((AUTHORITY, "authority"), (CERTIFICATE, "certificate"), (KEY, "key"))
    return tuple(
        File(path=path, content=f"@secret({name})@", owner=f"root:{group}", mode="0640") for path, name in named
    )


def elsewhere(args: GaleraClusterArgs) -> Sequence[str]:
    """The members of the other cluster, where there are two."""
    return args.replica_of.addresses if args.replica_of else args.followers


def _single(*addresses: str) -> tuple[str, ...]:
    return tuple(f"{address}/32" for address in addresses)


def _others(machine: Machine, *everyone: Machine) -> tuple[str, ...]:
    return _single(*(str(other.address) for other in everyone if other.name != machine.name))
