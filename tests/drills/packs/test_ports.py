"""What a stack declares as open, read for each who looks, and compared with what is found."""

from collections.abc import Callable
from typing import Any

import pytest

from architectures.base import Location, Outputs
from drills.drill import Figure, NotSeen
from drills.packs import ports
from drills.packs.ports import compared, declared, each_tier, figures, interesting
from pulumi_casebook.core.args import WORLD
from stacks.deployed_stack import DeployedStack

EXPOSURE = {
    "load balancer": {WORLD: ["80/tcp", "443/tcp"]},
    "web-1": {"10.0.0.16/28": ["80/tcp", "vrrp"], "198.51.100.9/32": ["9100/tcp"]},
    "db-1": {"10.0.0.64/26": ["3306/tcp", "53/udp"], "10.0.0.3/32": ["4567/tcp"]},
    "monitoring": {WORLD: ["22/tcp"], "192.0.2.0/24": ["9090/tcp"]},
}


def machine(public: str | None, private: str | None) -> Location:
    return Location(public=public, private=private, site="GRA", via=None, kind="vps", service="vps-1")


MACHINES = {
    "web-1": machine("198.51.100.1", "10.0.0.65"),
    "db-1": machine("10.0.0.2", "10.0.0.2"),
    "monitoring": machine("198.51.100.9", None),
}


@pytest.fixture(name="stack")
def _stack(monkeypatch: pytest.MonkeyPatch) -> DeployedStack:
    monkeypatch.setattr(ports, "listening", lambda _, name: {22} if name == "monitoring" else {80, 3306, 4444})
    return DeployedStack("site", Outputs(machines=MACHINES, exposure=EXPOSURE))


@pytest.mark.parametrize(
    ("looking", "expected"),
    [
        (["203.0.113.7"], {"load balancer": {80, 443}, "monitoring": {22}}),
        (["192.0.2.7"], {"load balancer": {80, 443}, "monitoring": {22, 9090}}),
        (["198.51.100.1", "10.0.0.65"], {"load balancer": {80, 443}, "monitoring": {22}, "db-1": {3306}}),
        (["10.0.0.3"], {"load balancer": {80, 443}, "monitoring": {22}, "db-1": {4567}}),
        (["10.0.0.17"], {"load balancer": {80, 443}, "monitoring": {22}, "web-1": {80}}),
    ],
)
def test_an_address_is_let_in_by_the_networks_that_it_is_in(
    stack: DeployedStack, looking: list[str], expected: dict[str, set[int]]
) -> None:
    assert {name: found for name, found in declared(stack, looking, EXPOSURE).items() if found} == expected


def test_what_is_declared_is_looked_for(stack: DeployedStack) -> None:
    assert {80, 443, 3306, 4567, 9090, 9100, 22} <= interesting(stack)


def test_both_directions_differ(stack: DeployedStack, capsys: pytest.CaptureFixture[str]) -> None:
    found, said = {"db-1": {3306, 4444}, "web-1": {81}}, {"db-1": {3306, 4568}, "load balancer": {80}}
    assert compared(stack, "web-2", found, said) == [3, 2, 1, 1]
    shown = capsys.readouterr().err
    assert "open but undeclared, from web-2: {'db-1': [4444], 'web-1': [81]}" in shown
    assert "declared but closed, from web-2: {'load balancer': [80]}" in shown
    assert "4568" not in shown, "nothing listens there, so nothing can answer"
    assert compared(stack, "web-2", found, found)[1:3] == [0, 0]


def test_silence_everywhere_proves_nothing() -> None:
    with pytest.raises(NotSeen):
        figures(0, 0, 0, 0)


def looks(found: dict[str, set[int]]) -> Callable[..., ports.Ports]:
    return lambda _, addresses, __: {name: open_there for name, open_there in found.items() if name in addresses}


def test_a_tier_looks_only_where_it_has_an_address(stack: DeployedStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """The monitoring machine is not in the private network, so what is open to all of it is no business of its own."""
    monkeypatch.setattr(ports, "reached", looks({"web-1": {80}, "db-1": {3306}, "monitoring": {22}}))
    seen = {figure.name: figure for figure in each_tier(stack, ["web-1"])}
    assert (seen["ports open"].value, seen["open but undeclared"].value) == (2, 0)
    seen = {figure.name: figure for figure in each_tier(stack, ["monitoring"])}
    assert (seen["ports open"].value, seen["open but undeclared"].value) == (1, 1)


def by_name(found: list[Figure]) -> dict[str, float]:
    return {figure.name: figure.value for figure in found}


def test_the_world_is_told_apart_by_its_address(stack: DeployedStack, monkeypatch: pytest.MonkeyPatch) -> None:
    scanned = {"198.51.100.1": set(), "198.51.100.9": {22}, "192.0.2.80": {80, 443}}
    monkeypatch.setattr(ports, "open_ports", lambda addresses, _: {one: scanned[one] for one in addresses})
    monkeypatch.setattr(ports, "from_the_world", lambda _: "203.0.113.7")
    others = {"load balancer": "192.0.2.80"}
    assert by_name(ports.the_world(stack, others)) == {
        "ports open": 3,
        "open but undeclared": 0,
        "declared but closed": 0,
        "declared, and nothing listens": 0,
    }
    with pytest.raises(NotSeen, match=r"load balancer: declared, and nobody looks there"):
        ports.the_world(stack, {})
    scanned["198.51.100.1"].add(3306)
    assert by_name(ports.the_world(stack, others))["open but undeclared"] == 1


def test_a_neighbour_comes_by_machines_that_have_both(stack: DeployedStack, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def reached(shell: Callable[..., str], addresses: ports.Addresses, _: Any) -> ports.Ports:
        asked.append((shell.args, addresses))  # type: ignore[attr-defined]
        return {"web-1": {9100}, "db-1": {3306}}

    monkeypatch.setattr(ports, "reached", reached)
    found = by_name(ports.a_neighbour(stack, "10.0.0.0/24", "monitoring"))
    assert asked == [(("198.51.100.1",), {"web-1": "10.0.0.65", "db-1": "10.0.0.2"})]
    assert found["ports that answered and are undeclared"] == 1, "only the exporter is open to the monitoring machine"
    with pytest.raises(NotSeen, match="in the private network itself"):
        ports.a_neighbour(stack, "10.0.0.0/24", "web-1")
