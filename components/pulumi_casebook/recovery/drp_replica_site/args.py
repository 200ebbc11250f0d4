"""Arguments of a site that follows another."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import pulumi
from pydantic import Field, model_validator

from pulumi_casebook.core.args import Address, Args, Folder, Label, Port, Unique, User, form
from pulumi_casebook.core.component import ComponentArgs
from pulumi_casebook.data.galera_cluster import GaleraCluster
from pulumi_casebook.machines.machine import Machine, PrivateMachines
from pulumi_casebook.machines.site import Service
from pulumi_casebook.network.dns_round_robin import DnsRoundRobin

Unit = Annotated[
    str,
    form(r"[A-Za-z0-9@._-]+\.(service|socket|timer)", "a service, socket or timer of systemd, such as haproxy.service"),
]


class StandbyUnits(Args):
    """Machines on which something runs only while their site serves."""

    # What a tier hands over: its machines, which rest once it is there.
    of: Service | None = None
    # The machines, where no tier hands them over.
    machines: PrivateMachines = Field(default=(), validate_default=True)
    # What rests there otherwise. Of the fronts alone, the site is warm; of every tier, it is asleep.
    units: Unique[Unit] = Field(default=("haproxy.service",), min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _handed_over(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and isinstance(service := values.get("of"), Service):
            return {"machines": service.machines, **values}
        return values


class DrpSite(Args):
    """One of the two sites: the same architecture, in its own size."""

    # Its cluster: that of one site follows that of the other (`replica_of`, `followers`).
    database: GaleraCluster
    # What works only while the site serves; the doors through which clients come are among it.
    rests: Unique[StandbyUnits] = Field(min_length=1)
    # The machine that sees the site's files, where files are shared.
    files: Machine | None = None

    @property
    def parts(self) -> dict[str, tuple[Machine, Sequence[str]]]:
        """Machine -> what rests on it; nothing on one that has files alone."""
        found = {machine.name: (machine, rest.units) for rest in self.rests for machine in rest.machines}
        if self.files:
            found.setdefault(self.files.name, (self.files, ()))
        return found


class SharedFiles(Args):
    """Files that the site at rest copies from the one that serves."""

    # Where they are, on both sites' machine.
    path: Folder
    # Whose they are, and who copies them. Nobody else's are copied.
    owner: User = "www-data"


class DrpReplicaSiteArgs(ComponentArgs):
    """Two sites, of which one serves; the other is in step, and takes over by one command."""

    # Where the commands are given, and from where the sites' machines take orders: a machine of the second site that
    # no client reaches.
    controller: Machine
    # The site that serves from the first day.
    primary: DrpSite
    # The site that follows.
    replica: DrpSite
    # The name that clients ask for, declared with `externally_managed=True`; its records lead to the first site.
    record: DnsRoundRobin
    # Name of a record -> the second site's public address, to which it moves.
    addresses: Mapping[Label, Address | pulumi.Output[str]] = Field(min_length=1)
    # Where a public address answers while its site serves.
    port: Port = 443
    # Files that both sites hold; None: none beside the database's.
    files: SharedFiles | None = None
    # Between two looks at both sites, and between two copies of the files, in seconds.
    interval: int = Field(default=20, ge=5, le=3600)

    @model_validator(mode="after")
    def _two_sites(self) -> "DrpReplicaSiteArgs":
        first, second = self.primary.database, self.replica.database
        if second.follows != first.name:
            raise ValueError(
                f"replica.database: {second.name} does not follow {first.name}; give it replica_of={first.name}.source"
            )
        if first.name == second.name:
            raise ValueError(f"replica.database={second.name}: both clusters have this name; who writes is told by it")
        places: dict[str, str] = {}
        for site in ("primary", "replica"):
            for name in [*getattr(self, site).parts, *(m.name for m in getattr(self, site).database.machines)]:
                if other := places.get(name):
                    raise ValueError(f"{site}: {name} has a part already ({other}); a machine has one")
                places[name] = site
        if self.controller.address is None:
            raise ValueError(f"controller: {self.controller.name} has no address in the private network to come from")
        if places.get(self.controller.name) == "primary":
            raise ValueError(
                f"controller: {self.controller.name} is of the first site; what takes that takes its commands"
            )
        return self

    @model_validator(mode="after")
    def _files(self) -> "DrpReplicaSiteArgs":
        for site in ("primary", "replica"):
            if (getattr(self, site).files is None) != (self.files is None):
                raise ValueError(f"{site}.files: each site has a machine for files, or files is None and neither has")
        return self

    @model_validator(mode="after")
    def _record(self) -> "DrpReplicaSiteArgs":
        if not self.record.externally_managed:
            raise ValueError(
                f"record: {self.record.name} is not declared with externally_managed=True: the next `up` would move it "
                "back"
            )
        if self.addresses.keys() != self.record.targets.keys():
            raise ValueError(
                f"addresses: for {', '.join(self.addresses)}; the records of {self.record.name} are "
                f"{', '.join(self.record.targets)}, and each needs its counterpart"
            )
        return self
