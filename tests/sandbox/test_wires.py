"""Names of bridges and ports, and which Neutron network is which wire."""

import uuid

import pytest

from sandbox import INTERNET, wires
from sandbox.openstack import keys

NETWORK, PORT = str(uuid.UUID(int=1 << 120)), str(uuid.UUID(int=2 << 120))


@pytest.mark.parametrize(
    "name",
    [
        wires.bridge_name(NETWORK),
        wires.bridge_name(INTERNET),
        wires.bridge_name(wires.vrack("pn-1234567", 4000)),
        wires.tap_name(PORT),
        wires.tap_name("ns31000001.ip-198-18-16-1.eu:vrack"),
    ],
)
def test_names_fit_into_the_kernel(name: str) -> None:
    assert len(name) <= 15


def test_only_neutrons_ports_can_be_swept() -> None:
    assert wires.tap_name(PORT).startswith("tap")
    assert not wires.tap_name("ns31000001:public").startswith("tap")


@pytest.mark.parametrize(
    ("kind", "physical", "segment", "key"),
    [
        ("vxlan", None, 17, NETWORK),
        ("flat", INTERNET, None, INTERNET),
        ("vlan", "pn-1001@SBG5", 200, "vrack:pn-1001:200"),
        ("flat", "pn-1001@SBG5", None, "vrack:pn-1001:0"),
    ],
)
def test_a_provider_network_is_the_vracks_vlan(kind: str, physical: str | None, segment: int | None, key: str) -> None:
    assert keys.key(NETWORK, kind, physical, segment) == key


def test_addresses_are_stable_and_local() -> None:
    address = wires.mac_address("world")
    assert address == wires.mac_address("world") != wires.mac_address("host")
    first = int(address.split(":")[0], 16)
    assert first & 0b10, "not locally administered"
    assert not first & 0b01, "a group's address"
