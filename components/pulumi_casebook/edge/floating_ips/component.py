"""A Neutron router with one floating IP for each shared private address."""

from collections.abc import Mapping

import pulumi
import pulumi_openstack as openstack

from pulumi_casebook.core.component import Component, takes
from pulumi_casebook.core.templates import render
from pulumi_casebook.edge.floating_ips.args import FloatingIpsArgs
from pulumi_casebook.machines.configuration import Configuration, File, Unit
from pulumi_casebook.machines.machine import Machine, offered_network


class FloatingIps(Component[FloatingIpsArgs]):
    """Public addresses that stand for private ones which move between machines.

    Declares a `networking.Router` to the external network with a port at `router_address`; per address a reserved
    port that no machine ever has, and a `networking.FloatingIp` on that port, so that it follows whoever answers
    for the address; on each of `machines` the role NAME: what leaves from these addresses goes by the router.

    Outputs: `public` (name to public address). Sources: NRT-1, NRT-2, NRT-3; docs.openstack.org/neutron
    "Floating IP"; docs.ovhcloud.com "Floating IP".
    """

    @takes(FloatingIpsArgs)
    def __init__(self, args: FloatingIpsArgs) -> None:
        external = offered_network(args.external_network, args.region).result(self)
        router = openstack.networking.Router(
            self.name, name=self.name, region=args.region, external_network_id=external.id, opts=self.child()
        )
        inside = openstack.networking.RouterInterface(
            f"{self.name}-router",
            region=args.region,
            router_id=router.id,
            port_id=self._port("router", args, args.router_address).id,
            opts=self.child(),
        )
        self.public: Mapping[str, pulumi.Output[str]] = {}
        for name, address in args.addresses.items():
            floating = openstack.networking.FloatingIp(
                name,
                region=args.region,
                pool=args.external_network,
                description=f"{self.name}: {address}",
                # Of the port, not of a machine; and Neutron wants the way there first.
                port_id=self._port(name, args, address).id,
                opts=self.child(depends_on=[inside]),
            )
            self.public = {**self.public, name: floating.address}
        for machine in args.machines:
            machine.configure(configuration(args, self.name, machine), role=self.name, opts=self.child())

    def _port(self, name: str, args: FloatingIpsArgs, address: str) -> openstack.networking.Port:
        return openstack.networking.Port(
            f"{self.name}-{name}",
            name=f"{self.name}-{name}",
            region=args.region,
            network_id=args.network.network_ids[args.region],
            fixed_ips=[openstack.networking.PortFixedIpArgs(ip_address=address)],
            opts=self.child(depends_on=args.network.attached),
        )


def configuration(args: FloatingIpsArgs, name: str, machine: Machine) -> Configuration:
    """The way back of what came in by the router, beside the machine's own way out."""
    file = File(
        path=f"{machine.interface}.d/{name}.conf",
        content=render(__file__, "way-back.conf.j2", addresses=args.addresses.values(), router=args.router_address),
    )
    return Configuration(
        role=name,
        files=(file,),
        units=(
            Unit(
                unit="systemd-networkd.service",
                reload_on=(file.path,),
            ),
        ),
    )
