"""Drills of a pair: back to how it was, who writes, and what an operator has to do."""

import json

import pytest

from drills.drill import NotSeen
from drills.packs.mysql_pair import Pair, drills, rejoined
from tests.drills.stack import FakeStack

PAIR = Pair("db-1", "db-2", over="web-3", claims=("SIT-1",))
MACHINES = {"db-1": "10.0.0.1", "db-2": "10.0.0.2", "web-3": "10.0.0.3"}


class Databases:
    """Who writes, and who has to be made to follow by command."""

    def __init__(self, writer: str, stray: str = "") -> None:
        self.writer, self.stray = writer, stray
        answers = {"status": self.status, "promote": self.promote, "rejoin": self.rejoin}
        self.stack = FakeStack(MACHINES, {f"mysql-pair {word}": answer for word, answer in answers.items()})

    def status(self, machine: str) -> str:
        if machine == self.writer:
            return json.dumps({"role": "writer"})
        return json.dumps({"role": "replica", "lag": None if machine == self.stray else 0})

    def promote(self, machine: str) -> str:
        self.writer = machine
        return ""

    def rejoin(self, machine: str) -> str:
        assert machine == self.stray
        self.stray = ""
        return ""

    def commands(self) -> list[tuple[str, str]]:
        words = [(machine, command.removeprefix("sudo mysql-pair ")) for machine, command in self.stack.asked]
        return [(machine, command.strip()) for machine, command in words if command != "status"]


def test_the_first_writes_at_first() -> None:
    databases = Databases("db-2")
    PAIR.at_first(databases.stack)
    PAIR.at_first(databases.stack)
    assert databases.commands() == [("db-1", "promote")]


def test_one_that_does_not_come_back_by_itself_needs_a_command() -> None:
    databases = Databases("db-2", stray="db-1")
    assert rejoined(databases.stack, "db-1")[1] == 1
    assert databases.commands() == [("db-1", "rejoin --discard")]
    assert rejoined(Databases("db-2").stack, "db-1")[1] == 0


def run(name: str, databases: Databases) -> dict[str, float]:
    [drill] = [one for one in drills(PAIR) if one.name == name]
    return {figure.name: figure.value for figure in drill.run(databases.stack)}


def test_every_way_of_each_and_both_promotions_are_drilled() -> None:
    names = [drill.name for drill in drills(PAIR)]
    assert len(names) == len(set(names)) == 16
    assert {drill.claims for drill in drills(PAIR)} == {("SIT-1",)}
    assert all(drill.limit for drill in drills(PAIR) if "the primary" in drill.name)


def test_the_application_writes_to_the_writer_and_reads_from_the_other(events: list[str]) -> None:
    databases = Databases("db-1")
    with pytest.raises(NotSeen, match="db-1, db-2, not by 1"):
        run("db-2, the replica, loses power", databases)
    assert events[0] == "ledger over web-3: 10.0.0.9:3306 10.0.0.2:3306 drill_ledger 180"
    assert events[1] == "power_loss db-2"


def test_it_is_promoted_as_planned_and_goes_home(events: list[str]) -> None:
    databases = Databases("db-1")
    figures = run("db-2 is promoted as planned, and db-1 again", databases)
    assert databases.commands() == [("db-2", "promote"), ("db-1", "promote")]
    assert figures["acknowledged writes lost"] == figures["acknowledged writes lost on the way home"] == 0
    assert [event.split()[4] for event in events] == ["10.0.0.1:3306", "10.0.0.2:3306"], "who does not write is read"


def test_after_a_loss_it_is_promoted_while_the_first_is_off(events: list[str]) -> None:
    databases = Databases("db-1", stray="db-1")
    figures = run("db-1 loses power and db-2 is promoted", databases)
    assert events[1:] == ["power_loss db-1", "back"]
    assert databases.commands() == [
        *(("db-2", "promote --peer-is-off"), ("db-1", "rejoin --discard")),
        ("db-1", "promote"),  # as it was at first
    ]
    assert figures["commands that needed, besides promote"] == 1
    assert figures["its rows that nobody replicated named"] == 1
