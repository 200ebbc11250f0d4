"""A MariaDB primary and its replica in two sites, with one address for clients."""

import ipaddress
import json
from pathlib import Path

import pulumi
import pulumi_random as random

from pulumi_casebook.core.component import Component, takes
from pulumi_casebook.core.templates import render
from pulumi_casebook.data.mysql_pair.args import MysqlPairArgs
from pulumi_casebook.edge.haproxy_tier.args import SQL_IDLE_SECONDS
from pulumi_casebook.machines.configuration import Allow, Configuration, Directory, File, Ready, Unit, program
from pulumi_casebook.machines.machine import Machine
from pulumi_casebook.machines.site import HealthCheck, Limits, Monitored, Service, alerts
from pulumi_casebook.machines.units import FIGURES, METRICS
from pulumi_casebook.network.certificate import Authority

PROGRAM = Path(__file__).with_name("programs") / "mysql_pair.py"
INSTALLED = "/usr/local/sbin/mysql-pair"
SERVER = "/etc/mysql/mariadb.conf.d/90-mysql-pair.cnf"
SETTINGS = "/etc/mysql-pair.json"
PEER_OPTIONS = "/etc/mysql-pair-peer.cnf"
SYSCTL = "/etc/sysctl.d/80-mysql-pair.conf"
UNIT = "/etc/systemd/system/mysql-pair.service"
STOP = "/etc/systemd/system/mariadb.service.d/mysql-pair.conf"
AUTHORITY, CERTIFICATE, KEY = (f"/etc/mysql/{name}" for name in ("authority.crt", "pair.crt", "pair.key"))


class MysqlPair(Component[MysqlPairArgs]):
    """MariaDB 11.8 (Debian 13) on two machines: one writes, the other replicates it (GTID, row format).

    With `two_way` both write, and each replicates the other.

    Declares two passwords, an authority and a certificate for each machine, per machine the role `mysql` (server,
    firewall, keeper; one machine after the other) and then the role `mysql-pair` (the pair is formed: the writer holds
    `address`, the replica keeps up).

    Outputs: `password`, `authority` (the certificate by which clients know the servers). Attributes, known at preview:
    `service` (the writer, wherever it is), `address`, `port`, `database`, `user`, `monitored`.
    Sources: SOF-4, ERP-4; mariadb.com/docs "Global Transaction ID"; RFC 5227.
    """

    @takes(MysqlPairArgs)
    def __init__(self, args: MysqlPairArgs) -> None:
        self.address, self.port, self.database, self.user = args.address, args.port, args.database, args.user
        self.machines, self.lease_seconds = args.machines, args.lease_seconds
        writer = {"writer": args.address}
        found = HealthCheck(
            path=None, proves="a server takes connections; its keeper holds the address only while it writes"
        )
        limits = Limits(connections=args.max_connections, idle_seconds=SQL_IDLE_SECONDS)
        self.service = Service(self, self.name, writer, args.port, found, args.allowed_cidrs, "tcp", limits=limits)
        self.monitored = Monitored(
            f"mysql-pair-{self.name}",
            args.machines,
            alerts(__file__, args.machines, name=self.name, args=args),
            figures=("casebook_mysql_writer",),
            writes="mysql-pair",
        )
        self.password, pair, authority = self._drawn("application"), self._drawn("pair"), Authority(self)
        self.authority = authority.pem
        primary = args.primary or args.machines[0].name
        first, second = sorted(args.machines, key=lambda machine: machine.name != primary)
        before: list[pulumi.Resource] = []
        for machine, peer in ((first, second), (second, first)):
            server = machine.configure(
                configuration(args, machine, peer, primary),
                role="mysql",
                secrets={
                    "application": self.password,
                    "pair": pair,
                    **authority.certificate(self, machine.name, [str(machine.address), args.address]),
                },
                opts=self.child(depends_on=before),
            )
            before = [server.applied]
        # The first writer begins once it has seen a peer that is blank, so both servers come before either part.
        for machine in (first, second):
            formed = Configuration(role="mysql-pair", ready=Ready(command=f"{INSTALLED} ready --formed", seconds=3600))
            part = machine.configure(formed, role="mysql-pair", opts=self.child(depends_on=before))
            before = [part.applied]

    def _drawn(self, account: str) -> pulumi.Output[str]:
        # Letters and digits only: it stands in option files, JSON and SQL.
        return random.RandomPassword(f"{self.name}-{account}", length=32, special=False, opts=self.child()).result


def configuration(args: MysqlPairArgs, machine: Machine, peer: Machine, primary: str) -> Configuration:
    """What one machine of the pair must hold."""
    own = str(machine.address)
    values = {
        "args": args,
        "own": own,
        # Unique as the address is, and the same after a reinstallation.
        "server_id": int(ipaddress.IPv4Address(own)),
        # 1 or 2, in the order of the addresses.
        "number": 1 + (ipaddress.IPv4Address(own) > ipaddress.IPv4Address(str(peer.address))),
        "peer": peer.address,
        "authority": AUTHORITY,
        "certificate": CERTIFICATE,
        "key": KEY,
    }
    server = File(path=SERVER, content=render(__file__, "server.cnf.j2", **values))
    sysctl = File(path=SYSCTL, content=render(__file__, "sysctl.conf.j2"))
    unit = File(path=UNIT, content=render(__file__, "mysql-pair.service.j2", args=args))
    stop = File(path=STOP, content=render(__file__, "mariadb.service.conf.j2"))
    pair = (
        *program(PROGRAM, INSTALLED),
        File(path=SETTINGS, content=json.dumps(settings(args, machine, peer, primary), indent=1), mode="0600"),
        File(path=PEER_OPTIONS, content=render(__file__, "peer.cnf.j2", **values), mode="0600"),
    )
    certificate = [
        File(path=path, content=f"@secret({name})@", owner="root:mysql", mode="0640")
        for path, name in ((AUTHORITY, "authority"), (CERTIFICATE, "certificate"), (KEY, "key"))
    ]
    return Configuration(
        role="mysql",
        packages=("mariadb-server",),
        directories=(FIGURES, Directory(path="/var/lib/mysql-pair", mode="0700")),
        files=(server, sysctl, unit, stop, *pair, *certificate),
        units=(
            Unit(unit="systemd-sysctl.service", oneshot=True, restart_on=(SYSCTL,)),
            Unit(
                unit="mariadb.service",
                restart_on=(SERVER, *(file.path for file in certificate)),
                check="mariadbd --user=mysql --help --verbose >/dev/null",
            ),
            Unit(unit="mysql-pair.service", restart_on=(UNIT, *(file.path for file in pair))),
        ),
        allow=(Allow(port=args.port, sources=(*args.allowed_cidrs, f"{peer.address}/32")),),
        ready=Ready(command=f"{INSTALLED} ready", seconds=120),
    )


def settings(args: MysqlPairArgs, machine: Machine, peer: Machine, primary: str) -> dict[str, object]:
    """What mysql-pair reads."""
    return {
        "name": machine.name,
        "address": machine.address,
        "peer": {"name": peer.name, "address": peer.address, "port": args.port},
        "primary": primary,
        "service_address": args.address,
        "databases": [args.database],
        "user": args.user,
        "password": "@secret(application:json)@",
        "pair_password": "@secret(pair:json)@",
        "allowed_cidrs": list(args.allowed_cidrs),
        "authority": AUTHORITY,
        "max_lag": args.max_lag,
        "lease": args.lease_seconds,
        "two_way": args.two_way,
        "pause": 3,
        # An application that was not reached by the `up` which drew a password anew is reached by the next.
        "grace_seconds": 3600,
        # Nor is one whose account opened in clear, in an earlier release, shut out before it knows of TLS.
        "clear_seconds": 86400,
        "socket": "/run/mysqld/mysqld.sock",
        "peer_options": PEER_OPTIONS,
        "state": "/var/lib/mysql-pair",
        "run": "/run/mysql-pair",
        "metrics": METRICS,
    }
