"""Routers as namespaces."""

from sandbox.openstack import routers
from tests.sandbox.neutron import OUTSIDE, ROUTER, SUBNET, Neutron


def neutron_with_router() -> Neutron:
    neutron = Neutron()
    neutron.add_network(OUTSIDE, "flat", "internet", None)
    neutron.things["subnets"] = [
        {"id": SUBNET, "cidr": "10.0.0.0/24", "gateway_ip": "10.0.0.1", "ip_version": 4},
        {"id": "outside", "cidr": "198.18.0.0/16", "gateway_ip": "198.18.0.1", "ip_version": 4},
    ]
    neutron.add_port(32, "10.0.0.1", device_id=ROUTER, device_owner="network:router_interface")
    neutron.add_port(
        33,
        "198.18.128.9",
        device_id=ROUTER,
        device_owner="network:router_gateway",
        network_id=OUTSIDE,
        fixed_ips=[{"subnet_id": "outside", "ip_address": "198.18.128.9"}],
    )
    neutron.things["floatingips"] = [
        {
            "id": "f1",
            "router_id": ROUTER,
            "floating_ip_address": "198.18.128.50",
            "fixed_ip_address": "10.0.0.7",
        }
    ]
    neutron.things["routers"] = [
        {
            "id": ROUTER,
            "admin_state_up": True,
            "external_gateway_info": {"enable_snat": True},
            "routes": [{"destination": "10.9.0.0/16", "nexthop": "10.0.0.9"}],
        }
    ]
    return neutron


def test_a_router_has_a_leg_per_port() -> None:
    view = neutron_with_router().view()
    want = routers.wanted(view.routers[0], view)
    inner, outer = want["legs"]
    assert (inner["addresses"], inner["outer"], inner["gateway"]) == (["10.0.0.1/24"], False, None)
    assert (outer["addresses"], outer["outer"], outer["gateway"]) == (["198.18.128.9/16"], True, "198.18.0.1")
    assert outer["network"] == "internet"
    assert want["routes"] == [("10.9.0.0/16", "10.0.0.9")]


def test_floating_addresses_come_before_the_routers_own() -> None:
    view = neutron_with_router().view()
    want = routers.wanted(view.routers[0], view)
    outer = want["legs"][1]
    rules = routers.translation(want, outer)
    assert "ip daddr 198.18.128.50 dnat to 10.0.0.7" in rules
    own = rules.index(f"oifname {outer['inner']} snat to 198.18.128.9")
    assert rules.index("ip saddr 10.0.0.7 snat to 198.18.128.50") < own


def test_without_snat_nothing_leaves_under_the_routers_address() -> None:
    neutron = neutron_with_router()
    neutron.things["routers"][0]["external_gateway_info"] = {"enable_snat": False}
    view = neutron.view()
    want = routers.wanted(view.routers[0], view)
    assert f"oifname {want['legs'][1]['inner']} snat to 198.18.128.9" not in routers.translation(want, want["legs"][1])
