"""What every machine has: SSH from the administrators, a firewall, its place in the vRack."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import pulumi
import pulumi_command as command

from pulumi_casebook.core.args import InputError
from pulumi_casebook.core.component import Component
from pulumi_casebook.core.ssh import connection
from pulumi_casebook.core.templates import render
from pulumi_casebook.machines.configuration import (
    Allow,
    ApplyProgram,
    Configuration,
    Configured,
    Directory,
    File,
    Unit,
)
from pulumi_casebook.machines.configuration.bundle import FIREWALL, RULESET, firewall_unit
from pulumi_casebook.network.vrack_network import VrackNetwork

if TYPE_CHECKING:
    from pulumi_casebook.machines.machine.args import MachineArgs
    from pulumi_casebook.machines.machine.security_group import SecurityGroup

RESOLVERS = "resolvers.service"
SYSCTL = "/etc/sysctl.d/70-casebook.conf"


class Machine(Component[Any]):
    """A machine that takes configurations: `DedicatedServer`, `Vps` or an `Instance` of an `InstanceGroup`.

    Attributes: `public_address`, by IPv4 (the private one of a machine that has no other); `public_ipv6`, an output
    ("" without one), of instances; `public_ip`, the public address where it is known beforehand, and `service_name`,
    OVHcloud's name (both of adopted machines); `network`, the private one, and `address`, the planned one there (None
    without); `shared_addresses`, those that may move to it (None: any, for a vRack filters nothing); `site`, its
    datacentre or region; `adopted`, whether it outlives the stack; `interface`, systemd-networkd's file of its private
    interface, where the component writes it; `location`, all of it that an operator asks for, to be exported:
    addresses, site, the bastion that SSH jumps `via`, `kind` and `service`, its name or id at the provider, to switch
    it off and on there.
    """

    kind: ClassVar[str]

    public_address: pulumi.Output[str]
    public_ipv6: pulumi.Output[str] | None = None
    public_ip: str | None = None
    service_name: str | None = None
    network: VrackNetwork | None = None
    address: str | None
    shared_addresses: Sequence[str] | None = None
    site: str
    adopted: bool
    interface: str | None = None
    # What the platform has before the machine's own firewall, on the side where `public_address` is.
    security_group: "SecurityGroup | None" = None
    incarnation: pulumi.Output[str]
    prepared: pulumi.Resource
    connection: command.remote.ConnectionArgs
    location: dict[str, Any]
    # What its roles let in, as far as they have been given.
    openings: list[Allow]

    @property
    def source_cidrs(self) -> tuple[str, ...]:
        """From where it is a client of others: its private address, or the public one where it has no other."""
        address = self.address or self.public_ip
        return (f"{address}/32",) if address else ()

    def configure(
        self,
        configuration: Configuration | pulumi.Output[Configuration],
        *,
        role: str,
        secrets: dict[str, pulumi.Input[str]] | None = None,
        allow: Sequence[Allow] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> Configured:
        """Give the machine one more role. Roles of one machine do not know each other.

        allow  what a configuration that is still to come will let in
        """
        if isinstance(configuration, Configuration):
            allow = configuration.allow
        else:
            configuration = configuration.apply(lambda come: _as_told(self.name, come, allow))
        self.openings.extend(allow)
        return Configured(f"{self.name}-{role}", self, role, configuration, secrets, opts)

    def _prepare(
        self,
        args: "MachineArgs",
        after: list[pulumi.Resource],
        files: tuple[File, ...] = (),
        *,
        via: "Machine | None" = None,
        bastion: pulumi.Input[str] | None = None,
        resolvers: Sequence[str] = (),
        inside: str | None = None,
    ) -> None:
        """The apply program, then the base role; other roles come after both.

        `via` may reach SSH at the private address; `bastion` is where `pulumi up` itself has to jump;
        all that begins here must leave by the network `inside`.
        """
        self.connection = connection(self.public_address, args.ssh_key, bastion)
        self.location = {
            "public": self.public_address,
            "private": self.address,
            "site": self.site,
            "via": bastion,
            "kind": self.kind,
            "service": self.service_name or self.incarnation,
        }
        program = ApplyProgram(self, self.child(depends_on=after))
        self.prepared = program.installed
        allow = entrances(args, (f"{via.address}/32",) if via else ())
        self.openings = list(allow)
        configuration = base(args, allow, files, resolvers=resolvers, inside=inside)
        self.prepared = self.configure(configuration, role="base", opts=self.child()).applied


def _as_told(machine: str, come: Configuration, allow: Sequence[Allow]) -> Configuration:
    """The configuration, if it lets in what was told of it: the exposure of a machine is known before its roles are."""
    if tuple(come.allow) != tuple(allow):
        raise InputError(f"Machine {machine!r}: role {come.role} lets in {come.allow}, and was said to let in {allow}")
    return come


def entrances(args: "MachineArgs", ssh_from: Sequence[str] = ()) -> tuple[Allow, ...]:
    """What is open whatever the machine does: SSH to administrators and by `ssh_from`, the bastion, and `allow`."""
    return (Allow(port=22, sources=tuple(dict.fromkeys((*args.admin_cidrs, *ssh_from)))), *args.allow)


def base(
    args: "MachineArgs",
    allow: Sequence[Allow],
    files: tuple[File, ...] = (),
    *,
    resolvers: Sequence[str] = (),
    inside: str | None = None,
) -> Configuration:
    """The base role: firewall, kernel limits, SSH by key only, name servers, what `files` says of the network.

    inside  the private network that all it begins must leave by, though it has a public address
    """
    firewall = File(
        path=RULESET,
        content=render(
            __file__, "nftables.conf.j2", admin_cidrs=args.admin_cidrs, allow=allow, inside=inside, ipv6=args.ipv6
        ),
        mode="0755",
    )
    sysctl = File(path=SYSCTL, content=render(__file__, "sysctl.conf.j2"))
    # At boot the kernel would else learn of connection tracking's limits before it has connection tracking.
    modules = File(path="/etc/modules-load.d/casebook.conf", content="nf_conntrack\n")
    sshd = File(
        path="/etc/ssh/sshd_config.d/10-casebook.conf",
        content="PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin no\n",
    )
    network = Unit(
        unit="systemd-networkd.service",
        reload_on=tuple(file.path for file in files),
    )
    names = resolver_files(resolvers)
    return Configuration(
        role="base",
        packages=("nftables",),
        directories=(Directory(path=FIREWALL),),
        files=(firewall, sysctl, modules, sshd, *files, *names),
        units=(
            firewall_unit(firewall.path),
            Unit(unit="systemd-sysctl.service", oneshot=True, restart_on=(SYSCTL,)),
            Unit(unit="ssh.service", reload_on=(sshd.path,), check="sshd -t"),
            *([network] if files else []),
            *([Unit(unit=RESOLVERS, oneshot=True, restart_on=tuple(file.path for file in names))] if names else []),
        ),
    )


def resolver_files(resolvers: Sequence[str]) -> tuple[File, ...]:
    """Name servers: told to systemd-resolved, or laid over /etc/resolv.conf whoever wrote that until taken off."""
    if not resolvers:
        return ()
    servers = "".join(f"nameserver {address}\n" for address in resolvers)
    return (
        # A second for a server that is down; questions take turns, so that both are always exercised.
        File(path="/etc/resolvers.conf", content=f"{servers}options timeout:1 attempts:3 rotate\n"),
        File(
            path="/etc/systemd/resolved.conf.d/casebook.conf",
            content=f"[Resolve]\nDNS={' '.join(resolvers)}\nFallbackDNS=\nDomains=~.\n",
        ),
        File(path=f"/etc/systemd/system/{RESOLVERS}", content=render(__file__, "resolvers.service.j2")),
    )


def vrack_files(
    network: VrackNetwork, address: str, mac: str, public_ip: str, gateway: str | None = None
) -> tuple[File, ...]:
    """systemd-networkd's files for a server's vRack interface: tagged, or untagged for VLAN 0."""
    values = {
        "vlan": network.vlan,
        "network": network.cidr,
        "address": f"{address}/{network.prefix}",
        "mac": mac,
        "public_ip": public_ip,
        "gateway": gateway,
    }
    names = ["vrack.network"] + (["vrack-vlan.netdev", "vrack-vlan.network"] if network.vlan else [])
    return tuple(
        File(path=f"/etc/systemd/network/20-{name}", content=render(__file__, f"{name}.j2", **values)) for name in names
    )
