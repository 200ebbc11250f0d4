"""Security groups as nftables rules."""

from typing import Any

import pytest

from sandbox.openstack import security
from sandbox.wires import tap_name
from tests.sandbox.neutron import GROUP, Neutron


def rule(**fields: Any) -> dict[str, Any]:
    return {"ethertype": "IPv4", "direction": "ingress", **fields}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (rule(), "meta nfproto ipv4"),
        (
            rule(protocol="tcp", port_range_min=80, port_range_max=80),
            "meta nfproto ipv4 meta l4proto 6 th dport 80",
        ),
        (
            rule(protocol="udp", port_range_min=1, port_range_max=9, remote_ip_prefix="10.0.0.0/8"),
            "meta nfproto ipv4 ip saddr 10.0.0.0/8 meta l4proto 17 th dport 1-9",
        ),
        (
            rule(direction="egress", remote_ip_prefix="10.0.0.0/8"),
            "meta nfproto ipv4 ip daddr 10.0.0.0/8",
        ),
        (
            rule(protocol="icmp", port_range_min=8, port_range_max=0),
            "meta nfproto ipv4 meta l4proto 1 icmp type 8 icmp code 0",
        ),
        (rule(protocol="vrrp"), "meta nfproto ipv4 meta l4proto 112"),
        (rule(remote_group_id="full"), "meta nfproto ipv4 ip saddr { 10.0.0.4/31 }"),
        (rule(remote_group_id="empty"), None),
    ],
)
def test_a_rule_is_one_match(wanted: dict[str, Any], expected: str | None) -> None:
    assert security.match(wanted, {"full": ["10.0.0.4", "10.0.0.5"]}) == expected


@pytest.fixture
def neutron() -> Neutron:
    neutron = Neutron()
    neutron.things["security_groups"] = [
        {"id": GROUP, "security_group_rules": [rule(protocol="tcp", port_range_min=22, port_range_max=22)]}
    ]
    return neutron


def test_a_machine_may_use_its_own_addresses_only(neutron: Neutron) -> None:
    pair = {"ip_address": "10.0.0.100", "mac_address": "fa:16:3e:00:00:10"}
    neutron.add_port(16, "10.0.0.16", allowed_address_pairs=[pair])
    rules = security.ruleset(neutron.view())
    assert "ether type ip ip saddr != { 0.0.0.0/32, 10.0.0.16/32, 10.0.0.100/32 } drop" in rules
    assert "ether saddr != { fa:16:3e:00:00:10 } drop" in rules


def test_a_new_port_gets_nothing_through(neutron: Neutron) -> None:
    assert 'iifname "tap*" drop' in security.ruleset(neutron.view())
    port = neutron.add_port(16, "10.0.0.16")
    assert f'iifname "tap*" iifname != {{ "{tap_name(port["id"])}" }} drop' in security.ruleset(neutron.view())


def test_routers_and_ports_without_security_are_not_filtered(neutron: Neutron) -> None:
    neutron.add_port(16, "10.0.0.1", device_owner="network:router_interface")
    neutron.add_port(17, "10.0.0.17", port_security_enabled=False, security_groups=[])
    assert "chain ingress_" not in security.ruleset(neutron.view())


def test_each_network_tracks_its_own_connections(neutron: Neutron) -> None:
    neutron.add_network("11111111-0000-0000-0000-000000000000", "vlan", "pn-1001", 200)
    zones = next(line for line in security.ruleset(neutron.view()).splitlines() if "ct zone set" in line)
    assert zones.endswith(": 1, " + zones.split(": 1, ")[1])
    assert ": 2 }" in zones
