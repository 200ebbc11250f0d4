"""A small Neutron, for tests of what the fabric makes of it."""

import uuid
from typing import Any

from sandbox.openstack.view import View


def identifier(number: int) -> str:
    return str(uuid.UUID(int=number << 96))


NETWORK, SUBNET, OUTSIDE, GROUP, ROUTER = (identifier(number) for number in range(1, 6))


class Answer:
    def __init__(self, content: dict[str, Any]) -> None:
        self.content = content

    def json(self) -> dict[str, Any]:
        return self.content


class Neutron:
    """Holds what a test puts into `things`, by Neutron's own names."""

    def __init__(self) -> None:
        names = ["networks", "subnets", "ports", "routers", "floatingips", "security_groups", "address_groups"]
        self.things: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
        self.add_network(NETWORK, "vxlan", None, 7)

    def get(self, path: str) -> Answer:
        name = path.strip("/").replace("-", "_")
        return Answer({name: self.things[name]})

    def add_network(self, network: str, kind: str, physical: str | None, segment: int | None) -> None:
        self.things["networks"].append(
            {
                "id": network,
                "mtu": 1450,
                "provider:network_type": kind,
                "provider:physical_network": physical,
                "provider:segmentation_id": segment,
            }
        )

    def add_port(self, number: int, address: str, **fields: Any) -> dict[str, Any]:
        port = {
            "id": identifier(number),
            "mac_address": f"fa:16:3e:00:00:{number:02x}",
            "network_id": NETWORK,
            "fixed_ips": [{"subnet_id": SUBNET, "ip_address": address}],
            "device_id": "",
            "device_owner": "compute:nova",
            "port_security_enabled": True,
            "security_groups": [GROUP],
            "allowed_address_pairs": [],
            **fields,
        }
        self.things["ports"].append(port)
        return port

    def view(self) -> View:
        return View(self)
