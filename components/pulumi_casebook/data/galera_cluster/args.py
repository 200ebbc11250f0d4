"""Arguments of the Galera cluster."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
from pydantic import Field, field_validator, model_validator

from pulumi_casebook.core.args import Address, Minutes, Percent, Port, Positive, SqlName, Unique
from pulumi_casebook.core.clients import Clients, Served
from pulumi_casebook.core.component import HandedOver
from pulumi_casebook.machines.machine import Machine
from pulumi_casebook.network.certificate import Authority
from pulumi_casebook.network.vrack_network import VrackNetwork

OWN_PORTS = (3307, 4444, 4567, 4568, 9200, 9201)


@dataclass(frozen=True, eq=False)
class Source(HandedOver):
    """A cluster that another one may follow: its attribute `source`. Both have one authority and the same passwords."""

    name: str
    # Its members.
    addresses: tuple[str, ...]
    # Of its servers.
    port: int
    # The application's database and account, the same in both.
    database: str
    user: str
    # What signs the machines of both.
    authority: Authority = field(repr=False)
    # Of the accounts, by name.
    passwords: Mapping[str, pulumi.Output[str]] = field(repr=False)


def check_members(members: int) -> None:
    """For a validator: a cluster can have so many, or a ValueError."""
    if not 3 <= members <= 10:
        raise ValueError(
            f"{members} members; a cluster has 3 to 10: of two, neither may be lost, and with more than ten "
            "every transaction waits for too many"
        )


def check_votes(field: str, members: int, arbitrators: int = 0, otherwise: str = "") -> None:
    """For a validator: no half of them can stop the other, or a ValueError that names the field."""
    if (votes := members + arbitrators) % 2 == 0:
        who = f"{members} members" + (f" and {arbitrators} arbitrators" if arbitrators else "")
        more = [str(number) for number in (members - 1, members + 1) if 3 <= number <= 10]
        raise ValueError(f"{field}: {who} split {votes // 2}/{votes // 2} and stop; use {', '.join(more)}{otherwise}")


class GaleraClusterArgs(Served):
    """Three to ten members that all hold all data, and an odd number of votes."""

    # The members; losing less than half of all votes stops nothing. The first begins the cluster on its first day.
    machines: Unique[Machine]
    # Votes without data (garbd), best in a third site: for an even number of members, or where two sites are equal.
    arbitrators: Unique[Machine] = ()
    # Members, arbitrators and clients take it, and nothing else.
    network: VrackNetwork
    # Who may connect and ask for a member's health: the machines of HAProxy, or of the application.
    clients: Clients = Field(min_length=1)
    # Further addresses at which clients reach the members: of HAProxy before them. The members' certificates have them,
    # for clients look whether they do.
    reached_at: Unique[Address] = ()
    # The application's database, made with the cluster.
    database: SqlName = "app"
    # The application's account: everything in its database, nothing else.
    user: SqlName = "app"
    # The cluster elsewhere that this one follows, read-only until `galera promote`: the other's `source`.
    replica_of: Source | None = None
    # Members of a cluster elsewhere that follows this one.
    followers: Unique[Address] = ()
    # Of the members.
    port: Port = 3306
    # InnoDB's cache, in MiB. A server with nothing else to do gives it two thirds of its memory.
    buffer_pool_mib: int = Field(default=128, ge=16)
    # Clients at once, for each member.
    max_connections: int = Field(default=200, ge=10, le=10000)
    # Write-sets kept for members that were away, in MiB of disk: rate of writes times the longest planned absence. Who
    # misses more than is kept copies the whole database from another member.
    gcache_mib: int = Field(default=1024, ge=16)
    # Threads that apply what other members wrote; about two a core.
    appliers: int = Field(default=4, ge=1, le=64)
    # How long the binary log is kept: for restoring to a point in time, and for a cluster elsewhere that follows.
    binlog_days: int = Field(default=7, ge=1, le=99)
    # Share of the time in which the cluster holds its writes back, in %, before somebody is told.
    flow_control_percent: Percent = 10
    # For how many minutes; also of a member that is not synced.
    degraded_minutes: Minutes = 5
    # Minutes without a member.
    missing_minutes: Minutes = 2
    # Seconds that a cluster which follows another is behind.
    replication_seconds: Positive = 60
    # For how many minutes.
    replication_minutes: Minutes = 5

    @field_validator("machines")
    @classmethod
    def _enough(cls, value: tuple[Machine, ...]) -> tuple[Machine, ...]:
        check_members(len(value))
        return value

    @model_validator(mode="after")
    def _odd_votes(self) -> "GaleraClusterArgs":
        arbitrators = "one arbitrator less" if self.arbitrators else "add an arbitrator"
        check_votes("machines", len(self.machines), len(self.arbitrators), f", or {arbitrators}")
        return self

    @model_validator(mode="after")
    def _places(self) -> "GaleraClusterArgs":
        everyone = (*self.machines, *self.arbitrators)
        names = [machine.name for machine in everyone]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"machines, arbitrators: {twice[0]} is given twice; a machine has one part in a cluster")
        network = ipaddress.IPv4Network(self.network.cidr)
        for machine in everyone:
            if machine.address is None or ipaddress.IPv4Address(machine.address) not in network:
                raise ValueError(
                    f"machines: {machine.name} has no address in {self.network.cidr}; the cluster's traffic never "
                    "crosses the public network, so give it network and address"
                )
        return self

    @model_validator(mode="after")
    def _two_sites(self) -> "GaleraClusterArgs":
        if self.replica_of is None:
            return self
        if self.followers:
            raise ValueError("followers, replica_of: a cluster that follows is not followed; a chain has no owner")
        for same in ("database", "user", "port"):
            if getattr(self, same) != (source := getattr(self.replica_of, same)):
                raise ValueError(
                    f"{same}={getattr(self, same)!r}: {self.replica_of.name}, which it follows, has {source!r}"
                )
        return self

    @model_validator(mode="after")
    def _own_names(self) -> "GaleraClusterArgs":
        if self.user in ("root", "mysql", "mariadb.sys", "sst", "health", "replica"):
            raise ValueError(f"user={self.user!r}: the server's or the cluster's own account; name another")
        if self.database in ("mysql", "sys", "information_schema", "performance_schema", "casebook_galera"):
            raise ValueError(f"database={self.database!r}: the server's or the cluster's own; name another")
        if self.port in OWN_PORTS:
            raise ValueError(f"port={self.port}: the cluster itself uses {', '.join(map(str, OWN_PORTS))}")
        return self
