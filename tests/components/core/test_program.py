"""One program as a whole: nothing is declared before all is checked; what there is once is taken once."""

import asyncio
from collections.abc import Callable

import pulumi
import pulumi_random as random
import pytest

from pulumi_casebook import (
    AddressPlan,
    BucketArgs,
    Cdn,
    DedicatedServer,
    DnsRoundRobin,
    FailoverIp,
    InputError,
    InstanceGroup,
    LoadBalancerIp,
    Nas,
    ObjectStorage,
    Site,
    SwiftStorage,
    Vps,
    VrackNetwork,
    WebHosting,
    ssh_key,
)
from pulumi_casebook.core.component import Component, ComponentArgs, takes
from pulumi_casebook.data.swift_storage import ContainerArgs
from pulumi_casebook.edge.load_balancer_ip import Listener
from tests.harness import Registered, declare

PROJECT = "0123456789ab4cdef0123456789abcde"
SERVER, OTHER, VPS = "ns31000001.ip-198-18-16-1.eu", "ns31000002.ip-198-18-16-2.eu", "vps-0a1b2c01.vps.ovh.net"


def server(
    name: str, service: str = SERVER, address: str | None = None, network: VrackNetwork | None = None
) -> DedicatedServer:
    return DedicatedServer(
        name,
        service_name=service,
        install="debian13_64",
        ssh_key=ssh_key(),
        admin_cidrs=["192.0.2.0/24"],
        network=network,
        address=address,
    )


def vps(name: str, service: str = VPS) -> Vps:
    return Vps(name, service_name=service, ssh_key=ssh_key(), admin_cidrs=["192.0.2.0/24"])


def network(name: str = "private", vlan: int = 8, regions: list[str] | None = None) -> VrackNetwork:
    project = PROJECT if regions else None
    return VrackNetwork(
        name, vrack="pn-1001", vlan=vlan, cidr="10.8.0.0/24", project=project, regions=regions or [],
        attach_project=name == "private",
    )  # fmt: skip


def instances(name: str, inside: VrackNetwork, **addresses: str) -> InstanceGroup:
    return InstanceGroup(
        name, region="GRA11", flavor="b3-8", network=inside, ssh_key=ssh_key(), admin_cidrs=["192.0.2.0/24"],
        addresses={machine.replace("_", "-"): address for machine, address in addresses.items()},
    )  # fmt: skip


def balancer(name: str) -> LoadBalancerIp:
    return LoadBalancerIp(
        name,
        service_name="loadbalancer-3f1c0a7de52b49868c01d4e7a9b2f356",
        servers={"one": "192.0.2.7"},
        listeners=[Listener(port=80)],
    )


def record(name: str, subdomain: str = "www") -> DnsRoundRobin:
    return DnsRoundRobin(name, zone="example.org", subdomain=subdomain, targets={"one": "192.0.2.7"})


def bucket(name: str, region: str = "GRA") -> ObjectStorage:
    return ObjectStorage(name, project=PROJECT, region=region, buckets={"b": BucketArgs(name="copies-of-mine")})


def nas(name: str, partition: str = "files") -> Nas:
    return Nas(
        name, service_name="zpool-000001", partition=partition, size_gb=10, machines=[_vps()], mount=f"/srv/{name}"
    )


def _vps() -> Vps:
    return vps(f"client-{len(_vpses)}", _vpses.pop())


_vpses: list[str] = []


def one_network_for_two() -> None:
    inside = network(regions=["GRA11"])
    instances("web", inside, web_1="10.8.0.5")
    server("db", address="10.8.0.5", network=inside)


def one_name_for_two_kinds() -> None:
    instances("web", network(regions=["GRA11"]), web_1="10.8.0.5")
    server("web-1")


TAKEN_TWICE: dict[str, tuple[Callable[[], object], str]] = {
    "server": (
        lambda: (server("first"), server("second")),
        f"DedicatedServer 'second': service_name={SERVER}: DedicatedServer 'first' has this dedicated server already",
    ),
    "vps": (lambda: (vps("one"), vps("two")), "Vps 'one' has this VPS already"),
    "balancer": (lambda: (balancer("one"), balancer("two")), "has this load balancer already"),
    "vlan": (lambda: (network(), network("more")), "VrackNetwork 'private' has this VLAN already"),
    "address": (one_network_for_two, "DedicatedServer 'db': address=10.8.0.5: InstanceGroup 'web' has this address"),
    "machine's name": (one_name_for_two_kinds, "InstanceGroup 'web' has this machine's name already"),
    "record": (lambda: (record("one"), record("two")), "zone=example.org, subdomain=www: DnsRoundRobin 'one' has this"),
    "record of another kind": (
        lambda: (record("one"), Cdn("cdn", zone="example.org", subdomain="www", target="cdn.example.net.")),
        "Cdn 'cdn': zone=example.org, subdomain=www: DnsRoundRobin 'one' has this DNS name already",
    ),
    "record of a hosting plan": (
        lambda: (
            record("one"),
            WebHosting("plan", address="192.0.2.9", zone="example.org", subdomains=["", "www"]),
        ),
        "WebHosting 'plan': zone=example.org, subdomains=www: DnsRoundRobin 'one' has this DNS name already",
    ),
    "bucket": (lambda: (bucket("one"), bucket("two", "SBG")), "buckets.b=copies-of-mine: ObjectStorage 'one' has this"),
    "container": (
        lambda: [
            SwiftStorage(name, project=PROJECT, region="GRA", containers={"a": ContainerArgs(writers=[name])})
            for name in ("one", "two")
        ],
        "SwiftStorage 'two': containers.a: SwiftStorage 'one' has this container already",
    ),
    "failover address": (
        lambda: [FailoverIp(name, ip="192.0.2.7", machines=[machine]) for machine in [vps("v")] for name in ("a", "b")],
        "FailoverIp 'b': ip=192.0.2.7: FailoverIp 'a' has this additional IP already",
    ),
    "name": (lambda: (vps("one"), vps("one", "vps-0a1b2c02.vps.ovh.net")), "one"),
    "name of a resource": (
        lambda: (vps("one"), *(random.RandomId("two", byte_length=4) for _ in range(2))),
        "RandomId 'two': the program has one of this name already",
    ),
}


@pytest.mark.parametrize("kind", TAKEN_TWICE)
@pytest.mark.parametrize("preview", [True, False])
def test_what_there_is_once_is_taken_once_and_nothing_is_declared(kind: str, preview: bool) -> None:
    program, sentence = TAKEN_TWICE[kind]
    found = refused_whole(program, preview=preview)
    assert sentence in found
    assert "\n" not in found


def refused_whole(program: Callable[[], object], *, preview: bool = False) -> str:
    """What the program's error says; of components nothing was declared."""
    made: list[Registered] = []
    with pytest.raises(InputError) as refused:
        declare(program, preview=preview, registered=made)
    assert {one.type for one in made} <= {"pulumi:pulumi:Stack", "random:index/randomId:RandomId"}
    return str(refused.value)


def test_two_that_differ_are_both_declared() -> None:
    def program() -> None:
        inside = network(regions=["GRA11"])
        instances("web", inside, web_1="10.8.0.5")
        server("db", address="10.8.0.6", network=inside)
        server("old", OTHER, address="10.8.0.5", network=network("old", vlan=9))
        record("one")
        record("two", "static")

    assert [one.name for one in declare(program, preview=False) if one.type.endswith(":DedicatedServer")] == [
        "db",
        "old",
    ]


def test_two_partitions_of_a_nas_are_two() -> None:
    machines = ["vps-0a1b2c01.vps.ovh.net", "vps-0a1b2c02.vps.ovh.net"]
    _vpses[:] = machines
    declare(lambda: (nas("one"), nas("two", "more")), preview=False)
    _vpses[:] = machines
    assert "Nas 'one' has this partition already" in refused_whole(lambda: (nas("one"), nas("two")))


@pytest.mark.parametrize("preview", [True, False])
def test_a_mistake_at_the_end_declares_nothing(preview: bool) -> None:
    """Though look-ups, for which the program waits, let registrations through."""

    def program() -> None:
        server("first")
        site = Site(network=network(), plan=AddressPlan("10.8.0.0/24", web="16/28"), admin_cidrs=["192.0.2.0/24"])
        site.dedicated("web", {"web-1": OTHER})
        record("www", "not a name")

    assert "subdomain='not a name'" in refused_whole(program, preview=preview)


def test_an_error_of_the_program_itself_declares_nothing_either() -> None:
    made: list[Registered] = []

    def program() -> None:
        server("first")
        raise KeyError("of the user's own")

    with pytest.raises(KeyError, match="of the user's own"):
        declare(program, preview=False, registered=made)
    assert {one.type for one in made} <= {"pulumi:pulumi:Stack"}


def test_a_program_that_waits_for_outputs_gets_them() -> None:
    """`pulumi.run`: the part that is asynchronous may ask what the rest has made."""
    seen: list[str] = []

    class Thing(Component[ComponentArgs]):
        @takes(ComponentArgs)
        def __init__(self, _: ComponentArgs) -> None:
            self.word = random.RandomId("word", byte_length=4, opts=self.child()).hex

    def program() -> None:
        thing = Thing("thing")

        async def main() -> None:
            seen.append(str(await asyncio.wait_for(thing.word.future(), 20)))

        pulumi.run(main)

    declare(program, preview=False)
    assert seen


def test_a_provider_that_comes_of_other_resources_is_waited_for() -> None:
    class Account(Component[ComponentArgs]):
        @takes(ComponentArgs)
        def __init__(self, _: ComponentArgs) -> None:
            self.key = random.RandomId("key", byte_length=4, opts=self.child()).hex

    import pulumi_ovh as ovh

    def program() -> None:
        provider = ovh.Provider("theirs", application_key=Account("account").key)
        vps_of = pulumi.ResourceOptions(provider=provider)
        Vps("one", service_name=VPS, ssh_key=ssh_key(), admin_cidrs=["192.0.2.0/24"], opts=vps_of)

    assert any(one.name == "one" for one in declare(program, preview=False))
