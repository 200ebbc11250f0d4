"""A private network: what it declares, in which order, and what it refuses."""

from typing import Any

import pytest

from pulumi_casebook import InputError, VrackNetwork
from tests.harness import Registered, comes_after, declare, declares_the_same, only

PROJECT = "0123456789abcdef0123456789abcdef"


def network(**values: Any) -> VrackNetwork:
    given: dict[str, Any] = {"vrack": "pn-1001", "vlan": 8, "cidr": "10.8.0.0/22"}
    return VrackNetwork("private", **{**given, **values})


def declared(**values: Any) -> list[Registered]:
    return declares_the_same(lambda: network(**values))


def test_servers_alone_need_no_project() -> None:
    assert [resource.type for resource in declared()[1:]] == ["casebook:index:VrackNetwork"]


def test_instances_get_a_subnet_in_every_region_without_dhcp_or_gateway() -> None:
    made = declared(project=PROJECT, regions=["GRA11", "SBG5"])
    joined, private = only(made, "CloudProject", "private-project"), only(made, "NetworkPrivate", "private")
    assert private.inputs == {"serviceName": PROJECT, "name": "private", "vlanId": 8, "regions": ["GRA11", "SBG5"]}
    assert comes_after(made, private, joined)
    for region in ("GRA11", "SBG5"):
        subnet = only(made, "NetworkPrivateSubnet", f"private-{region}")
        assert comes_after(made, subnet, private)
        assert subnet.inputs | {"networkId": None} == {
            "serviceName": PROJECT,
            "networkId": None,
            "region": region,
            "network": "10.8.0.0/22",
            "start": "10.8.0.1",
            "end": "10.8.3.254",
            "dhcp": False,
            "noGateway": True,
        }


def test_a_further_region_changes_nothing_of_the_others() -> None:
    one = declared(project=PROJECT, regions=["GRA11"])
    two = declared(project=PROJECT, regions=["SBG5", "GRA11"])
    subnet = "NetworkPrivateSubnet"
    assert only(one, subnet, "private-GRA11").inputs == only(two, subnet, "private-GRA11").inputs


def test_a_project_that_is_in_its_vrack_already_is_left_there() -> None:
    made = declared(project=PROJECT, regions=["GRA11"], attach_project=False)
    assert not [resource for resource in made if resource.type.endswith(":CloudProject")]


def test_what_others_need_of_it_is_known_at_preview() -> None:
    made = declare(lambda: network(project=PROJECT, regions=["GRA11"]), preview=False)
    assert list(made[1].outputs["network_ids"]) == ["GRA11"]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"vrack": "main"}, "vrack='main': a vRack's name: pn-"),
        ({"vlan": 4001}, "vlan=4001: Input should be less than or equal to 4000"),
        (
            {"cidr": "8.8.8.0/24"},
            "cidr='8.8.8.0/24': a private network is part of 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16",
        ),
        ({"cidr": "10.8.0.0/30"}, "cidr='10.8.0.0/30': too small to hold machines; /29 or wider"),
        ({"cidr": "10.8.0.5/22"}, "cidr='10.8.0.5/22': not an IPv4 network"),
        ({"project": PROJECT}, "project and regions go together"),
        ({"regions": ["GRA11"]}, "project and regions go together"),
        ({"project": "mine", "regions": ["GRA11"]}, "project='mine': a Public Cloud project's id"),
    ],
)
def test_what_cannot_be_a_network_is_refused_with_its_reason(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError) as refusal:
        declare(lambda: network(**values), preview=True)
    assert reason in str(refusal.value)
