"""What the component refuses, declares and puts on its machines."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from pulumi_casebook import DedicatedServer, InputError, SearchPair, VrackNetwork, ssh_key
from pulumi_casebook.machines.configuration.programs.apply import parse
from tests.harness import Registered, comes_after, declare, declares_the_same, only

NAMES = ("search-1", "search-2", "tools")


def program(
    change: Callable[[dict[str, Any]], None] = lambda _: None, network: bool = True, **values: Any
) -> Callable[[], None]:
    def run() -> None:
        private = VrackNetwork("private", vrack="pn-1001", vlan=8, cidr="10.8.0.0/24")
        first, second, third = (
            DedicatedServer(
                name,
                service_name=f"ns3100003{9 - number}.ip-198-18-16-3{9 - number}.eu",
                network=private if network else None,
                address=f"10.8.0.{80 + number}" if network else None,
                ssh_key=ssh_key(),
                admin_cidrs=["198.18.0.1/32"],
            )
            for number, name in enumerate(NAMES)
        )
        given = {"machines": [first, second], "arbitrator": third, "clients": ["10.8.0.16/28"], **values}
        change(given)
        pair = SearchPair("search", **given)
        assert pair.service.servers == {"search-1": "10.8.0.80", "search-2": "10.8.0.81"}
        assert (pair.service.port, pair.service.check.path) == (9200, "/_cluster/health?cluster_manager_timeout=1s")

    return run


def files(made: list[Registered], command: str) -> dict[str, str]:
    role = parse(only(made, "Command", command).inputs["stdin"])
    return {path: "\n".join(file["lines"]) + "\n" for path, file in role["files"].items()}


@pytest.mark.claim("NRT-20")
def test_both_hold_everything_and_the_third_only_votes() -> None:
    made = declares_the_same(program(heap_mib=4096))
    for name, role, heap, roles in (
        ("search-1", "search", 4096, ["cluster_manager", "data"]),
        ("search-2", "search", 4096, ["cluster_manager", "data"]),
        ("tools", "search-arbitrator", 256, ["cluster_manager"]),
    ):
        held = files(made, f"{name}-{role}")
        settings = yaml.safe_load(held[f"/etc/opensearch-{role}/opensearch.yml"])
        assert settings["node.roles"] == roles
        assert settings["cluster.initial_cluster_manager_nodes"] == list(NAMES)
        assert f"-Xmx{heap}m" in held[f"/etc/opensearch-{role}/jvm.options"]


def test_one_machine_comes_after_the_other() -> None:
    made = declares_the_same(program())
    third, first, second = (
        only(made, "Command", name) for name in ("tools-search-arbitrator", "search-1-search", "search-2-search")
    )
    assert comes_after(made, first, third)
    assert comes_after(made, second, first)


def test_clients_reach_the_pair_and_only_nodes_reach_the_arbitrator() -> None:
    made = declares_the_same(program())
    assert files(made, "search-1-search")["/etc/nftables.d/search.nft"].splitlines()[1:] == [
        "add rule inet filter input ip saddr { 10.8.0.16/28, 10.8.0.81/32, 10.8.0.82/32 } tcp dport 9200 accept",
        "add rule inet filter input ip saddr { 10.8.0.81/32, 10.8.0.82/32 } tcp dport 9300 accept",
    ]
    arbitrator = files(made, "tools-search-arbitrator")["/etc/nftables.d/search-arbitrator.nft"]
    assert "10.8.0.16/28" not in arbitrator


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda given: given.update(machines=given["machines"][:1]), "machines=['search-1']: a pair is two machines"),
        (
            lambda given: given.update(arbitrator=given["machines"][0]),
            "arbitrator='search-1': one of the pair; its loss would take two votes of three",
        ),
        (lambda given: given.pop("arbitrator"), "arbitrator: Field required"),
        (lambda given: given.update(clients=[]), "clients=[]: Tuple should have at least 1 item"),
        (lambda given: given.update(heap_mib=64), "heap_mib=64: Input should be greater than or equal to 256"),
    ],
)
def test_what_cannot_work_is_refused_with_its_reason(change: Callable[[dict[str, Any]], None], reason: str) -> None:
    with pytest.raises(InputError) as refusal:
        declare(program(change), preview=False)
    assert reason in str(refusal.value)
    assert str(refusal.value).startswith("SearchPair 'search': ")


def test_a_machine_without_a_private_network_is_refused() -> None:
    with pytest.raises(InputError, match="search-1 has no private network; nodes talk in clear"):
        declare(program(network=False), preview=False)
