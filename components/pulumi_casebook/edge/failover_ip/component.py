"""An additional IP of OVHcloud: configured on every machine that may hold it, routed to one of them."""

from typing import Annotated

import pulumi_ovh as ovh
from pydantic import Field, model_validator

from pulumi_casebook.core.args import Address, Label, Rented, Unique
from pulumi_casebook.core.component import Component, ComponentArgs, takes
from pulumi_casebook.core.templates import render
from pulumi_casebook.machines.configuration import Configuration, File, Ready, Unit
from pulumi_casebook.machines.machine import Machine


class FailoverIpArgs(ComponentArgs):
    """One address, and the machines that may hold it."""

    # The additional IP, which the account rents.
    ip: Annotated[Address, Rented("additional IP")]
    # The machines that may hold it, all of them adopted: OVHcloud routes an address to a service by its name.
    machines: Unique[Machine] = Field(min_length=1)
    # The machine that holds it first; None: the first. Afterwards it is where it was last moved.
    holder: Label | None = None

    @model_validator(mode="after")
    def _holders(self) -> "FailoverIpArgs":
        names = [machine.name for machine in self.machines]
        if self.holder is not None and self.holder not in names:
            raise ValueError(f"holder={self.holder!r}: not one of the machines {', '.join(names)}")
        for machine in self.machines:
            if machine.service_name is None:
                raise ValueError(
                    f"machines: {machine.name} is an instance, to which an additional IP cannot be routed by name; "
                    "use dedicated servers or VPS, or FloatingIps"
                )
        return self


class FailoverIp(Component[FailoverIpArgs]):
    """The address answers on the machine that OVHcloud routes it to; the others have it ready.

    Declares on each machine the role `failover-NAME`, which gives its loopback the address (/32), so that a move needs
    nothing of the machine; and `Ip.Move`, which routes the address once. Later moves are the Watchdog's, or yours: an
    `up` leaves the address where it is (`ignore_changes`), and so does `destroy` (`retain_on_delete`: the provider's
    deletion would park it).

    Attributes, known at preview: `ip`; `holders`, machine to OVHcloud's name of it.
    Sources: IND-2, NRT-3; api.ovh.com /ip/{ip}/move; help.ovhcloud.com "Additional IP".
    """

    @takes(FailoverIpArgs)
    def __init__(self, args: FailoverIpArgs) -> None:
        self.ip = args.ip
        self.holders = {machine.name: str(machine.service_name) for machine in args.machines}
        ready = [
            machine.configure(
                configuration(self.name, args.ip), role=f"failover-{self.name}", opts=self.child()
            ).applied
            for machine in args.machines
        ]
        ovh.ip.Move(
            self.name,
            ip=args.ip,
            routed_to={"service_name": self.holders[args.holder or args.machines[0].name]},
            opts=self.child(depends_on=ready, ignore_changes=["routedTo"], retain_on_delete=True),
        )


def configuration(name: str, ip: str) -> Configuration:
    """What a machine that may hold the address must hold."""
    unit = File(
        path=f"/etc/systemd/system/failover-{name}.service", content=render(__file__, "failover.service.j2", ip=ip)
    )
    return Configuration(
        role=f"failover-{name}",
        packages=("iproute2",),
        files=(unit,),
        units=(Unit(unit=unit.path.rpartition("/")[2], oneshot=True, restart_on=(unit.path,)),),
        ready=Ready(command=f"ip -4 -oneline address show dev lo to {ip}/32 | grep -q ."),
    )
