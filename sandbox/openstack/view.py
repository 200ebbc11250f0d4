"""What Neutron holds, read at one moment."""

from collections.abc import Mapping
from typing import Any, Protocol

from sandbox.openstack import keys

Thing = Mapping[str, Any]


class Response(Protocol):
    def json(self) -> Any: ...


class Api(Protocol):
    def get(self, path: str) -> Response: ...


class View:
    def __init__(self, api: Api) -> None:
        def read(resource: str) -> list[Thing]:
            found: list[Thing] = api.get(f"/{resource}").json()[resource.replace("-", "_")]
            return found

        self.networks = {network["id"]: network for network in read("networks")}
        self.subnets = {subnet["id"]: subnet for subnet in read("subnets")}
        self.ports = {port["id"]: port for port in read("ports")}
        self.routers = read("routers")
        self.floating_ips = read("floatingips")
        self.security_groups = read("security-groups")
        self.address_groups = read("address-groups")
        self.forwards: dict[str, list[Thing]] = {
            f["id"]: api.get(f"/floatingips/{f['id']}/port_forwardings").json()["port_forwardings"]
            for f in self.floating_ips
            if f.get("port_forwardings")
        }

    def key(self, network_id: str) -> str:
        """The wire of a network."""
        network = self.networks[network_id]
        return keys.key(
            network_id,
            network["provider:network_type"],
            network["provider:physical_network"],
            network["provider:segmentation_id"],
        )

    def mtu(self, port: Thing) -> int:
        return int(self.networks[port["network_id"]]["mtu"])

    def addresses(self, port: Thing) -> list[str]:
        """With the length of the subnet's prefix: 10.0.0.5/24"""
        return [
            f"{fixed['ip_address']}/{self.subnets[fixed['subnet_id']]['cidr'].split('/')[1]}"
            for fixed in port["fixed_ips"]
        ]

    def gateway(self, port: Thing) -> str | None:
        for fixed in port["fixed_ips"]:
            subnet = self.subnets[fixed["subnet_id"]]
            if subnet["gateway_ip"] and subnet["ip_version"] == 4:
                return str(subnet["gateway_ip"])
        return None
