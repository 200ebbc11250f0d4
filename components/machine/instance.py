"""Public Cloud instances, in groups that the platform keeps on different hosts."""

import pulumi
import pulumi_openstack as openstack

from casebook.args import Address
from casebook.component import Component
from casebook.lookup import looked_up
from casebook.machine.args import InstanceGroupArgs
from casebook.machine.base import Machine


class InstanceArgs(InstanceGroupArgs):
    """One instance of a group, with what the group has made for all."""

    address: Address
    image_id: str
    external_id: str
    server_group: pulumi.Output[str]
    public_security_group: pulumi.Output[str]
    private_security_group: pulumi.Output[str]


class Instance(Machine):
    """One Public Cloud instance with a public and a private port, both with addresses of their own.

    `user_data` holds the key of the user and nothing that ever changes: its change would destroy the instance.
    """

    Arguments = InstanceArgs

    def declare(self, args: InstanceArgs) -> None:
        public = openstack.networking.Port(
            f"{self.name}-public",
            name=f"{self.name}-public",
            region=args.region,
            network_id=args.external_id,
            security_group_ids=[args.public_security_group],
            opts=self.child(),
        )
        private = openstack.networking.Port(
            f"{self.name}-private",
            name=f"{self.name}-private",
            region=args.region,
            network_id=args.network.network_ids[args.region],
            fixed_ips=[openstack.networking.PortFixedIpArgs(ip_address=args.address)],
            security_group_ids=[args.private_security_group],
            opts=self.child(depends_on=args.network.attached),
        )
        instance = openstack.compute.Instance(
            self.name,
            name=self.name,
            region=args.region,
            flavor_name=args.flavor,
            image_id=args.image_id,
            config_drive=True,
            networks=[
                openstack.compute.InstanceNetworkArgs(port=public.id),
                openstack.compute.InstanceNetworkArgs(port=private.id),
            ],
            scheduler_hints=[openstack.compute.InstanceSchedulerHintArgs(group=args.server_group)],
            user_data=f"#cloud-config\nssh_authorized_keys:\n  - {args.ssh_key.public}\n",
            # A newer image or another key must not destroy a machine that serves.
            opts=self.child(ignore_changes=["image_id", "user_data"], delete_before_replace=True),
        )
        self.adopted, self.address, self.site = False, args.address, args.region
        self.public_address = public.all_fixed_ips[0]
        self.incarnation = instance.id
        self._prepare(args, [instance])


class InstanceGroup(Component[InstanceGroupArgs]):
    """Instances of one kind, kept on different hosts, each by name at its planned address.

    Declares a `compute.ServerGroup`, two security groups (public: administrators and `allow`; private: the
    network's own addresses) and per instance two ports, the instance and its base role.

    Outputs: `machines`, in the order of `addresses`. Sources: SOF-1, SOF-6, NRT-1.
    """

    Arguments = InstanceGroupArgs

    def declare(self, args: InstanceGroupArgs) -> None:
        options = pulumi.InvokeOptions(parent=self)
        image = looked_up(
            "image",
            args.image,
            lambda: openstack.images.get_image(name=args.image, region=args.region, most_recent=True, opts=options),
            hint=f"check image: what {args.region} offers is listed by `openstack image list`",
        )
        external = looked_up(
            "external network",
            args.external_network,
            lambda: openstack.networking.get_network(name=args.external_network, region=args.region, opts=options),
            hint="check external_network: on OVHcloud it is Ext-Net",
        )
        group = openstack.compute.ServerGroup(
            self.name, name=self.name, region=args.region, policies=args.policy, opts=self.child()
        )
        everyone = [("ssh", 22, "tcp", args.admin_cidrs)]
        everyone += [(f"{rule.protocol}-{rule.port}", rule.port, rule.protocol, rule.sources) for rule in args.allow]
        public = self._security_group("public", args.region)
        for what, port, protocol, sources in everyone:
            for source in sources:
                self._rule(f"public-{what}-{source}", public, args.region, source, port, protocol)
        private = self._security_group("private", args.region)
        self._rule("private-network", private, args.region, args.network.cidr)
        shared = {name: getattr(args, name) for name in InstanceGroupArgs.model_fields}
        self.machines = [
            Instance(
                name,
                args=InstanceArgs(
                    **shared,
                    address=address,
                    image_id=image.id,
                    external_id=external.id,
                    server_group=group.id,
                    public_security_group=public.id,
                    private_security_group=private.id,
                ),
                opts=self.child(),
            )
            for name, address in args.addresses.items()
        ]

    def _security_group(self, side: str, region: str) -> openstack.networking.SecGroup:
        name = f"{self.name}-{side}"
        return openstack.networking.SecGroup(name, name=name, region=region, opts=self.child())

    def _rule(
        self,
        name: str,
        group: openstack.networking.SecGroup,
        region: str,
        source: str,
        port: int | None = None,
        protocol: str | None = None,
    ) -> None:
        openstack.networking.SecGroupRule(
            f"{self.name}-{name}",
            region=region,
            direction="ingress",
            ethertype="IPv4",
            security_group_id=group.id,
            remote_ip_prefix=source,
            protocol=protocol,
            port_range_min=port,
            port_range_max=port,
            opts=self.child(),
        )
