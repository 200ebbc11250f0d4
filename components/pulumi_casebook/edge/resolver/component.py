"""Unbound on two machines: names are asked for once, near by."""

import ipaddress

import pulumi

from pulumi_casebook.core.component import Component, takes
from pulumi_casebook.core.templates import render
from pulumi_casebook.edge.resolver.args import ResolverArgs
from pulumi_casebook.machines.configuration import Allow, Configuration, File, Ready, Unit
from pulumi_casebook.machines.machine import Machine
from pulumi_casebook.machines.site import NameServers

# The root's key is laid down by what the unit runs first, and the checker misses it before.
CHECK = "/usr/libexec/unbound-helper root_trust_anchor_update; unbound-checkconf"
CONFIGURATION = "/etc/unbound/unbound.conf.d/resolver.conf"


class Resolver(Component[ResolverArgs]):
    """Caching name servers (Unbound), with the names of the private network's machines.

    Declares the role `resolver` on each machine, one after the other.

    Attributes, known at preview: `addresses`, what machines take as `resolvers`. Sources: NRT-9; unbound.conf(5).
    """

    @takes(ResolverArgs)
    def __init__(self, args: ResolverArgs) -> None:
        self.name_servers = NameServers(self, tuple(str(machine.address) for machine in args.machines))
        before: list[pulumi.Resource] = []
        for machine in args.machines:
            role = machine.configure(configuration(args, machine), role="resolver", opts=self.child(depends_on=before))
            before = [role.applied]


def configuration(args: ResolverArgs, machine: Machine) -> Configuration:
    """What one name server must hold."""
    file = File(path=CONFIGURATION, content=render(__file__, "resolver.conf.j2", args=args, machine=machine, arpa=arpa))
    return Configuration(
        role="resolver",
        packages=("unbound", "dns-root-data"),
        files=(file,),
        units=(Unit(unit="unbound.service", restart_on=(file.path,), check=CHECK),),
        allow=tuple(Allow(port=53, protocol=protocol, sources=args.allowed_cidrs) for protocol in ("udp", "tcp")),
        ready=Ready(command="unbound-control -q status"),
    )


def arpa(address: str) -> str:
    return ipaddress.IPv4Address(address).reverse_pointer
