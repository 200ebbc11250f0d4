"""What every machine has: SSH from the administrators, a firewall, its place in the vRack."""

from typing import Any

import pulumi
import pulumi_command as command

from casebook.component import Component
from casebook.configuration import Allow, ApplyProgram, Configuration, Configured, Directory, File, Service
from casebook.configuration.bundle import FIREWALL
from casebook.machine.args import MachineArgs
from casebook.ssh import connection
from casebook.templates import render
from casebook.vrack_network import VrackNetwork


class Machine(Component[Any]):
    """A machine that takes configurations: `DedicatedServer`, `Vps` or an `Instance` of an `InstanceGroup`.

    Attributes: `public_address`; `public_ip`, the same where it is known beforehand (adopted machines); `address`,
    the planned private one (None without a network); `site`, its datacentre or region; `adopted`, whether it
    outlives the stack.
    """

    public_address: pulumi.Output[str]
    public_ip: str | None = None
    address: str | None
    site: str
    adopted: bool
    incarnation: pulumi.Output[str]
    prepared: pulumi.Resource
    connection: command.remote.ConnectionArgs

    def configure(
        self,
        configuration: Configuration | pulumi.Output[Configuration],
        *,
        role: str,
        secrets: dict[str, pulumi.Input[str]] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> Configured:
        """Give the machine one more role. Roles of one machine do not know each other."""
        return Configured(f"{self.name}-{role}", self, role, configuration, secrets, opts)

    def _prepare(self, args: MachineArgs, after: list[pulumi.Resource], files: tuple[File, ...] = ()) -> None:
        """The apply program, then the base role; other roles come after both."""
        self.connection = connection(self.public_address, args.ssh_key)
        program = ApplyProgram(self, self.child(depends_on=after))
        self.prepared = program.installed
        self.prepared = self.configure(base(args, files), role="base", opts=self.child()).applied


def base(args: MachineArgs, files: tuple[File, ...] = ()) -> Configuration:
    """The base role: firewall, SSH by key only, and what `files` says of the network."""
    ssh = Allow(port=22, sources=args.admin_cidrs)
    firewall = File(
        path="/etc/nftables.conf",
        content=render(__file__, "nftables.conf.j2", admin_cidrs=args.admin_cidrs, allow=(ssh, *args.allow)),
        mode="0755",
    )
    sshd = File(
        path="/etc/ssh/sshd_config.d/10-casebook.conf",
        content="PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin no\n",
    )
    network = Service(unit="systemd-networkd.service", follows=tuple(file.path for file in files), change="reload")
    return Configuration(
        role="base",
        packages=("nftables",),
        directories=(Directory(path=FIREWALL),),
        files=(firewall, sshd, *files),
        services=(
            Service(
                unit="nftables.service",
                follows=(firewall.path,),
                change="reload",
                check=f"nft -c -f {firewall.path}",
            ),
            Service(unit="ssh.service", follows=(sshd.path,), change="reload", check="sshd -t"),
            *([network] if files else []),
        ),
    )


def vrack_files(network: VrackNetwork, address: str, mac: str) -> tuple[File, ...]:
    """systemd-networkd's files for a server's vRack interface: tagged, or untagged for VLAN 0."""
    values = {"vlan": network.vlan, "address": f"{address}/{network.prefix}", "mac": mac}
    names = ["vrack.network"] + (["vrack-vlan.netdev", "vrack-vlan.network"] if network.vlan else [])
    return tuple(
        File(path=f"/etc/systemd/network/20-{name}", content=render(__file__, f"{name}.j2", **values)) for name in names
    )
