"""A partition of a NAS-HA, mounted by machines that share its files."""

from collections.abc import Iterator
from typing import Annotated, Literal

import pulumi_ovh as ovh
from pydantic import Field, model_validator

from pulumi_casebook.core.args import Folder, Label, NasName, Owner, Unique, form
from pulumi_casebook.core.component import Claim, Component, ComponentArgs, takes
from pulumi_casebook.core.lookup import LookUp
from pulumi_casebook.core.templates import render
from pulumi_casebook.machines.configuration import Configuration, File, Ready, Unit
from pulumi_casebook.machines.configuration.bundle import FIREWALL, firewall_unit
from pulumi_casebook.machines.machine import Machine
from pulumi_casebook.machines.site import Mount
from pulumi_casebook.machines.units import UNITS

# As OVHcloud's guide mounts it, and: what waits goes on waiting (hard), rather than losing what was written; nothing on
# it is a device or gives rights; locks are each machine's own, for the NAS could not reach back through a firewall.
OPTIONS = "vers=3,proto=tcp,mountproto=tcp,hard,timeo=100,noatime,nodev,nosuid,nolock,_netdev"

Partition = Annotated[
    str,
    form(r"[A-Za-z][A-Za-z0-9_-]{0,29}", "a partition's name: letters, digits, _ and -, a letter first, 30 at most"),
]
# Its unit is named after it, where systemd would write a dash otherwise.
Mountpoint = Annotated[Folder, form(r"(/[A-Za-z0-9_.]+)+", "an absolute path of letters, digits, _ and dots")]


class NasArgs(ComponentArgs):
    # OVHcloud's name of the NAS-HA, which the account rents.
    service_name: NasName
    # The partition's name there.
    partition: Partition
    # Its size; it can grow, and shrink no further than to what it holds.
    size_gb: int = Field(ge=10)
    # Who mounts it.
    machines: Unique[Machine] = Field(min_length=1)
    # Where, on each.
    mount: Mountpoint
    # Names of the machines that may read only.
    read_only: Unique[Label] = ()
    # The gateway through which machines without public addresses reach it, whose address the NAS then sees; None: each
    # comes with its own.
    via: Machine | None = None
    # How others, which are not machines of the stack, speak to it as well.
    protocol: Literal["NFS", "NFS_CIFS"] = "NFS"
    # Kept on the NAS beside the files, in .zfs/snapshot: how often, and for how long.
    snapshots: Unique[Literal["hour-1", "hour-6", "day-1", "day-2", "day-3", "day-7"]] = ()
    # Who owns the partition's top directory.
    owner: Owner = "root:root"

    def claims(self, name: str) -> Iterator[Claim]:  # noqa: ARG002
        where = f"service_name={self.service_name}, partition={self.partition}"
        yield Claim("partition", (self.service_name, self.partition), where)

    @model_validator(mode="after")
    def _consistent(self) -> "NasArgs":
        names = [machine.name for machine in self.machines]
        if unknown := [name for name in self.read_only if name not in names]:
            raise ValueError(f"read_only={unknown[0]}: not one of the machines {', '.join(names)}")
        if self.via and (outside := [machine.name for machine in self.machines if not machine.address]):
            raise ValueError(f"machines: {outside[0]} has no private address to come from through {self.via.name}")
        if self.read_only and self.via:
            raise ValueError("read_only: behind a gateway machines are one to the NAS; all may write, or none")
        if set(names) == set(self.read_only):
            raise ValueError("read_only: somebody must write what the others read")
        return self


def rented_nas(service_name: str) -> LookUp[ovh.dedicated.GetNasHAResult]:
    """The account's NAS-HA of this name."""
    return LookUp(
        "NAS-HA",
        service_name,
        "ovh:Dedicated/getNasHA:getNasHA",
        {"serviceName": service_name},
        ovh.dedicated.GetNasHAResult,
    )


class Nas(Component[NasArgs]):
    """A partition of a NAS-HA, adopted by service name, on every machine at the same place.

    Declares `Dedicated.NasHAPartition`, an access entry a machine, snapshots, and on each
    machine the role `nas-NAME`: the mount, and a timer that mounts again what was lost. Nobody but root can write
    below the place while nothing is mounted there.

    Attributes, known at preview: `mount`; `source`, what is mounted; `mounted`, for the `uses` of applications.
    Sources: KEY-5; api.ovh.com /dedicated/nasha; nfs(5).
    """

    @takes(NasArgs)
    def __init__(self, args: NasArgs) -> None:
        found = rented_nas(args.service_name).result(self)
        self.mount, self.source = args.mount, f"{found.ip}:/{args.service_name}/{args.partition}"
        partition = ovh.dedicated.NasHAPartition(
            self.name,
            service_name=args.service_name,
            name=args.partition,
            size=args.size_gb,
            protocol=args.protocol,
            opts=self.child(),
        )
        for kind in args.snapshots:
            ovh.dedicated.NasHAPartitionSnapshot(
                f"{self.name}-{kind}",
                service_name=args.service_name,
                partition_name=partition.name,
                type=kind,
                opts=self.child(),
            )
        accesses = {
            client.name: ovh.dedicated.NasHAPartitionAccess(
                f"{self.name}-{client.name}",
                service_name=args.service_name,
                partition_name=partition.name,
                ip=client.public_address.apply(lambda address: f"{address}/32"),
                type="readonly" if client.name in args.read_only else "readwrite",
                opts=self.child(delete_before_replace=True),
            )
            for client in ([args.via] if args.via else args.machines)
        }
        if args.via:
            args.via.configure(passing(args, self.name, found.ip), role=f"nas-{self.name}-door", opts=self.child())
        self.mounted = Mount(self, args.mount, args.machines)
        for machine in args.machines:
            access = accesses[(args.via or machine).name]
            machine.configure(
                configuration(args, self.name, self.source, read_only=machine.name in args.read_only),
                role=f"nas-{self.name}",
                opts=self.child(depends_on=[access]),
            )


def passing(args: NasArgs, name: str, address: str) -> Configuration:
    """What the gateway must hold: to the NAS its address is everybody's, so it lets who mounts pass, and no other."""
    values = {"name": name.replace("-", "_"), "address": address, "machines": args.machines}
    rules = File(path=f"{FIREWALL}/nas-{name}.nft", content=render(__file__, "door.nft.j2", **values))
    return Configuration(
        role=f"nas-{name}-door",
        files=(rules,),
        units=(firewall_unit(rules.path),),
    )


def configuration(args: NasArgs, name: str, source: str, read_only: bool) -> Configuration:
    """What one machine must hold."""
    unit = args.mount.strip("/").replace("/", "-") + ".mount"
    program = f"/usr/local/sbin/nas-{name}"
    values = {
        "args": args,
        "name": name,
        "source": source,
        "unit": unit,
        "program": program,
        "read_only": read_only,
        "options": f"{OPTIONS},{'ro' if read_only else 'rw'}",
    }
    mount, check = (
        File(path=f"{UNITS}/{unit}", content=render(__file__, "mount.j2", **values)),
        File(path=program, content=render(__file__, "nas.j2", **values), mode="0755"),
    )
    again = {
        kind: File(path=f"{UNITS}/nas-{name}.{kind}", content=render(__file__, f"nas.{kind}.j2", **values))
        for kind in ("service", "timer")
    }
    return Configuration(
        role=f"nas-{name}",
        packages=("nfs-common",),
        files=(mount, check, *again.values()),
        units=(
            # First the program, which prepares the place; a role that leaves stops the mount as well.
            Unit(unit=f"nas-{name}.service", oneshot=True, restart_on=(mount.path, check.path, again["service"].path)),
            Unit(unit=unit, restart_on=(mount.path,)),
            Unit(unit=f"nas-{name}.timer", restart_on=(again["timer"].path,)),
        ),
        ready=Ready(command=f"{program} look", seconds=120),
    )
