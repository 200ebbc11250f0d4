"""Public Cloud instances, in groups that the platform keeps on different hosts."""

from collections.abc import Iterator
from typing import Any

import pulumi
import pulumi_openstack as openstack
from pydantic import model_validator

from pulumi_casebook.core.addresses import ipv4, ipv6
from pulumi_casebook.core.args import Address, ProviderName
from pulumi_casebook.core.component import Claim, Component, takes
from pulumi_casebook.core.lookup import LookUp
from pulumi_casebook.core.templates import render
from pulumi_casebook.machines.configuration import File
from pulumi_casebook.machines.machine.args import InstanceGroupArgs
from pulumi_casebook.machines.machine.base import Machine
from pulumi_casebook.machines.machine.security_group import SecurityGroup


class InstanceArgs(InstanceGroupArgs):
    """One instance of a group, with what the group has made for all."""

    address: Address
    image_id: ProviderName
    external_id: ProviderName | None
    server_group: pulumi.Output[str]
    public_security_group: SecurityGroup | None
    private_security_group: SecurityGroup

    def claims(self, name: str) -> Iterator[Claim]:  # noqa: ARG002
        """Its group has claimed it."""
        return iter(())

    @model_validator(mode="after")
    def _own_address(self) -> "InstanceArgs":
        self.check_address("address", self.address, self.network)
        return self


class Instance(Machine):
    """One Public Cloud instance with a private port and, unless `public` is False, a public one.

    `user_data` holds the key of the user and, without a public port, the way out: nothing that ever changes, for its
    change would destroy the instance.
    """

    kind = "instance"

    @takes(InstanceArgs)
    def __init__(self, args: InstanceArgs) -> None:
        ports = []
        self.security_group = args.public_security_group or args.private_security_group
        self.public_address = pulumi.Output.from_input(args.address)
        if args.public_security_group is not None:
            public = openstack.networking.Port(
                f"{self.name}-public",
                name=f"{self.name}-public",
                region=args.region,
                network_id=args.external_id,
                security_group_ids=[args.public_security_group.id],
                opts=self.child(),
            )
            ports.append(public)
            self.public_address = public.all_fixed_ips.apply(lambda listed: ipv4(listed, f"port {self.name}-public"))
            self.public_ipv6 = public.all_fixed_ips.apply(ipv6)
        ports.append(
            openstack.networking.Port(
                f"{self.name}-private",
                name=f"{self.name}-private",
                region=args.region,
                network_id=args.network.network_ids[args.region],
                fixed_ips=[openstack.networking.PortFixedIpArgs(ip_address=args.address)],
                **admission(args),
                opts=self.child(depends_on=args.network.attached),
            )
        )
        files = way_out_files(args)
        self.interface = files[0].path if files else None
        instance = openstack.compute.Instance(
            self.name,
            name=self.name,
            region=args.region,
            flavor_name=args.flavor,
            image_id=args.image_id,
            config_drive=True,
            networks=[openstack.compute.InstanceNetworkArgs(port=port.id) for port in ports],
            scheduler_hints=[openstack.compute.InstanceSchedulerHintArgs(group=args.server_group)],
            user_data=render(__file__, "user_data.j2", public_key=args.ssh_key.public, files=files),
            # A newer image or another key must not destroy a machine that serves.
            opts=self.child(ignore_changes=["image_id", "user_data"], delete_before_replace=True),
        )
        self.adopted, self.address, self.site = False, args.address, args.region
        self.network = args.network
        self.shared_addresses = None if args.ip_forwarding else args.shared_addresses
        self.incarnation = instance.id
        bastion = args.via.public_address if args.via and not args.public else None
        self._prepare(args, [instance], files, via=args.via, bastion=bastion, resolvers=args.resolvers)


def admission(args: InstanceArgs) -> dict[str, Any]:
    """What a private port lets through."""
    if args.ip_forwarding:
        # Packets of anybody for anybody: no list of addresses says that, and a pair of /0 would open every rule that
        # names this port's group. Neutron then takes no security group.
        return {"port_security_enabled": False, "no_security_groups": True}
    pairs = [openstack.networking.PortAllowedAddressPairArgs(ip_address=address) for address in args.shared_addresses]
    return {"security_group_ids": [args.private_security_group.id], "allowed_address_pairs": pairs or None}


def way_out_files(args: InstanceArgs) -> tuple[File, ...]:
    """The private interface of an instance that has no other: first by cloud-init, for packages come through it."""
    if args.public:
        return ()
    values = {"address": f"{args.address}/{args.network.prefix}", "gateway": args.gateway}
    return (
        File(path="/etc/systemd/network/05-private.network", content=render(__file__, "private.network.j2", **values)),
    )


def offered_image(name: str, region: str) -> LookUp[openstack.images.GetImageResult]:
    """The newest image of this name in a region."""
    return LookUp(
        f"{region}'s image",
        name,
        "openstack:images/getImage:getImage",
        {"name": name, "region": region, "mostRecent": True},
        openstack.images.GetImageResult,
        hint=f"check image: what {region} offers is listed by `openstack image list`",
    )


def offered_network(name: str, region: str) -> LookUp[openstack.networking.GetNetworkResult]:
    """The network of public addresses in a region."""
    return LookUp(
        f"{region}'s external network",
        name,
        "openstack:networking/getNetwork:getNetwork",
        {"name": name, "region": region},
        openstack.networking.GetNetworkResult,
        hint="check external_network: on OVHcloud it is Ext-Net",
    )


class InstanceGroup(Component[InstanceGroupArgs]):
    """Instances of one kind, kept on different hosts, each by name at its planned address.

    Declares a `compute.ServerGroup`, two security groups (public: administrators and `allow`; private: the
    network's own addresses) and per instance two ports, the instance and its base role; with `public=False` neither
    the public group nor the public ports.

    Outputs: `machines`, in the order of `addresses`. Sources: SOF-1, SOF-6, NRT-1.
    """

    @takes(InstanceGroupArgs)
    def __init__(self, args: InstanceGroupArgs) -> None:
        if args.public:
            offered_network(args.external_network, args.region).begin(self)
        image = offered_image(args.image, args.region).result(self)
        group = openstack.compute.ServerGroup(
            self.name, name=self.name, region=args.region, policies=args.policy, opts=self.child()
        )
        private = SecurityGroup(self, "private", args.region)
        private.rule("network", args.network.cidr)
        public = self._public(args) if args.public else None
        external_id = offered_network(args.external_network, args.region).result(self).id if args.public else None
        for allow in args.allow:
            (public or private).admit(allow)
        shared = dict(args) | {"opts": None}
        self.machines = [
            Instance.of(
                name,
                InstanceArgs(
                    **shared,
                    address=address,
                    image_id=image.id,
                    external_id=external_id,
                    server_group=group.id,
                    public_security_group=public,
                    private_security_group=private,
                ),
            )
            for name, address in args.addresses.items()
        ]

    def _public(self, args: InstanceGroupArgs) -> SecurityGroup:
        """Who reaches the public ports."""
        public = SecurityGroup(self, "public", args.region, args.ipv6)
        for source in args.admin_cidrs:
            public.rule(f"ssh-{source}", source, 22, "tcp")
        return public
