"""What a stack prints as open, read for each who asks, and compared with what is found."""

import pytest

from drills.drill import NotSeen
from drills.ports import differing, figures, interesting, printed
from stacks.running import Running

EXPOSURE = {
    "the world": {"load balancer": [80, 443], "web-2": [8080]},
    "web-*": {"db-*": [3306]},
    "the private network": {"office": [873]},
    "monitoring": {"every machine": [9100]},
    "admin_cidrs": {"every machine": [22]},
}
MACHINES = {
    name: {"public": "198.51.100.1", "private": private, "via": None}
    for name, private in (("web-1", "10.0.0.1"), ("web-2", "10.0.0.2"), ("db-1", "10.0.0.3"), ("office", "10.0.0.4"))
} | {"monitoring": {"public": "198.51.100.9", "private": None, "via": None}}


@pytest.fixture(name="stack")
def _stack() -> Running:
    return Running("site", {"machines": MACHINES, "exposure": EXPOSURE})


def test_who_may_reach_what(stack: Running) -> None:
    world = {"load balancer": {80, 443}, "web-2": {8080}}
    assert printed(stack, "the world") == world
    assert printed(stack, "web-1") == {**world, "db-1": {3306}, "office": {873}}
    assert printed(stack, "db-1") == {**world, "office": {873}}
    watched = {name: {9100} for name in MACHINES}
    assert printed(stack, "monitoring") == {**watched, "load balancer": {80, 443}, "web-2": {8080, 9100}}


def test_what_is_printed_is_looked_for(stack: Running) -> None:
    assert {873, 3306, 8080, 9100, 22} <= interesting(stack)


def test_both_directions_differ(capsys: pytest.CaptureFixture[str]) -> None:
    found, said = {"db-1": {3306, 4444}, "web-1": {80}}, {"db-1": {3306}, "office": {873}}
    assert differing("web-2", found, said) == (2, 1)
    shown = capsys.readouterr().err
    assert "{'db-1': [4444], 'web-1': [80]}: not printed" in shown
    assert "{'office': [873]}: printed, but closed" in shown
    assert differing("web-2", said, said) == (0, 0)


def test_silence_everywhere_proves_nothing() -> None:
    with pytest.raises(NotSeen):
        figures(0, 0, 0)
