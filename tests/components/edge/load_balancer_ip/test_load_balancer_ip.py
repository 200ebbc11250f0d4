"""The IP Load Balancing: what is declared, when it is put in force, what is refused."""

from typing import Any

import pulumi
import pytest

from pulumi_casebook import (
    Certificate,
    FarmServer,
    HealthCheck,
    InputError,
    Listener,
    LoadBalancerIp,
    Probe,
    Service,
    VrackNetwork,
    balancer_cidrs,
)
from tests.components.web.web_tier.site import NAT, site
from tests.harness import Registered, comes_after, declare, declares_the_same, only

TWO = {"haproxy-1": "10.8.0.10", "haproxy-2": "10.8.0.11"}


def named(declared: list[Registered], kind: str) -> set[str]:
    return {resource.name for resource in declared if resource.type.endswith(f":{kind}")}


@pytest.mark.claim("SOF-1")
@pytest.mark.claim("SOF-2")
def test_two_haproxy_stand_behind_ports_80_and_443_alone() -> None:
    declared = declares_the_same(site())
    frontends = [r.inputs for r in declared if r.type.endswith("Frontend") and r.type.startswith("ovh:")]
    assert sorted(frontend["port"] for frontend in frontends) == ["443", "80"]
    assert named(declared, "TcpFarmServer") == {
        "lb-80-haproxy-1", "lb-80-haproxy-2", "lb-443-haproxy-1", "lb-443-haproxy-2"
    }  # fmt: skip
    server = only(declared, "TcpFarmServer", "lb-443-haproxy-2").inputs
    farm = only(declared, "TcpFarm", "lb-443")
    assert server["address"] == "10.8.0.11"
    assert server["proxyProtocolVersion"] == "v2"
    assert isinstance(server["farmId"], int | float), "the provider wants a number"
    assert farm.urn in only(declared, "TcpFarmServer", "lb-443-haproxy-2").depends_on
    network = only(declared, "ovh:IpLoadBalancing/vrackNetwork:VrackNetwork", "lb").inputs
    assert (network["natIp"], network["vlan"], network["subnet"]) == (NAT, 8, "10.8.0.0/24")


def test_every_resource_has_the_name_that_the_manager_shows() -> None:
    for resource in declare(site(), preview=False):
        if resource.type.startswith("ovh:IpLoadBalancing/") and not resource.type.endswith(":Refresh"):
            assert resource.inputs["displayName"] == resource.name


def keepers(**balancer: Any) -> list[str]:
    refresh: list[str] = only(declare(site(balancer=balancer), preview=False), "Refresh", "lb").inputs["keepers"]
    return refresh


@pytest.mark.parametrize(
    "change",
    [
        {"listeners": [Listener(port=80, probe=Probe(interval=60)), Listener(port=443)]},
        {"listeners": [Listener(port=80, balance="source"), Listener(port=443)]},
        {"listeners": [Listener(port=80, allowed_cidrs=("192.0.2.0/24",)), Listener(port=443)]},
        {"listeners": [Listener(port=80, proxy_protocol=None), Listener(port=443)]},
        {"listeners": [Listener(port=80)]},
        {"nat_cidr": "10.8.0.160/28"},
        {"servers": {**TWO, "haproxy-2": FarmServer(address="10.8.0.11", active=False)}},
        {"servers": {**TWO, "haproxy-2": FarmServer(address="10.8.0.11", weight=5)}},
        {"servers": {"haproxy-1": "10.8.0.10"}},
    ],
)
def test_whatever_changes_is_put_in_force(change: dict[str, Any]) -> None:
    """Also an update, which leaves every identifier as it was."""
    assert keepers(**change) != keepers()


def test_the_order_of_servers_changes_nothing() -> None:
    assert keepers(servers=dict(reversed(TWO.items()))) == keepers()


def cleanup(**balancer: Any) -> Registered:
    return only(declare(site(balancer=balancer), preview=False), "Command", "lb-cleanup")


def test_everything_on_the_balancer_is_deleted_before_the_cleanup_refreshes() -> None:
    declared = declare(site(), preview=False)
    last = only(declared, "Command", "lb-cleanup")
    attached = only(declared, "ovh:Vrack/ipLoadbalancing:IpLoadbalancing", "lb")
    assert attached.urn in last.depends_on
    for resource in declared:
        if resource.type.startswith("ovh:IpLoadBalancing/") and not resource.type.endswith(":Refresh"):
            assert last.urn in resource.depends_on, resource.urn
    assert last.inputs["delete"].endswith("casebook-load-balancer refresh loadbalancer-0123")
    assert last.inputs["create"].endswith("casebook-load-balancer check loadbalancer-0123")
    assert "PATH=/" not in last.inputs["delete"], "another checkout would plan a change"


def test_what_the_servers_need_is_deleted_after_the_cleanup_has_refreshed() -> None:
    def program() -> None:
        machines = Certificate("machines", names=["www.example.org"])
        options = pulumi.ResourceOptions(depends_on=[machines])
        LoadBalancerIp(
            "lb",
            service_name="loadbalancer-0123",
            servers={"vps-1": "198.18.24.1"},
            listeners=[Listener(port=80)],
            opts=options,
        )

    declared = declare(program, preview=False)
    assert only(declared, "PrivateKey", "machines").urn in only(declared, "Command", "lb-cleanup").depends_on


@pytest.mark.parametrize(
    "change",
    [
        {"servers": {"haproxy-1": "10.8.0.10"}},
        {"servers": {**TWO, "haproxy-2": "10.8.0.12"}},
        {"listeners": [Listener(port=80)]},
        {"listeners": [Listener(port=80, protocol="http"), Listener(port=443)]},
        {"listeners": [Listener(port=80, stickiness="sourceIp"), Listener(port=443)]},
        {"zone": "gra"},
    ],
)
def test_whatever_deletes_or_replaces_runs_the_cleanup(change: dict[str, Any]) -> None:
    assert cleanup(**change).inputs["triggers"] != cleanup().inputs["triggers"]


def test_an_update_runs_no_cleanup() -> None:
    probed = cleanup(listeners=[Listener(port=80, probe=Probe(interval=60)), Listener(port=443)])
    assert probed.inputs["triggers"] == cleanup().inputs["triggers"]


def test_a_server_out_of_service_stays_declared() -> None:
    servers = {**TWO, "haproxy-2": FarmServer(address="10.8.0.11", active=False)}
    declared = declare(site(balancer={"servers": servers}), preview=False)
    assert only(declared, "TcpFarmServer", "lb-80-haproxy-2").inputs["status"] == "inactive"
    assert only(declared, "TcpFarmServer", "lb-80-haproxy-2").inputs["weight"] == 1


def test_http_listeners_use_the_http_family() -> None:
    listener = Listener(port=80, protocol="http", balance="uri", probe=Probe(type="http", url="/healthz"))
    declared = declare(site(balancer={"listeners": [listener]}), preview=False)
    assert only(declared, "HttpFarm", "lb-80").inputs["probe"] == {
        "type": "http", "port": 80, "interval": 30, "url": "/healthz"
    }  # fmt: skip
    assert not named(declared, "TcpFarm")


@pytest.mark.claim("GIR-2")
def test_servers_by_public_address_need_no_vrack() -> None:
    def program() -> None:
        born = pulumi.Output.from_input("198.18.24.9")
        servers: dict[str, str | FarmServer | pulumi.Output[str]] = {
            "europe": "198.18.24.3",
            "america": FarmServer(address="198.18.24.4"),
            "hourly": born,
        }
        LoadBalancerIp("lb", service_name="loadbalancer-0123", servers=servers, listeners=[Listener(port=443)])

    declared = declares_the_same(program)
    addresses = {one.name: one.inputs["address"] for one in declared if one.type.endswith("TcpFarmServer")}
    assert addresses == {
        "lb-443-europe": "198.18.24.3", "lb-443-america": "198.18.24.4", "lb-443-hourly": "198.18.24.9"
    }  # fmt: skip
    assert "vrackNetworkId" not in only(declared, "TcpFarm", "lb-443").inputs
    assert not named(declared, "IpLoadbalancing") | named(declared, "VrackNetwork")
    assert any("198.18.24.9" in keeper for keeper in only(declared, "Refresh", "lb").inputs["keepers"])


def test_servers_learn_from_where_the_balancer_comes() -> None:
    found: list[str] = []
    declare(lambda: found.extend(balancer_cidrs("loadbalancer-0123")), preview=True)
    assert len(found) == 1, "one address, though each zone names it"
    assert found[0].endswith("/32")


def balanced(**values: Any) -> LoadBalancerIp:
    network = VrackNetwork("private", vrack="pn-1001", vlan=8, cidr="10.8.0.0/24")
    given = {"nat_cidr": NAT, "servers": TWO, "listeners": [Listener(port=80)], **values}
    return LoadBalancerIp("lb", service_name="loadbalancer-0123", network=network, **given)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"service_name": "ip-198.18.16.9"}, "service_name='ip-198.18.16.9'"),
        ({"nat_cidr": "10.9.0.0/28"}, "nat_cidr=10.9.0.0/28: outside the network 10.8.0.0/24"),
        ({"nat_cidr": "10.8.0.128/29"}, "nat_cidr=10.8.0.128/29: /28 to /25"),
        ({"nat_cidr": "10.8.0.0/28"}, "servers.haproxy-1=10.8.0.10: inside nat_cidr 10.8.0.0/28"),
        ({"servers": {"a": "10.9.0.1"}}, "servers.a=10.9.0.1: outside the network"),
        ({"servers": {}}, "servers={}"),
        ({"listeners": [Listener(port=80), Listener(port=80, protocol="http")]}, "port 80 has two listeners"),
        ({"zone": "bhs"}, "zone=bhs: loadbalancer-0123 is in gra, rbx; use one of them, or all"),
        ({"nodes": 4}, "nodes: no such field"),
        ({"nat_cidr": None}, "network and nat_cidr go together"),
        ({"network": None, "nat_cidr": None}, "servers.haproxy-1=10.8.0.10: private; give the network"),
    ],
)
def test_refusals(values: dict[str, Any], message: str) -> None:
    def program() -> None:
        network = VrackNetwork("private", vrack="pn-1001", vlan=8, cidr="10.8.0.0/24")
        given = {"nat_cidr": NAT, "servers": TWO, "listeners": [Listener(port=80)], **values}
        LoadBalancerIp("lb", **{"service_name": "loadbalancer-0123", "network": network, **given})

    with pytest.raises(InputError) as refused:
        declare(program, preview=True)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Probe(interval=10), "seconds, 30 to 3600: OVHcloud probes no more often than every 30 s"),
        (lambda: Probe(url="/healthz"), "url=/healthz: only a probe of type http asks for a URL, this one is tcp"),
        (lambda: Listener(port=49152), "1 to 49151: OVHcloud keeps the ports above for itself"),
        (lambda: Listener(port=80, balance="uri"), "balance=uri: needs protocol=http"),
        (lambda: Listener(port=80, stickiness="cookie"), "stickiness=cookie: needs protocol=http"),
        (lambda: Listener(port=443, certificate_id=7), "certificate: a tcp listener passes TLS through"),
        (lambda: FarmServer(address="10.8.0.10", weight=0), "greater than or equal to 1"),
    ],
)
def test_refusals_of_parts(make: Any, message: str) -> None:
    with pytest.raises(InputError, match="(?s)" + message.replace("(", r"\(")):
        make()


def handed_over(*addresses: str) -> Service:
    servers = {f"web-{number}": address for number, address in enumerate(addresses, 1)}
    tier = pulumi.ComponentResource("a:test:Tier", "web")
    pulumi.CustomResource("a:test:Server", "web", {}, pulumi.ResourceOptions(parent=tier))
    return Service(tier, "web", servers, 80, HealthCheck(), ("10.8.0.0/24",))


def test_a_server_is_what_its_tier_hands_over_and_comes_after_it() -> None:
    def program() -> None:
        network = VrackNetwork("private", vrack="pn-1001", vlan=8, cidr="10.8.0.0/24")
        servers = {"erp-1": FarmServer(to=handed_over("10.8.0.10"), weight=60)}
        open_to = LoadBalancerIp(
            "lb", service_name="loadbalancer-0123", network=network, nat_cidr=NAT, servers=servers,
            listeners=[
                Listener(port=443),
                Listener(port=80, allowed_cidrs=["198.18.0.0/24"]),
                Listener(port=3306, open=False),
            ],
        ).open_to  # fmt: skip
        assert open_to == {"0.0.0.0/0": [443], "198.18.0.0/24": [80]}

    declared = declares_the_same(program)
    server = only(declared, "TcpFarmServer", "lb-443-erp-1")
    assert (server.inputs["address"], server.inputs["weight"]) == ("10.8.0.10", 60)
    assert comes_after(declared, server, only(declared, "a:test:Server", "web"))


def test_a_server_is_one() -> None:
    def program() -> None:
        FarmServer(to=handed_over("10.8.0.10", "10.8.0.11"))

    with pytest.raises(InputError, match="to: web has 2 servers; a farm's server is one of them"):
        declare(program, preview=True)


def test_a_balancer_of_another_vrack_is_refused() -> None:
    def program() -> None:
        balanced()

    elsewhere = {
        "ovh:IpLoadBalancing/getIpLoadBalancing:getIpLoadBalancing": lambda _: {
            "ipv4": "198.18.16.9", "zones": ["gra"], "vrackName": "pn-2002"
        }
    }  # fmt: skip
    with pytest.raises(InputError, match="in the vRack pn-2002, the network in pn-1001; a balancer is in one vRack"):
        declare(program, preview=True, answers=elsewhere)


def test_url_and_address_are_known_at_preview() -> None:
    seen: list[str] = []

    def program() -> None:
        made = balanced(listeners=[Listener(port=443), Listener(port=80)])
        seen.extend([made.url, made.ipv4])

    declare(program, preview=True)
    assert seen == [f"https://{seen[1]}", seen[1]]
    assert seen[1].startswith("198.18.")


@pytest.mark.claim("ERP-2")
@pytest.mark.claim("ERP-3")
def test_a_certificate_is_uploaded_by_a_command_and_a_closed_listener_only_probes() -> None:
    def program() -> None:
        listeners = [
            Listener(port=443, protocol="http", certificate=Certificate("tls", names=["erp.example.org"])),
            Listener(port=3306, probe=Probe(type="mysql"), open=False),
        ]
        LoadBalancerIp(
            "lb",
            service_name="loadbalancer-0123",
            servers={"a": "198.18.24.3"},
            listeners=listeners,
            externally_managed=True,
        )

    declared = declares_the_same(program)
    frontend = only(declared, "HttpFrontend", "lb-443").inputs
    assert (frontend["ssl"], frontend["defaultSslId"]) == (True, 1)
    assert not named(declared, "TcpFrontend")
    assert only(declared, "TcpFarm", "lb-3306").inputs["probe"]["type"] == "mysql"
    upload = only(declared, "Command", "lb-443-certificate")
    assert "stdin" in upload.secrets
    assert upload.inputs["create"].endswith("casebook-load-balancer certificate loadbalancer-0123 lb-443")
    assert set(only(declared, "TcpFarmServer", "lb-3306-a").ignore_changes) == {"weight", "status"}
