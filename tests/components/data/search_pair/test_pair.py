"""The pair at work: three real nodes, one killed and then the other, and one cut off."""

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pulumi_casebook.data.search_pair.args import SearchPairArgs
from pulumi_casebook.data.search_pair.component import PROGRAM, configuration
from tests.components.data.mysql_pair.pair import Network
from tests.components.data.opensearch.node import Node, engine
from tests.waiting import until

ADDRESSES = {"search-1": "10.8.0.80", "search-2": "10.8.0.81", "tools": "10.8.0.82"}

__all__ = ["engine"]


class Member(Node):
    def program(self, action: str) -> tuple[bool, str]:
        return self.run(PROGRAM, action, SEARCH_PAIR=str(self.folder / "search-pair.json"))

    def ready(self) -> bool:
        return self.program("ready")[0]

    def write(self, title: str) -> bool:
        """Whether an article was acknowledged."""
        return self.ask("articles/_doc", {"title": title}) is not None

    def titles(self) -> set[str]:
        """What is found on this machine's own copy."""
        found = self.ask("articles/_search?preference=_local&q=title:*&size=50") or {"hits": {"hits": []}}
        return {hit["_source"]["title"] for hit in found["hits"]["hits"]}

    def indexes(self) -> bool:
        shards = self.ask("_cat/shards/articles?format=json&h=prirep,node") or []
        return any(shard == {"prirep": "p", "node": self.name} for shard in shards)


@pytest.fixture(scope="module")
def members(engine: Path) -> Iterator[tuple[Member, Member, Member]]:
    machines: dict[str, Any] = {
        name: SimpleNamespace(name=name, address=address) for name, address in ADDRESSES.items()
    }
    args: Any = SearchPairArgs.model_construct(
        machines=(machines["search-1"], machines["search-2"]),
        arbitrator=machines["tools"],
        clients=("10.8.0.0/24",),
        heap_mib=256,
        arbitrator_heap_mib=256,
    )
    network, made = Network(f"search{os.getpid()}"), list[Member]()
    try:
        network.open()
        for name, machine in machines.items():
            role = configuration("search", args, machine, "search-arbitrator" if name == "tools" else "search")
            made.append(Member(engine, network, name, ADDRESSES[name], role))
        for member in made:
            member.start()
        yield made[0], made[1], made[2]
    finally:
        for member in made:
            member.kill()
        network.close()


@pytest.mark.claim("NRT-20")
def test_either_machine_does_the_whole_work_when_the_other_is_lost(members: tuple[Member, Member, Member]) -> None:
    first, second, _ = members
    for member in members:
        until(member.ready)
    assert first.write("un")
    until(lambda: first.titles() == second.titles() == {"un"})
    until(lambda: "copies: green" in second.program("status")[1])

    indexing, searching = (first, second) if first.indexes() else (second, first)
    assert (first.indexes(), second.indexes()) in ((True, False), (False, True))
    indexing.kill()
    assert searching.titles() == {"un"}
    until(lambda: searching.write("deux"))
    until(lambda: searching.titles() == {"un", "deux"})
    assert searching.indexes()
    assert f"{indexing.name} ({indexing.address}): not in the cluster" in searching.program("status")[1]

    # What comes back has missed something, and is up to date when it is ready.
    indexing.start()
    until(indexing.ready)
    until(lambda: indexing.titles() == {"un", "deux"})
    searching.kill()
    until(lambda: indexing.write("trois"))
    until(lambda: indexing.titles() == {"un", "deux", "trois"})
    searching.start()
    until(searching.ready)


@pytest.mark.claim("NRT-20")
def test_a_machine_that_is_cut_off_acknowledges_nothing(members: tuple[Member, Member, Member]) -> None:
    first, second, _ = members
    for member in members:
        until(member.ready)
    before = first.titles()
    first.network.cut("search-1")
    check = "_cluster/health?cluster_manager_timeout=1s"
    until(lambda: first.ask(check) is None)
    assert not first.write("late"), "it may still get in afterwards, as it has been asked to"
    until(lambda: second.write("retenu"))
    first.network.mend("search-1")
    until(first.ready)
    until(
        lambda: first.titles() == second.titles() and second.titles() - {"late"} == before | {"retenu"},
        lambda: (first.titles(), second.titles()),
    )
