"""Octavia network driver: real VIP ports in Neutron, and no plumbing of virtual machines."""

from typing import Any

from octavia.network.drivers.neutron import allowed_address_pairs
from octavia.network.drivers.noop_driver import driver

REAL = (
    "allocate_vip",
    "deallocate_vip",
    "get_network",
    "get_network_by_name",
    "get_network_ip_availability",
    "get_port",
    "get_port_by_name",
    "get_qos_policy",
    "get_security_group",
    "get_security_group_by_id",
    "get_subnet",
    "get_subnet_by_name",
    "qos_enabled",
)


class Driver(driver.NoopNetworkDriver):
    def __init__(self) -> None:
        super().__init__()
        self.neutron = allowed_address_pairs.AllowedAddressPairsDriver()


def _forward(name: str) -> Any:
    def call(self: Driver, *args: Any, **kwargs: Any) -> Any:
        return getattr(self.neutron, name)(*args, **kwargs)

    return call


for _name in REAL:
    setattr(Driver, _name, _forward(_name))
Driver.__abstractmethods__ = frozenset()
