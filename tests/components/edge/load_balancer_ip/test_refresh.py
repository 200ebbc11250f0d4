"""The console program that puts deletions in force, against the sandbox's OVHcloud API."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import ovh
import pytest
from starlette.applications import Starlette

from pulumi_casebook.core.ovh_api import Failed
from pulumi_casebook.edge.load_balancer_ip.refresh import check, refresh
from sandbox.ovhcloud.app import create_app
from tests.ovhcloud.conftest import BALANCER, KEYS, TASK_SECONDS, Session, account, wait

__all__ = ["account"]  # a fixture
BASE = f"/ipLoadbalancing/{BALANCER}"


@pytest.fixture
def client(tmp_path: Path, account: Any) -> ovh.Client:
    app: Starlette = create_app(tmp_path / "account.sqlite", account, TASK_SECONDS)
    made = ovh.Client(endpoint="sandbox", **KEYS)
    made._session = Session(app)
    return made


def pending(client: ovh.Client) -> int:
    return sum(zone["number"] for zone in client.get(f"{BASE}/pendingChanges"))


def add_farm(client: ovh.Client) -> int:
    number: int = client.post(f"{BASE}/tcp/farm", zone="all", displayName="web", port=80)["farmId"]
    return number


def test_what_was_deleted_is_no_longer_in_force(client: ovh.Client) -> None:
    farm = add_farm(client)
    assert refresh(client, BALANCER, lambda _: wait()) == f"{BALANCER}: in force"
    client.delete(f"{BASE}/tcp/farm/{farm}")
    assert pending(client) > 0
    assert refresh(client, BALANCER, lambda _: wait()) == f"{BALANCER}: in force"
    assert pending(client) == 0


def test_nothing_pending_starts_no_task(client: ovh.Client) -> None:
    assert refresh(client, BALANCER) == f"{BALANCER}: nothing was pending"
    assert client.get(f"{BASE}/task") == []


def test_another_refresh_is_waited_for(client: ovh.Client) -> None:
    add_farm(client)
    client.post(f"{BASE}/refresh")
    add_farm(client)
    assert refresh(client, BALANCER, lambda _: wait()) == f"{BALANCER}: in force"
    assert pending(client) == 0


class Scripted:
    """An API that answers from a script: path's last part -> answers, one after the other."""

    def __init__(self, **answers: list[Any]) -> None:
        self.answers = answers

    def get(self, _target: str, _need_auth: bool = True, **query: Any) -> Any:
        if query:
            return []
        return self.answers[_target.rpartition("/")[2]].pop(0)

    def post(self, _target: str, _need_auth: bool = True, **body: Any) -> Any:
        del body
        answer = self.answers[f"post_{_target.rpartition('/')[2]}"].pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


ONE = [{"zone": "gra", "number": 1}]


def test_a_refresh_that_somebody_else_was_faster_with_is_tried_again() -> None:
    api = Scripted(
        pendingChanges=[ONE, ONE, []],
        post_refresh=[ovh.ResourceConflictError("a task is running"), {"id": 7}],
        **{"7": [{"status": "doing"}, {"status": "done"}]},
    )
    assert refresh(api, BALANCER, lambda _: None) == f"{BALANCER}: in force"


@pytest.mark.parametrize("status", ["error", "blocked", "cancelled"])
def test_a_task_that_fails_is_an_error(status: str) -> None:
    api = Scripted(pendingChanges=[ONE], post_refresh=[{"id": 7}], **{"7": [{"status": status}]})
    with pytest.raises(Failed, match=rf"refresh \(task 7\) ended as '{status}'; what was deleted is still served"):
        refresh(api, BALANCER, lambda _: None)


def test_check_proves_that_the_service_can_be_reached(client: ovh.Client) -> None:
    assert check(client, BALANCER) == f"{BALANCER}: can be refreshed"
    with pytest.raises(ovh.APIError):
        check(client, "loadbalancer-of-somebody-else")


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "OVH_ENDPOINT=: name OVHcloud's API (ovh-eu, ovh-ca, ovh-us) or give its URL"),
        ({"OVH_ENDPOINT": "ovh-eu"}, "Check OVH_ENDPOINT, OVH_APPLICATION_KEY"),
        (
            {"OVH_ENDPOINT": "http://127.0.0.1:9/1.0", **{f"OVH_{key.upper()}": "x" for key in KEYS}},
            "Check OVH_ENDPOINT, OVH_APPLICATION_KEY",
        ),
    ],
    ids=["no endpoint", "no keys", "nobody there"],
)
def test_the_program_says_what_to_do(environment: dict[str, str], message: str, tmp_path: Path) -> None:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("OVH_")}
    program = Path(sys.executable).with_name("casebook-load-balancer")
    done = subprocess.run(
        [program, "check", BALANCER], env={**kept, "HOME": str(tmp_path), **environment}, cwd=tmp_path,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
