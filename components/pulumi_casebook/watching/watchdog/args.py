"""Arguments of the watchdog."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, model_validator

from pulumi_casebook.core.args import Address, Label, Unique, Url
from pulumi_casebook.core.component import ComponentArgs
from pulumi_casebook.data.mysql_pair import MysqlPair
from pulumi_casebook.edge.failover_ip import FailoverIp
from pulumi_casebook.edge.load_balancer_ip import LoadBalancerIp
from pulumi_casebook.machines.machine import Machine

Weight = Annotated[int, Field(ge=1, le=256)]


class WatchdogArgs(ComponentArgs):
    """One machine that watches, and the pair that it guards."""

    # Where it runs: a machine in neither of the pair's sites, adopted, so that the pair's firewalls know its address.
    machine: Machine
    # The pair whose replica it promotes; it needs `lease_seconds`.
    database: MysqlPair
    # The balancer in front of both machines, declared with `externally_managed=True`.
    load_balancer: LoadBalancerIp | None = None
    # Machine of the pair -> the balancer's server that goes with it; where none is given, its own address.
    fronts: Mapping[Label, Address] = Field(default_factory=dict)
    # Shares of the balancer's traffic: of the machine that writes (or its front), and of the other.
    weights: tuple[Weight, Weight] = (60, 40)
    # Additional IPs that follow the machine that writes; that machine is among their holders.
    addresses: Unique[FailoverIp] = ()
    # How many looks in a row, without an answer from the writer, make an incident.
    failure_threshold: int = Field(default=4, ge=2, le=100)
    # Seconds between two looks.
    interval: int = Field(default=5, ge=1, le=60)
    # Where alerts go: an Alertmanager, such as Monitoring's on the same machine; None: to the journal alone.
    alertmanager: Url | None = None

    @model_validator(mode="after")
    def _third(self) -> "WatchdogArgs":
        if self.database.lease_seconds is None:
            raise ValueError(
                f"database: {self.database.name} has no lease_seconds, so its writer would go on when nobody sees it, "
                "and a promotion would make two writers; give it lease_seconds"
            )
        names = [machine.name for machine in self.database.machines]
        if self.machine.name in names:
            raise ValueError(f"machine: {self.machine.name} is one of the pair; what takes it takes its watchdog")
        if unknown := sorted(self.fronts.keys() - set(names)):
            raise ValueError(f"fronts.{unknown[0]}: no machine of the pair; there are {', '.join(names)}")
        for address in self.addresses:
            if missing := sorted(set(names) - address.holders.keys()):
                raise ValueError(f"addresses: {address.name} has no place on {missing[0]}; add it to its machines")
        if self.machine.public_ip is None or any(machine.public_ip is None for machine in self.database.machines):
            raise ValueError("machine: the watchdog and the pair meet on public addresses that are known beforehand")
        if self.load_balancer and not self.load_balancer.externally_managed:
            raise ValueError(
                f"load_balancer: {self.load_balancer.name} is not declared with externally_managed=True, so the next "
                "`up` would put its weights back"
            )
        return self

    @property
    def acts(self) -> bool:
        """Whether there is anything to do through OVHcloud's API."""
        return self.load_balancer is not None or bool(self.addresses)

    @property
    def machines(self) -> Unique[Machine]:
        return self.database.machines
