"""`up` killed with all that it has started, at three moments: the next one goes on, and nothing is there twice."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stacks.clouds import Clouds
from stacks.target import CHECKOUT, prepare
from tests.stacks.running import environment, make, operator, outputs, token_of

pytestmark = [pytest.mark.sandbox, pytest.mark.stack("giroptic")]
BALANCER = "/ipLoadbalancing/loadbalancer-a94d6be0172c4f53b8e9350f6d1c7b42"
ZONE = "/domain/zone/giroptic.example/record"


@pytest.fixture(scope="module", name="clouds", autouse=True)
def _clouds() -> Iterator[Clouds]:
    """The account, before `up` and after `destroy`."""
    prepare(cloud=True)  # a sandbox that `up` had to start would be killed with it
    yield Clouds(environment())
    make("destroy", "giroptic")


def users() -> str:
    return f"/cloud/project/{environment()['OVH_CLOUD_PROJECT_SERVICE']}/user"


def kill_up_when(clouds: Clouds, path: str) -> None:
    """Kill an `up` as soon as the account has something there that it had not."""
    before = clouds.ovh(path)
    command = [sys.executable, "-m", "stacks", "up", "giroptic"]
    with subprocess.Popen(
        command,
        cwd=CHECKOUT,
        env=operator(),
        start_new_session=True,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as up:
        deadline = time.monotonic() + 240
        try:
            while clouds.ovh(path) == before:
                assert up.poll() is None, up.communicate()[0][-3000:]
                assert time.monotonic() < deadline, f"nothing new in {path}"
        finally:
            for process in of_session(up.pid):
                os.kill(process, signal.SIGKILL)


def of_session(leader: int) -> list[int]:
    """The processes of a session: plugins are in groups of their own."""
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, session = int(file.parent.name), int(file.read_text().rpartition(")")[2].split()[3])
        except OSError:  # it has ended
            continue
        found += [pid] if session == leader else []
    return found


def everything(clouds: Clouds) -> Counter[tuple[Any, ...]]:
    """What the account has of Giroptic, by what tells one from another."""
    found: Counter[tuple[Any, ...]] = Counter(("user", one["description"]) for one in clouds.ovh(users()))
    records = [clouds.ovh(f"{ZONE}/{number}") for number in clouds.ovh(ZONE)]
    found.update((one["fieldType"], one["subDomain"], one["target"]) for one in records)
    for kind in ("tcp/farm", "tcp/frontend"):
        for number in clouds.ovh(f"{BALANCER}/{kind}"):
            found[kind, clouds.ovh(f"{BALANCER}/{kind}/{number}")["displayName"]] += 1
            if kind == "tcp/farm":
                base = f"{BALANCER}/{kind}/{number}/server"
                found.update(("server", number, clouds.ovh(f"{base}/{one}")["address"]) for one in clouds.ovh(base))
    found.update(("container", one.name) for one in clouds.openstack("GRA").object_store.containers())
    return found


def test_a_killed_up_goes_on_and_makes_nothing_twice(clouds: Clouds) -> None:
    assert not everything(clouds), "the account is empty at first"
    for path in (users(), ZONE, f"{BALANCER}/tcp/farm"):
        kill_up_when(clouds, path)
    printed = make("up", "giroptic")
    assert "an earlier run was killed in the middle of" in printed
    made = everything(clouds)
    assert set(made.values()) == {1}, made
    assert Counter(kind for kind, *_ in made) == {
        "user": 2, "A": 3, "tcp/farm": 2, "tcp/frontend": 2, "server": 4, "container": 2
    }  # fmt: skip
    assert " unchanged" in make("up", "giroptic", "--expect-no-changes")


def test_logins_that_were_being_made_are_whole() -> None:
    for login in outputs("giroptic")["logins"].values():
        assert token_of(**login)


def test_destroy_leaves_nothing_of_the_killed_runs(clouds: Clouds) -> None:
    make("destroy", "giroptic")
    assert not everything(clouds)
