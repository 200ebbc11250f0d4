"""A service account may do what policies allow it, on the resources that they name, and nothing else."""

from typing import Any

import pytest
from ovh.exceptions import ResourceNotFoundError
from starlette.applications import Starlette
from starlette.testclient import TestClient

from .conftest import BALANCER, Client

FARM = f"/ipLoadbalancing/{BALANCER}/tcp/farm"
URN = f"urn:v1:eu:resource:loadbalancer:{BALANCER}"


class Bearer:
    """The API through a service account's token."""

    def __init__(self, app: Starlette, made: dict[str, str]) -> None:
        self.http = TestClient(app)
        form = {"grant_type": "client_credentials", "client_id": made["clientId"], "scope": "all"}
        answer = self.http.post("/auth/oauth2/token", data={**form, "client_secret": made["clientSecret"]})
        assert answer.status_code == 200
        self.token = answer.json()["access_token"]

    def __call__(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = self.http.request(method, f"/1.0{path}", headers=headers, json=body)
        return answer.status_code, answer.json()


@pytest.fixture(name="made")
def _made(call: Client) -> dict[str, str]:
    body = {"name": "watchdog", "description": "moves weights", "flow": "CLIENT_CREDENTIALS", "callbackUrls": []}
    made: dict[str, str] = call("POST", "/me/api/oauth2/client", body)
    return made


def policy(call: Client, identity: str, *actions: str, **more: list[dict[str, str]]) -> str:
    body = {
        "name": "watchdog",
        "identities": [identity],
        "resources": [{"urn": URN}],
        "permissions": {"allow": [{"action": action} for action in actions], **more},
    }
    return str(call("POST", "/v2/iam/policy", body)["id"])


def test_what_a_policy_allows_and_nothing_else(app: Starlette, call: Client, made: dict[str, str]) -> None:
    farm = call("POST", FARM, {"zone": "all", "port": 80})["farmId"]
    server = call("POST", f"{FARM}/{farm}/server", {"address": "10.0.0.1", "status": "active"})["serverId"]
    where = f"{FARM}/{farm}/server/{server}"
    bearer = Bearer(app, made)
    assert bearer("PUT", where, {"weight": 60})[0] == 403, "without a policy nothing is allowed"
    identity = call("GET", f"/me/api/oauth2/client/{made['clientId']}")["identity"]
    actions = ("loadbalancer:apiovh:tcp/farm/server/*", "loadbalancer:apiovh:refresh")
    number = policy(call, identity, *actions, **{"except": [{"action": "*/delete"}]})
    assert bearer("PUT", where, {"weight": 60})[0] == 200
    assert bearer("GET", where)[1]["weight"] == 60
    assert bearer("POST", f"/ipLoadbalancing/{BALANCER}/refresh", {})[0] == 200
    status, answer = bearer("DELETE", where)
    assert (status, answer["errorCode"]) == (403, "NOT_GRANTED_CALL")
    assert bearer("GET", FARM)[0] == 403, "farms were not named"
    other = next(name for name in call("GET", "/ipLoadbalancing") if name != BALANCER)
    assert bearer("POST", f"/ipLoadbalancing/{other}/refresh", {})[0] == 403, "another balancer"
    assert bearer("GET", "/me")[0] == 403
    call("DELETE", f"/v2/iam/policy/{number}")
    assert bearer("GET", where)[0] == 403


def test_a_policy_is_told_whole(call: Client) -> None:
    number = policy(call, "urn:v1:eu:identity:account:x", "*")
    found = call("GET", f"/v2/iam/policy/{number}")
    assert found["conditions"] is None
    assert found["resources"] == [{"urn": URN, "group": None, "resource": None}]
    conditions = {"operator": "MATCH", "values": {"request.IP": "192.0.2.1"}}
    body = {"name": "watchdog", "identities": ["urn"], "resources": [{"urn": URN}], "conditions": conditions}
    call("PUT", f"/v2/iam/policy/{number}", body)
    assert call("GET", f"/v2/iam/policy/{number}")["conditions"] == conditions


def test_a_secret_is_told_once_and_ends_with_the_account(app: Starlette, call: Client, made: dict[str, str]) -> None:
    found = call("GET", f"/me/api/oauth2/client/{made['clientId']}")
    assert made["clientSecret"] not in str(found)
    bearer = Bearer(app, made)
    with pytest.raises(AssertionError):
        Bearer(app, {**made, "clientSecret": "guessed"})
    call("DELETE", f"/me/api/oauth2/client/{made['clientId']}")
    assert bearer("GET", f"/ipLoadbalancing/{BALANCER}")[1]["errorCode"] == "INVALID_CREDENTIAL"
    with pytest.raises(ResourceNotFoundError):
        call("GET", f"/me/api/oauth2/client/{made['clientId']}")
