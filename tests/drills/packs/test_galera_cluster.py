"""Drills of a cluster: which member is broken, who writes meanwhile, and when all are back."""

import json
from typing import Any

import pytest

from drills import faults
from drills.drill import NotSeen
from drills.outage import Outage
from drills.packs import galera_cluster
from drills.packs.galera_cluster import Application, Cluster, all_lost, drills, lost
from tests.drills.stack import FakeStack

ONE = Cluster("db-*", (Application("web-*", lambda stack: stack.outputs.database.address),), claims=("SIT-1",))
TWO = Cluster(
    "*db-*",
    (
        Application("web-1", lambda _: "10.0.0.8:3306", "public"),
        Application("office-*", lambda _: "10.0.0.9:3306", "office", "drill_office"),
    ),
    claims=("SIT-1",),
    arbitrators=("monitoring",),
)
MACHINES = {"db-1": "10.0.0.1", "db-2": "10.0.0.2", "office-db-1": "10.0.0.3", "office-1": "10.0.0.4"}
MACHINES |= {"web-1": "10.0.0.5", "web-2": "10.0.0.6", "monitoring": "10.0.0.7"}


class Members:
    """`behind`: who has not got all data until it is restarted."""

    def __init__(self, behind: str = "") -> None:
        self.behind = behind
        self.stack = FakeStack(MACHINES, {"galera status": self.status, "restart mariadb": self.restart})

    def status(self, _: str) -> str:
        members: dict[str, Any] = {name: {"synced": name != self.behind} for name in MACHINES if "db" in name}
        return json.dumps({"members": members})

    def restart(self, machine: str) -> str:
        assert machine == self.behind
        self.behind = ""
        return ""


def test_who_does_not_come_back_is_restarted_and_that_is_told() -> None:
    assert [figure.value for figure in ONE.rejoined(Members().stack)][1] == 0
    figures = ONE.rejoined(Members("db-2").stack)
    assert (figures[1].value, figures[1].held) == (1, False)


@pytest.fixture(name="writer")
def _writer(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    rows = ["db-1"]
    monkeypatch.setattr(galera_cluster, "told", lambda _, over, __: [rows] if over == "web-2" else None)
    return rows


def test_the_member_that_writes_is_told_apart(writer: list[str], events: list[str]) -> None:
    stack = Members().stack
    assert (ONE.writer(stack), ONE.another(stack)) == ("db-1", "db-2")
    by_name = {drill.name: drill for drill in drills(ONE)}
    assert len(by_name) == 19
    by_name["the writer loses power"].run(stack)
    assert events == ["ledger over web-2: 10.0.0.9:3306 10.0.0.9:3306 drill_ledger 60", "power_loss db-1", "back"]
    with pytest.raises(NotSeen, match="db-1, db-2, not by 1"):
        by_name["another member freezes"].run(stack)
    assert events[4] == "frozen db-2"
    writer[0] = "somebody"
    with pytest.raises(NotSeen, match="nobody writes"):
        ONE.writer(stack)


def test_each_of_several_applications_has_its_own_figures(events: list[str]) -> None:
    drill = lost(TWO, "db-1", "freezes", faults.way("freezes"), gap=3, limit="")
    figures = {figure.name: figure for figure in drill.run(Members().stack)}
    assert events[:3] == [
        "ledger over web-1: 10.0.0.8:3306 10.0.0.8:3306 drill_ledger 60",
        "ledger over office-1: 10.0.0.9:3306 10.0.0.9:3306 drill_office 60",
        "frozen db-1",
    ]
    assert {figures[f"{name}: no write for"].goal for name in ("public", "office")} == {3}
    assert figures["public: servers that wrote"].value == 2, "several write at once"
    with TWO.written(Members().stack, gaps={"public": 8, "office": 1}) as check:
        pass
    gaps = [figure.goal for figure in check(Outage(100, 120)) if "no write for" in figure.name]
    assert gaps == [8, 1]


def test_all_are_lost_together_with_who_votes(events: list[str]) -> None:
    figures = {figure.name: figure for figure in all_lost(TWO, Members().stack, again=None)}
    assert "power_loss_of_all db-1 db-2 office-db-1 monitoring" in events
    assert figures["office: written again after the machines had started"].value == 1.5
    figures = {figure.name: figure for figure in all_lost(ONE, Members().stack)}
    assert figures["written again after the machines had started"].goal == 90
