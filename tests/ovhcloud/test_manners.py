"""The API's manners: signatures, strictness, tasks, restarts, and no secret written down."""

import itertools
import time
from pathlib import Path
from typing import Any

import ovh.exceptions
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.testclient import TestClient

from sandbox.ovhcloud.app import create_app
from sandbox.ovhcloud.auth import signature
from sandbox.ovhcloud.routing import ROUTES
from sandbox.ovhcloud.store import Object

from .conftest import BALANCER, CLOCK, KEYS, PROJECT, SERVER, TASK_SECONDS, VPS, Client, client, wait

LB, SERVERS = f"/ipLoadbalancing/{BALANCER}", f"/dedicated/server/{SERVER}"


def signed(app: Starlette, stamp: float, mark: str = "", **changes: str) -> Any:
    """One GET /me signed by hand."""
    keys = {**KEYS, **changes}
    text = str(int(stamp))
    headers = {
        "X-Ovh-Application": keys["application_key"],
        "X-Ovh-Consumer": keys["consumer_key"],
        "X-Ovh-Timestamp": text,
        "X-Ovh-Signature": signature(
            keys["application_secret"], keys["consumer_key"], "GET", f"http://testserver/1.0/me{mark}", "", text
        ),
    }
    return TestClient(app).get(f"/1.0/me{mark}", headers=headers)


class TestCredentials:
    def test_a_good_signature_passes(self, app: Starlette) -> None:
        assert signed(app, time.time()).json()["nichandle"] == "cb12345-ovh"

    def test_so_does_one_with_a_mark_and_no_query(self, app: Starlette) -> None:
        assert signed(app, time.time(), "?").json()["nichandle"] == "cb12345-ovh"

    @pytest.mark.parametrize(
        ("changes", "age", "status", "code"),
        [
            ({"application_secret": "wrong"}, 0, 400, "INVALID_SIGNATURE"),
            ({"application_key": "wrong"}, 0, 403, "INVALID_KEY"),
            ({"consumer_key": "wrong"}, 0, 403, "INVALID_CREDENTIAL"),
            ({}, 120, 400, "QUERY_TIME_OUT"),
        ],
    )
    def test_a_wrong_one_is_refused_as_documented(
        self, app: Starlette, changes: dict[str, str], age: int, status: int, code: str
    ) -> None:
        answer = signed(app, time.time() - age, **changes)
        assert (answer.status_code, answer.json()["errorCode"]) == (status, code)
        assert answer.json()["message"]
        assert answer.json()["httpCode"].startswith(str(status))

    def test_none_at_all(self, app: Starlette) -> None:
        answer = TestClient(app).get("/1.0/me")
        assert (answer.status_code, answer.json()["errorCode"]) == (403, "NOT_CREDENTIAL")

    def test_a_bearer_token_is_not_known(self, app: Starlette) -> None:
        answer = TestClient(app).get("/1.0/me", headers={"Authorization": "Bearer x"})
        assert answer.json()["errorCode"] == "INVALID_CREDENTIAL"

    def test_the_time_is_told_to_anybody(self, app: Starlette) -> None:
        assert abs(TestClient(app).get("/1.0/auth/time").json() - time.time()) < 5

    def test_the_signature_covers_the_body(self, app: Starlette) -> None:
        text = str(int(time.time()))
        url = f"http://testserver/1.0{LB}/http/farm"
        headers = {
            "X-Ovh-Application": "ak",
            "X-Ovh-Consumer": "ck",
            "X-Ovh-Timestamp": text,
            "X-Ovh-Signature": signature("as", "ck", "POST", url, '{"zone": "rbx"}', text),
        }
        assert TestClient(app).post(url, headers=headers, content='{"zone": "gra"}').status_code == 400
        assert TestClient(app).post(url, headers=headers, content='{"zone": "rbx"}').status_code == 200


class TestStrictness:
    @pytest.mark.parametrize("path", ["/nowhere", "/vrack/pn-1001/x", f"{SERVERS}/task/1/x", "/vrack/pn-1/task"])
    def test_unknown_paths(self, call: Client, path: str) -> None:
        with pytest.raises(ovh.exceptions.ResourceNotFoundError):
            call("GET", path)

    def test_a_method_that_is_not_there(self, call: Client) -> None:
        with pytest.raises(ovh.exceptions.APIError, match="Method not allowed"):
            call("DELETE", "/me")

    def test_other_versions_of_the_path(self, app: Starlette) -> None:
        assert TestClient(app).get("/2.0/me").status_code == 404

    @pytest.mark.parametrize(
        ("body", "name"),
        [
            ({}, "zone"),
            ({"zone": 3}, "zone"),
            ({"zone": None}, "zone"),
            ({"zone": "rbx", "port": 0}, "port"),
            ({"zone": "rbx", "port": "80"}, "port"),
            ({"zone": "rbx", "port": True}, "port"),
            ({"zone": "rbx", "x": 1}, "x"),
            ({"zone": "paris"}, "paris"),
            ({"zone": "rbx", "balance": "best"}, "balance"),
            ({"zone": "rbx", "probe": {"type": "http", "x": 1}}, "probe.x"),
            ({"zone": "rbx", "probe": []}, "probe"),
            ({"zone": "rbx", "probe": {"type": "http", "interval": 5}}, "interval"),
            ({"zone": "rbx", "vrackNetworkId": 12}, "vrackNetworkId"),
            ([], "body"),
            ("x", "body"),
        ],
    )
    def test_a_bad_body_names_its_field(self, call: Client, body: Any, name: str) -> None:
        with pytest.raises((ovh.exceptions.BadParametersError, ovh.exceptions.ResourceNotFoundError), match=name):
            call("POST", f"{LB}/http/farm", body)

    def test_a_body_that_is_not_json(self, app: Starlette) -> None:
        text = str(int(time.time()))
        url = "http://testserver/1.0/vrack/pn-1001"
        headers = {
            "X-Ovh-Application": "ak",
            "X-Ovh-Consumer": "ck",
            "X-Ovh-Timestamp": text,
            "X-Ovh-Signature": signature("as", "ck", "PUT", url, "{", text),
        }
        answer = TestClient(app).put(url, headers=headers, content="{")
        assert (answer.status_code, answer.json()["class"]) == (400, "Client::BadRequest")

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_no_body_whatever_breaks_a_handler(self, call: Client, data: st.DataObject) -> None:
        """Every POST and PUT answers any JSON with success or with a documented refusal, never with a 500."""
        routes = [found for found in ROUTES if found.method in ("POST", "PUT") and "v2" not in found.template]
        values = {
            "service": BALANCER,
            "server": SERVER,
            "project": PROJECT,
            "vrack": "pn-1001",
            "zone": "sofoot.example",
            "name": VPS,
            "region": "GRA11",
        }
        found = data.draw(st.sampled_from(routes))
        path = "/".join(
            values.get(part.strip("{}").partition(":")[0], "1") if part.startswith("{") else part
            for part in found.template
        )
        leaf = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
        names = st.sampled_from(["zone", "port", "name", "regions", "interfaces", "operatingSystem", "to", "policy"])
        body = data.draw(st.recursive(leaf, lambda s: st.lists(s, max_size=2) | st.dictionaries(names, s, max_size=3)))
        refused = ""
        try:
            call(found.method, "/" + path, body)
        except ovh.exceptions.APIError as error:
            refused = str(error)
        assert "Internal server error" not in refused

    def test_no_two_routes_fit_the_same_path(self) -> None:
        for one, other in itertools.combinations(ROUTES, 2):
            pairs = zip(one.template, other.template, strict=False)
            alike = all(a == b or "{" in (a[0], b[0]) for a, b in pairs)
            assert not (alike and one.method == other.method and len(one.template) == len(other.template)), (one, other)


class TestTasks:
    def test_a_task_walks_through_its_states(self, call: Client) -> None:
        number = call("POST", f"{SERVERS}/reboot")["taskId"]
        seen = []
        for _ in range(4):
            seen.append(call("GET", f"{SERVERS}/task/{number}")["status"])
            CLOCK.time += TASK_SECONDS * 0.35
        assert seen == ["init", "todo", "doing", "done"]
        assert call("GET", f"{SERVERS}/task/{number}")["doneDate"]

    def test_one_task_at_a_time(self, call: Client) -> None:
        call("POST", f"{SERVERS}/reboot")
        with pytest.raises(ovh.exceptions.ResourceConflictError, match="Action pending"):
            call("POST", f"{SERVERS}/reboot")

    def test_a_restart_in_the_middle_loses_nothing(self, call: Client, database: Path, account: Object) -> None:
        task = call("POST", "/vrack/pn-1001/ipLoadbalancing", {"ipLoadbalancing": BALANCER})
        restarted = create_app(database, account, TASK_SECONDS)
        restarted.state.tasks.clock = CLOCK
        again = client(restarted)
        assert again("GET", f"/vrack/pn-1001/task/{task['id']}")["status"] == "init"
        wait()
        with pytest.raises(ovh.exceptions.ResourceNotFoundError):
            again("GET", f"/vrack/pn-1001/task/{task['id']}")
        assert again("GET", LB)["vrackName"] == "pn-1001"

    def test_a_request_that_fails_half_way_changes_nothing(
        self, app: Starlette, call: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        call("POST", "/vrack/pn-1001/cloudProject", {"project": PROJECT})
        wait()
        call("GET", "/me")
        before = app.state.store.everything()
        monkeypatch.setattr(app.state.openstack, "create_network", lambda *_: 1 // 0)
        with pytest.raises(ovh.exceptions.APIError, match="Internal server error"):
            call("POST", f"/cloud/project/{PROJECT}/network/private", {"name": "n"})
        assert app.state.store.everything() == before


class TestSecrets:
    def test_the_log_keeps_requests_without_their_secrets(self, app: Starlette, call: Client) -> None:
        call(
            "POST",
            f"{SERVERS}/reinstall",
            {
                "operatingSystem": "debian13_64",
                "customizations": {"hostname": "web-1", "sshKey": "SECRET-1", "configDriveUserData": "SECRET-2"},
            },
        )
        user = call("POST", f"/cloud/project/{PROJECT}/user", {"description": "backup"})
        wait()
        made = call("POST", f"/cloud/project/{PROJECT}/user/{user['id']}/s3Credentials")
        log = TestClient(app).get("/sandbox/requests").text + TestClient(app).get("/sandbox/objects").text
        assert "web-1" in log
        for secret in ("SECRET-1", "SECRET-2", user["password"], made["secret"]):
            assert secret not in log

    @pytest.mark.usefixtures("app")
    def test_only_the_owner_may_read_the_database(self, database: Path) -> None:
        assert database.stat().st_mode & 0o077 == 0


def test_a_full_disk_is_told_and_passes(app: Starlette, call: Client) -> None:
    store = app.state.store
    pages = store.db.execute("PRAGMA page_count").fetchone()[0]
    store.db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(ovh.exceptions.APIError, match="disk full"):
        call("PUT", "/vrack/pn-1001", {"description": "long" * 20000})
    store.db.execute("PRAGMA max_page_count = 1000000")
    call("PUT", "/vrack/pn-1001", {"description": "there is room again"})
    assert call("GET", "/vrack/pn-1001")["description"] == "there is room again"
