"""`up` killed with all that it has started, at three moments: the next one goes on, and nothing is there twice.

The short form of the drill that does so at twenty random moments (drills/deployment.py).
"""

import functools
from collections.abc import Iterator
from typing import Any

import pytest

from drills.deployment import disagreements, killed_after
from stacks.clouds import Clouds
from stacks.environment import prepare
from tests.stacks.running import credentials, make, outputs, token_of

pytestmark = [pytest.mark.sandbox, pytest.mark.stack("giroptic")]
BALANCER = "/ipLoadbalancing/loadbalancer-a94d6be0172c4f53b8e9350f6d1c7b42"
ZONE = "/domain/zone/giroptic.example/record"


@pytest.fixture(scope="module", name="clouds", autouse=True)
def _clouds() -> Iterator[Clouds]:
    """The account, before `up` and after `destroy`."""
    prepare(cloud=True)  # a sandbox that `up` had to start would be killed with it
    yield Clouds(credentials())
    make("destroy", "giroptic", "--ignore-protect")


def users() -> str:
    return f"/cloud/project/{credentials()['OVH_CLOUD_PROJECT_SERVICE']}/user"


def things(clouds: Clouds) -> dict[str, int]:
    """How many of each kind the account has."""
    kinds = (users(), ZONE, f"{BALANCER}/tcp/farm", f"{BALANCER}/tcp/frontend")
    containers = len(list(clouds.openstack("GRA").object_store.containers()))
    return {**{kind.rpartition("/")[2]: len(clouds.ovh(kind)) for kind in kinds}, "container": containers}


def is_other(clouds: Clouds, path: str, before: Any) -> bool:
    return bool(clouds.ovh(path) != before)


def test_a_killed_up_goes_on_and_makes_nothing_twice(clouds: Clouds) -> None:
    assert not any(things(clouds).values()), "the account is empty at first"
    for path in (users(), ZONE, f"{BALANCER}/tcp/farm"):
        before = clouds.ovh(path)
        more = functools.partial(is_other, clouds, path, before)
        assert killed_after("giroptic", 240, more) is None, f"up ended before there was something new in {path}"
        assert more(), f"nothing new in {path}"
    assert "an earlier run ended in the middle of" in make("up", "giroptic")
    assert things(clouds) == {"user": 2, "record": 3, "farm": 2, "frontend": 2, "container": 2}
    assert not +disagreements("giroptic")


def test_logins_that_were_being_made_are_whole() -> None:
    for login in outputs("giroptic")["logins"].values():
        assert token_of(**login)


def test_destroy_leaves_nothing_of_the_killed_runs(clouds: Clouds) -> None:
    make("destroy", "giroptic", "--ignore-protect")
    assert not any(things(clouds).values())
