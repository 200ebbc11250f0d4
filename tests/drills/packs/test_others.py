"""Addresses that move, backups that rot, and who is told."""

import contextlib
import json
from collections.abc import Iterator

import pytest

from drills.drill import Figure, NotSeen
from drills.packs import backup, monitoring
from drills.packs.drp_replica_site import Sites
from drills.packs.haproxy_tier import Members
from stacks.deployed_stack import CommandFailed
from tests.drills.stack import FakeStack

MACHINES = {"front-1": "10.0.0.1", "front-2": "10.0.0.2", "db-1": "10.0.0.3"}
FRONTS = Members("front-*", "10.0.0.0/24")


def on(addresses: dict[str, list[str]]) -> FakeStack:
    def devices(machine: str) -> str:
        found = [MACHINES[machine], "192.0.2.1", *addresses.get(machine, [])]
        return json.dumps([{"addr_info": [{"local": one} for one in found]}])

    return FakeStack(MACHINES, {"ip -json": devices})


def test_an_address_is_found_where_it_is() -> None:
    stack = on({"front-2": ["10.0.0.9"]})
    assert FRONTS.holder(stack) == "front-2"
    assert FRONTS.moving(stack, "front-1") == set()
    assert FRONTS.names(stack) == ["front-1", "front-2"]


@pytest.mark.usefixtures("events")
def test_an_address_that_is_nowhere_else_is_not_seen_to_move() -> None:
    addresses = {"front-1": ["10.0.0.8"], "front-2": ["10.0.0.9"]}
    stack = on(addresses)
    assert FRONTS.at_home(stack) > 0
    see = FRONTS.elsewhere(stack, "front-1")
    with pytest.raises(NotSeen, match=r"10\.0\.0\.8 elsewhere"):
        see(0)
    addresses["front-2"].append("10.0.0.8")
    assert see(0) == ()
    with pytest.raises(NotSeen, match="each one's own address"):
        FRONTS.at_home(stack)


@contextlib.contextmanager
def rotten(state: list[str]) -> Iterator[None]:
    state.append("rot")
    yield
    state.remove("rot")


@pytest.mark.parametrize(("blind", "broken", "noticed"), [(False, False, 1), (True, False, 0), (False, True, None)])
def test_rot_counts_only_in_what_is_sound_otherwise(blind: bool, broken: bool, noticed: int | None) -> None:
    state: list[str] = []

    def verify(_: str) -> str:
        if (state and not blind) or broken:
            raise CommandFailed("damaged")
        return ""

    stack = FakeStack(MACHINES, {"verify": verify})
    if noticed is None:
        with pytest.raises(NotSeen, match="not sound without the rot"):
            backup.rot_noticed(stack, "db-1", "verify", rotten(state))
    else:
        figure = backup.rot_noticed(stack, "db-1", "verify", rotten(state))[0]
        assert (figure.value, figure.held) == (noticed, bool(noticed))


def test_units_start_again_in_the_other_order() -> None:
    stack = FakeStack(MACHINES, {})
    with monitoring.without(stack, "db-1", "mysql-pair mariadb"):
        assert stack.asked == [("db-1", "sudo systemctl stop mysql-pair mariadb")]
    assert stack.asked[1] == ("db-1", "sudo systemctl start mariadb mysql-pair")


def test_several_faults_at_once_are_told(events: list[str]) -> None:
    told = iter([[], [("MachineDown", "front-2")], [("BackupTooOld", "site"), ("MachineDown", "front-2")]])
    shown = (json.dumps([{"labels": {"alertname": name, "machine": of}} for name, of in alerts]) for alerts in told)
    stack = FakeStack(MACHINES, {"/api/v2/alerts": lambda _: next(shown)})
    figures = monitoring.somebody_is_told(
        stack,
        stopped={"front-1": "nginx"},
        old=("db-1", "backup-site"),
        off="front-2",
        wanted={("MachineDown", "front-2"): 145, ("BackupTooOld", "site"): 25},
    )
    assert events == ["power_loss front-2", "back"]
    assert [(figure.name, figure.value, figure.goal) for figure in figures] == [
        ("alert MachineDown front-2 after", 20, 145),
        ("alert BackupTooOld site after", 20, 25),
    ]
    assert ("front-1", "sudo systemctl start nginx") in stack.asked


def test_the_second_site_takes_over_while_the_first_is_off(events: list[str]) -> None:
    stack = FakeStack(MACHINES, {"drp status": json.dumps({"serves": "primary", "primary": {"follows": True}})})
    looked: list[bool] = []

    def look() -> list[Figure]:
        looked.append(("db-1", "sudo drp failover") in stack.asked)
        return []

    figures = Sites("db-1", ["front-1"], ["front-2"]).first_site_lost(stack, there=look)
    assert events == ["power_loss_of_all front-2", "power_loss_of_all front-1", "back", "back"]
    assert looked == [True]
    assert [figure.name for figure in figures][:2] == ["until the command was given", "the command took"]
