"""An account like the sandbox's, its API over a fresh database, and clients that sign as a customer does."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ovh
import ovh.client
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from sandbox.ovhcloud.account import load_account
from sandbox.ovhcloud.app import create_app
from sandbox.ovhcloud.store import Object

ACCOUNT = Path(__file__).parents[2] / "sandbox/account.yaml"
PROJECT = "0123456789ab4cdef0123456789abcde"
KEYS = {"application_key": "ak", "application_secret": "as", "consumer_key": "ck"}
TASK_SECONDS = 12.0  # thirds of it, which states last, are exact
BALANCER = "loadbalancer-3f1c0a7de52b49868c01d4e7a9b2f356"
SERVER = "ns31000001.ip-198-18-16-1.eu"
VPS = "vps-0a1b2c01.vps.ovh.net"
ovh.client.ENDPOINTS["sandbox"] = "http://testserver/1.0"

Client = Callable[..., Any]


class Clock:
    """The time of the tasks of `app`: it stands still until a test waits."""

    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


CLOCK = Clock()


def wait() -> None:
    """Until every task of `app` is over."""
    CLOCK.time += TASK_SECONDS


class Session:
    """What the ovh client needs of a requests session, over the application itself."""

    def __init__(self, app: Starlette) -> None:
        self.http = TestClient(app)

    def request(self, method: str, url: str, headers: Any = None, data: str = "", timeout: Any = None) -> Any:  # noqa: ARG002
        return self.http.request(method, url, headers=headers, content=data)


def client(app: Starlette, **changes: str) -> Client:
    """`call(method, path, body)` through OVHcloud's own client, with the account's keys."""
    made = ovh.Client(endpoint="sandbox", **{**KEYS, **changes})
    made._session = Session(app)

    def call(method: str, path: str, body: Any = None) -> Any:
        return made.call(method, path, body, True)

    return call


@pytest.fixture
def account(tmp_path: Path) -> Object:
    (tmp_path / "project.json").write_text(json.dumps({"project_id": PROJECT, "ovh": KEYS}))
    (tmp_path / "key.pub").write_text("ssh-ed25519 AAAA customer\n")
    return load_account(ACCOUNT, tmp_path / "project.json", tmp_path / "key.pub")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "account.sqlite"


@pytest.fixture
def app(database: Path, account: Object) -> Starlette:
    made = create_app(database, account, TASK_SECONDS)
    made.state.tasks.clock = CLOCK
    return made


@pytest.fixture
def call(app: Starlette) -> Client:
    return client(app)
