"""The platform's firewall before instances, for what their own cannot open."""

from typing import Any

import pulumi
import pulumi_openstack as openstack

from pulumi_casebook.core.args import WORLD
from pulumi_casebook.core.component import Component
from pulumi_casebook.machines.configuration import Allow

WORLD6 = "::/0"


class SecurityGroup:
    """Who reaches one side, public or private, of all instances of a group: whatever is not admitted is dropped."""

    def __init__(self, group: Component[Any], side: str, region: str, ipv6: bool = False) -> None:
        """ipv6: whether what is open to the world is open to it by IPv6 as well."""
        self._group, self._side, self._region, self._ipv6 = group, side, region, ipv6
        name = f"{group.name}-{side}"
        made = openstack.networking.SecGroup(name, name=name, region=region, opts=group.child())
        self.id: pulumi.Output[str] = made.id
        self._rules: dict[tuple[str, int | None, str | None], pulumi.Resource] = {}

    def admit(self, allow: Allow) -> list[pulumi.Resource]:
        """Open a port, once for all instances."""
        return [
            self.rule(f"{allow.protocol}-{allow.port}-{source}", source, allow.port, allow.protocol)
            for source in dict.fromkeys(allow.sources)
        ]

    def rule(self, name: str, source: str, port: int | None = None, protocol: str | None = None) -> pulumi.Resource:
        """Let a network in. What is let in already is no rule of its own: Neutron refuses one that is equal (409)."""
        what = (source, port, protocol)
        if what not in self._rules:
            if source == WORLD and self._ipv6:
                self.rule(f"{name}-ipv6", WORLD6, port, protocol)
            self._rules[what] = openstack.networking.SecGroupRule(
                f"{self._group.name}-{self._side}-{name}",
                region=self._region,
                direction="ingress",
                ethertype="IPv6" if source == WORLD6 else "IPv4",
                security_group_id=self.id,
                remote_ip_prefix=source,
                protocol=protocol,
                port_range_min=port,
                port_range_max=port,
                opts=self._group.child(),
            )
        return self._rules[what]
