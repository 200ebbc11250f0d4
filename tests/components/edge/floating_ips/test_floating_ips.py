"""Public addresses that follow private ones: what is declared, and the way back of an answer."""

from typing import Any

import pytest

from pulumi_casebook import FloatingIps, InputError, InstanceGroup, VrackNetwork, ssh_key
from pulumi_casebook.machines.configuration.programs.apply import parse
from tests.harness import comes_after, declare, declares_the_same, only

VIRTUAL = {"front-1": "10.8.0.101", "front-2": "10.8.0.102"}


def floating(public: bool = False, **values: Any) -> FloatingIps:
    network = VrackNetwork(
        "private",
        vrack="pn-1002",
        vlan=8,
        cidr="10.8.0.0/24",
        project="0123456789abcdef0123456789abcdef",
        regions=["GRA11"],
    )
    cloud: dict[str, Any] = {
        "region": "GRA11",
        "flavor": "b3-8",
        "network": network,
        "ssh_key": ssh_key(),
        "admin_cidrs": ["198.18.0.1/32"],
    }
    door = InstanceGroup("door", addresses={"gateway": "10.8.0.1"}, ip_forwarding=True, **cloud).machines[0]
    behind: dict[str, Any] = {} if public else {"public": False, "via": door, "gateway": "10.8.0.1"}
    front = InstanceGroup(
        "haproxy",
        addresses={"haproxy-1": "10.8.0.16", "haproxy-2": "10.8.0.17"},
        shared_addresses=list(VIRTUAL.values()),
        **behind,
        **cloud,
    )
    given: dict[str, Any] = {
        "region": "GRA11",
        "network": network,
        "addresses": VIRTUAL,
        "router_address": "10.8.0.254",
        "machines": front.machines,
    }
    return FloatingIps("front", **{**given, **values})


@pytest.mark.claim("NRT-2")
def test_a_public_address_is_on_a_port_that_no_machine_has() -> None:
    made = declares_the_same(floating)
    for name, address in VIRTUAL.items():
        assert only(made, "Port", f"front-{name}").inputs["fixedIps"] == [{"ipAddress": address}]
        floating_ip = only(made, "FloatingIp", name)
        assert floating_ip.inputs["portId"] == f"front-{name}-id"
        assert comes_after(made, floating_ip, only(made, "RouterInterface", "front-router"))
    used = [r.inputs["networks"] for r in made if r.type.endswith("compute/instance:Instance")]
    assert "front-front" not in str(used)
    assert only(made, "RouterInterface", "front-router").inputs["portId"] == "front-router-id"


def test_machines_answer_for_these_addresses_by_the_router_and_leave_by_their_gateway() -> None:
    made = declares_the_same(floating)
    for machine in ("haproxy-1", "haproxy-2"):
        files = parse(only(made, "Command", f"{machine}-front").inputs["stdin"])["files"]
        base = parse(only(made, "Command", f"{machine}-base").inputs["stdin"])["files"]
        [(path, file)] = ((path, file) for path, file in files.items() if path.startswith("/etc/systemd/network/"))
        assert path.removesuffix(".d/front.conf") in base
        text = "\n".join(file["lines"])
        assert text.count("[RoutingPolicyRule]") == 2
        assert "Gateway=10.8.0.254\nTable=30\n" in text
        assert "From=10.8.0.101\nTable=30" in text


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"region": "SBG5"}, "region=SBG5: the private network private is in: GRA11"),
        ({"router_address": "10.9.0.1"}, "router_address=10.9.0.1: outside the network 10.8.0.0/24"),
        ({"router_address": "10.8.0.101"}, "router_address=10.8.0.101: the address of addresses.front-1 too"),
        ({"addresses": {"a": "10.8.0.5", "b": "10.8.0.5"}}, "addresses.a=10.8.0.5: the address of addresses.b too"),
        ({"addresses": {}}, "addresses={}: "),
        ({"public": True}, "the component does not write haproxy-1's private interface"),
    ],
)
def test_what_cannot_be_built_is_refused_with_its_reason(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError) as refusal:
        declare(lambda: floating(**values), preview=True)
    assert reason in str(refusal.value)
