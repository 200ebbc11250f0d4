"""Arguments of the MariaDB pair."""

import ipaddress
import re
from collections.abc import Iterator

from pydantic import Field, model_validator

from pulumi_casebook.core.args import Address, Label, Minutes, Port, Positive, SqlName, Unique, check_host
from pulumi_casebook.core.clients import Clients, Served
from pulumi_casebook.core.component import Claim
from pulumi_casebook.machines.machine import Instance, Machine
from pulumi_casebook.network.vrack_network import VrackNetwork


class MysqlPairArgs(Served):
    """Two machines, one of which writes."""

    # Two machines in two sites: what takes one site away leaves the other a copy.
    machines: Unique[Machine]
    # Replication and clients take it, and nothing else.
    network: VrackNetwork
    # The service address, planned in the network: whichever machine writes holds it.
    address: Address
    # Who may connect: the application's machines.
    clients: Clients = Field(min_length=1)
    # False: one machine writes. True: clients may write on either, by its own address, and each replicates the other.
    # Nothing then keeps two clients from writing contradictions, at which replication stops; see "Two-way form".
    two_way: bool = False
    # The machine that starts as the writer; None: the first. Once the pair exists its own data says who writes.
    primary: Label | None = None
    # The application's database, made with the pair.
    database: SqlName = "app"
    # The application's account: everything in its database, nothing else.
    user: SqlName = "app"
    # Of the servers and of the service address.
    port: Port = 3306
    # Two machines in one site share its power and its network; True where that is wanted.
    same_site: bool = False
    # InnoDB's cache, in MiB. A server with nothing else to do gives it two thirds of its memory.
    buffer_pool_mib: int = Field(default=128, ge=16)
    # Clients at once.
    max_connections: int = Field(default=200, ge=10, le=10000)
    # How long the binary log is kept: how long a replica may be away without being made anew.
    binlog_days: int = Field(default=7, ge=1, le=99)
    # A replica further behind, in seconds, is not ready.
    max_lag: int = Field(default=30, ge=1)
    # Seconds that a replica is behind, for so many minutes, before somebody is told.
    replication_seconds: Positive = 60
    # For how many minutes.
    replication_minutes: Minutes = 5
    # With a Watchdog: a writer that has neither seen its peer nor been seen by the watchdog for so many seconds stops
    # writing, so that the other can be promoted without asking it. None: it goes on, and promotion is by hand.
    lease_seconds: int | None = Field(default=None, ge=10, le=600)

    def claims(self, name: str) -> Iterator[Claim]:  # noqa: ARG002
        yield self.network.claim("address", self.address)

    @model_validator(mode="after")
    def _a_pair(self) -> "MysqlPairArgs":
        names = [machine.name for machine in self.machines]
        if len(set(names)) != 2:
            raise ValueError(f"machines={names}: a pair is two machines; more of them is a GaleraCluster")
        if self.primary is not None and self.primary not in names:
            raise ValueError(f"primary={self.primary!r}: not one of the machines {', '.join(names)}")
        sites = {_site(machine.site) for machine in self.machines}
        if len(sites) == 1 and not self.same_site:
            raise ValueError(
                f"machines: {' and '.join(names)} are both in {sites.pop()}; what takes that site away takes both. "
                "Choose another machine, or say same_site=True"
            )
        if self.two_way and self.lease_seconds is not None:
            raise ValueError("lease_seconds: of a single writer, which a Watchdog replaces; with two_way both write")
        if self.user in ("root", "pair", "mysql", "mariadb.sys"):
            raise ValueError(f"user={self.user!r}: the server's or the pair's own account; name another")
        if self.database in ("mysql", "sys", "information_schema", "performance_schema", "casebook_pair"):
            raise ValueError(f"database={self.database!r}: the server's or the pair's own; name another")
        return self

    @model_validator(mode="after")
    def _addresses(self) -> "MysqlPairArgs":
        network = ipaddress.IPv4Network(self.network.cidr)
        for machine in self.machines:
            if isinstance(machine, Instance):
                raise ValueError(
                    f"machines: {machine.name} is an instance; Neutron drops packets of an address that its port does "
                    "not have, so the service address could not move to it. Use dedicated servers"
                )
            if machine.address is None or ipaddress.IPv4Address(machine.address) not in network:
                raise ValueError(
                    f"machines: {machine.name} has no address in {self.network.cidr}; replication never "
                    "crosses the public network, so give it network and address"
                )
            if machine.address == self.address:
                raise ValueError(f"address={self.address}: {machine.name}'s own; plan one that no machine has")
        check_host("address", self.address, self.network.cidr)
        return self


def _site(name: str) -> str:
    """The place of a datacentre or region: rbx7 and RBX-A are both Roubaix."""
    found = re.fullmatch(r"([a-z]{3})(\d*|-[a-z])", name.lower())
    return found[1] if found else name.lower()
