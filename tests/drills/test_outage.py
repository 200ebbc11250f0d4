"""A fault under load: what is watched, in which order, and what it may cost."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from drills import faults, outage
from drills.drill import Figure
from drills.load import Load, Request
from drills.outage import Bears, Check, Outage, machine_lost, served
from stacks.deployed_stack import DeployedStack
from tests.drills.stack import FakeStack


@pytest.fixture(name="told")
def _told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr("time.sleep", lambda seconds: found.append(f"{seconds} s"))
    monkeypatch.setattr("time.time", lambda: 200.0)
    return found


@pytest.fixture(name="stack")
def _stack() -> FakeStack:
    return FakeStack({}, {})


def broken(told: list[str]) -> faults.Fault:
    @contextlib.contextmanager
    def fault(_: DeployedStack) -> Iterator[float]:
        told.append("broken")
        yield 100.0
        told.append("back")

    return fault


@contextlib.contextmanager
def watching(told: list[str], name: str) -> Iterator[Check]:
    def check(when: Outage) -> list[Figure]:
        told.append(f"check {name}")
        return [Figure(name, when.over - when.began)]

    told.append(f"watch {name}")
    yield check
    told.append(f"end {name}")


def seen(told: list[str], what: str) -> list[Figure]:
    told.append(what)
    return [Figure(what, 0)]


def test_it_is_watched_from_before_the_fault_until_all_has_recovered(stack: FakeStack, told: list[str]) -> None:
    figures = outage.outage(
        stack,
        broken(told),
        20,
        watching(told, "one"),
        watching(told, "two"),
        meanwhile=lambda began: seen(told, f"meanwhile {began:g}"),
        recovered=lambda: seen(told, "recovered"),
    )
    assert told == [
        *("watch one", "watch two", "5 s", "broken", "meanwhile 100", "20 s", "back", "recovered", "5 s"),
        *("end two", "end one", "check one", "check two"),
    ]
    assert [figure.name for figure in figures] == ["one", "two", "meanwhile 100", "recovered"]
    assert figures[0].value == 100


class Requests(Load):
    """Those of a run that is over."""

    def __init__(self, requests: list[Request]) -> None:
        self.requests = requests

    def stop(self) -> None:
        """Nothing runs."""


@pytest.fixture(name="asked")
def _asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """A request before the fault at 100, three that fail in it, one that fails when all is back, at 200."""
    found: list[dict[str, Any]] = []
    moments = ((95, 200), (101, 0), (103, 503), (104, 0), (110, 200), (201, 0))
    requests = [Request(began, began + 1, status, "") for began, status in moments]

    @contextlib.contextmanager
    def load(targets: list[str], **options: Any) -> Iterator[Load]:
        found.append({"targets": targets, **options})
        yield Requests(requests)

    monkeypatch.setattr(outage, "load", load)
    return found


def test_requests_may_fail_so_often_and_so_long(asked: list[dict[str, Any]]) -> None:
    with served(["GET http://192.0.2.1/"], 30, failed=4, clean=5) as check:
        pass
    figures = {figure.name: figure for figure in check(Outage(100, 200))}
    assert asked[0]["rate"] == 30
    assert asked[0]["strangers"]
    assert (figures["requests sent"].value, figures["requests failed"].value) == (6, 4)
    assert figures["clean after"] == Figure("clean after", 5, "s", goal=5)
    assert [name for name, figure in figures.items() if not figure.held] == ["requests failed when it came back"]


@pytest.mark.usefixtures("asked")
def test_a_machine_is_lost_in_every_way(stack: FakeStack, told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    lasted: list[tuple[str, Any]] = []
    for name in ("killed", "power_loss", "frozen", "cut_off", "full_disk"):

        def fault(_: Any, name: str = name, **options: Any) -> Any:
            assert options.pop("machine") == "web-1"
            lasted.append((name, options.get("seconds", options.get("unit"))))
            return broken(told)(stack)

        monkeypatch.setattr(faults, name, fault)
    drills = machine_lost(
        "web-1",
        lambda _: ["GET http://192.0.2.1/"],
        30,
        killed={"php8.4-fpm": Bears(10, 4, "soon again")},
        lost=Bears(20, 8, "found dead"),
        share=1 / 8,
        claims=("SIT-1",),
        promise="nobody notices",
    )
    assert [(drill.name, drill.limit) for drill in drills] == [
        ("web-1 has php-fpm killed", "soon again"),
        ("web-1 loses power", "found dead"),
        ("web-1 freezes", "found dead"),
        ("web-1 is cut off", "found dead"),
        ("web-1 has a full disk", ""),
    ]
    goals = []
    for drill in drills:
        figures = {figure.name: figure for figure in drill.run(stack)}
        goals.append((figures["requests failed"].goal, figures["clean after"].goal))
    assert goals == [(15, 4), (30, 8), (30, 8), (30, 8), (0, 0)]
    assert lasted == [
        ("killed", "php8.4-fpm"),
        ("power_loss", None),
        *((name, 25) for name in ("frozen", "cut_off", "full_disk")),
    ]
    assert [told[n + 1] for n, what in enumerate(told) if what == "broken"] == ["10 s", *4 * ["20 s"]]
