"""Machines that the customer already rents: dedicated servers and VPS. Nothing here orders anything."""

from collections.abc import Sequence

import pulumi
import pulumi_command as command
import pulumi_ovh as ovh
from pulumi_ovh.outputs import GetServerVniResult

from pulumi_casebook.core.addresses import ipv4
from pulumi_casebook.core.args import InputError
from pulumi_casebook.core.component import takes
from pulumi_casebook.core.local_programs import own_program
from pulumi_casebook.core.lookup import LookUp
from pulumi_casebook.machines.configuration import File
from pulumi_casebook.machines.machine.args import DedicatedServerArgs, VpsArgs
from pulumi_casebook.machines.machine.base import Machine, vrack_files


def rented_server(service_name: str) -> LookUp[ovh.GetServerResult]:
    """The account's dedicated server of this name."""
    return LookUp(
        "dedicated server",
        service_name,
        "ovh:index/getServer:getServer",
        {"serviceName": service_name},
        ovh.GetServerResult,
    )


def rented_vps(service_name: str) -> LookUp[ovh.vps.GetVpsResult]:
    """The account's VPS of this name."""
    return LookUp("VPS", service_name, "ovh:Vps/getVps:getVps", {"serviceName": service_name}, ovh.vps.GetVpsResult)


def vrack_interface(service_name: str, interfaces: Sequence[GetServerVniResult]) -> GetServerVniResult:
    """The server's interface that joins the vRack: of several always the same, however they are listed.

    InputError if none is enabled, or if it is of two network cards at once: such a server wants a bond.
    """
    enabled = [one for one in interfaces if one.mode == "vrack" and one.enabled]
    if not enabled:
        raise InputError(f"dedicated server {service_name!r}: no vRack interface is enabled on it")
    found = min(enabled, key=lambda one: one.uuid)
    if len(found.nics) != 1:
        raise InputError(
            f"dedicated server {service_name!r}: its vRack interface {found.uuid} has {len(found.nics)} network cards; "
            "one is configured here: take the link aggregation off, or ask for one interface without it"
        )
    return found


class DedicatedServer(Machine):
    """A dedicated server, adopted by service name and, where `install` asks for it, installed once.

    Declares `Vrack.DedicatedServerInterface` (with a network), `Dedicated.ServerReinstallTask` (with `install`;
    later changes never install again) and the base role. With a `gateway` the public interface only answers: what the
    server begins itself leaves by the private network. Source: SOF-1; api.ovh.com /dedicated/server.
    """

    kind = "dedicated server"

    @takes(DedicatedServerArgs)
    def __init__(self, args: DedicatedServerArgs) -> None:
        found = rented_server(args.service_name).result(self)
        self.adopted, self.address, self.site = True, args.address, found.datacenter
        self.network = args.network
        self.public_ip = found.ip
        self.public_address = pulumi.Output.from_input(self.public_ip)
        self.service_name = args.service_name
        self.incarnation = pulumi.Output.from_input(args.service_name)
        after: list[pulumi.Resource] = []
        files: tuple[File, ...] = ()
        if args.install:
            install = ovh.dedicated.ServerReinstallTask(
                f"{self.name}-install",
                service_name=args.service_name,
                os=args.install,
                customizations=ovh.dedicated.ServerReinstallTaskCustomizationsArgs(
                    hostname=self.name, ssh_key=args.ssh_key.public
                ),
                # An edit must never wipe a server: `pulumi up --replace` says so on purpose.
                opts=self.child(ignore_changes=["os", "customizations"]),
            )
            self.incarnation = install.id
            after.append(install)
        if args.network and args.address:
            interface = vrack_interface(args.service_name, found.vnis)
            after.append(
                ovh.vrack.DedicatedServerInterface(
                    f"{self.name}-vrack",
                    service_name=args.network.vrack,
                    interface_id=interface.uuid,
                    opts=self.child(delete_before_replace=True),
                )
            )
            files = vrack_files(args.network, args.address, interface.nics[0], found.ip, args.gateway)
            # The last of them has the address.
            self.interface = files[-1].path
        inside = args.network.cidr if args.network and args.gateway else None
        self._prepare(args, after, files, via=args.via, resolvers=args.resolvers, inside=inside)


class Vps(Machine):
    """A VPS, adopted by service name; its user `debian` must know the operator's key.

    The provider cannot put a key on a VPS without ordering it (its create loses the resource, pulumi-ovh#306):
    reinstall it with the key from the manager, once. Declares the base role and, with `automatic_backup`, a local
    `Command` that proves that option. Sources: SOF-7, GIR-5; api.ovh.com /vps.
    """

    kind = "vps"

    @takes(VpsArgs)
    def __init__(self, args: VpsArgs) -> None:
        found = rented_vps(args.service_name).result(self)
        self.adopted, self.address, self.site = True, None, found.datacenter["name"]
        self.public_ip = ipv4(found.ips, f"VPS {args.service_name!r}")
        self.public_address = pulumi.Output.from_input(self.public_ip)
        self.service_name = args.service_name
        self.incarnation = pulumi.Output.from_input(args.service_name)
        after: list[pulumi.Resource] = []
        if args.automatic_backup:
            check = f"{own_program('casebook-vps-backup')} {args.service_name}"
            after.append(
                command.local.Command(f"{self.name}-backup", create=check, triggers=[check], opts=self.child())
            )
        self._prepare(args, after)
