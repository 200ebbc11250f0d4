"""Errors that the APIs make on purpose: what a customer gets, what was done all the same, and when it is over."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ovh.exceptions import APIError
from starlette.applications import Starlette
from starlette.testclient import TestClient

from sandbox import faults
from sandbox.faults import Fault

from .conftest import BALANCER, CLOCK, TASK_SECONDS, Client, wait

FARMS = f"/ipLoadbalancing/{BALANCER}/tcp/farm"
FARM = {"zone": "all"}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "FILE", tmp_path / "faults.json")
    monkeypatch.setattr(faults, "MADE", tmp_path / "faults.log")
    monkeypatch.setattr(faults, "GATEWAY_SECONDS", 0.0)


def put(*words: str) -> None:
    faults.set_to(map(Fault.parsed, words))


def status(call: Client, *request: Any) -> int:
    with pytest.raises(APIError) as error:
        call(*request)
    answer = error.value.response
    return answer.status_code if answer is not None else 0


@pytest.mark.parametrize("kind", ["429", "500", "503"])
def test_what_is_refused_is_not_done(call: Client, kind: str) -> None:
    put(f"{kind}=1@POST")
    assert status(call, "POST", FARMS, FARM) == int(kind)
    assert call("GET", FARMS) == [], "a GET is not a POST"


def test_too_many_requests_say_when_to_come_again(call: Client) -> None:
    put("429=1")
    with pytest.raises(APIError) as error:
        call("GET", FARMS)
    assert error.value.response.headers["Retry-After"] == str(faults.RETRY_AFTER)


def test_an_answer_that_is_lost_leaves_what_was_made(call: Client) -> None:
    put("504=1@POST")
    with pytest.raises(APIError, match="decode"):
        call("POST", FARMS, FARM)
    assert len(call("GET", FARMS)) == 1


def test_slow_tasks_take_longer_and_others_do_not(call: Client) -> None:
    put("slow=1@cloudProject")
    slow = call("POST", "/vrack/pn-1001/ipLoadbalancing", {"ipLoadbalancing": BALANCER})
    wait()
    assert slow["id"] not in call("GET", "/vrack/pn-1001/task"), "it is not one of the slow ones"
    put("slow=1@POST /1.0/vrack")
    call("DELETE", f"/vrack/pn-1001/ipLoadbalancing/{BALANCER}")
    wait()
    slow = call("POST", "/vrack/pn-1001/ipLoadbalancing", {"ipLoadbalancing": BALANCER})
    wait()
    assert call("GET", f"/vrack/pn-1001/task/{slow['id']}")["status"] != "done"
    CLOCK.time += faults.SLOW_SECONDS + TASK_SECONDS
    assert call("GET", "/vrack/pn-1001/task") == []


def test_a_share_of_the_requests_and_no_more(call: Client) -> None:
    put("503=0.3")
    for _ in range(200):
        try:
            call("GET", FARMS)
        except APIError:
            continue
    assert 30 < len(faults.made()) < 90
    assert faults.told() == f"503=0.3  {faults.KINDS['503']}\nmade: 503 {len(faults.made())}\n"


def test_every_answer_is_late_by_the_latency_and_none_is_wrong(call: Client) -> None:
    put("latency=0.2@GET")
    began = time.monotonic()
    assert call("GET", FARMS) == []
    assert time.monotonic() - began >= 0.2
    assert faults.latency("POST /1.0/vrack") == 0
    assert faults.made() == []


def test_the_probe_of_the_sandbox_meets_none(app: Starlette) -> None:
    put("500=1")
    assert TestClient(app).get("/1.0/auth/time").status_code == 200


def test_none_are_in_force_at_first_and_after_off(call: Client) -> None:
    assert faults.told() == "no faults\n"
    put("500=1")
    put()
    assert call("GET", FARMS) == []
    assert faults.told() == "no faults\n"


@pytest.mark.parametrize("word", ["429", "418=1", "429=2", "429=0", "429=x", "500=0.1@("])
def test_what_is_no_fault_is_refused_with_the_word(word: str) -> None:
    with pytest.raises(ValueError, match=r"^" + word.split("=")[0]):
        Fault.parsed(word)


class TestOpenstack:
    """Its services are WSGI applications; each other's requests they answer as ever."""

    served: int = 0

    def application(self, environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:  # noqa: ARG002
        self.served += 1
        start_response("202 Accepted", [])
        yield b"made"

    def ask(self, agent: str) -> tuple[str, dict[str, str], bytes]:
        heard: list[Any] = []
        environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/v2.1/servers", "HTTP_USER_AGENT": agent}
        body = b"".join(faults.wsgi(self.application)(environ, lambda *given: heard.extend(given)))
        return heard[0], dict(heard[1]), body

    def test_pulumis_plugin_is_a_customer(self) -> None:
        put("429=1@POST .*/servers")
        said, headers, _ = self.ask("HashiCorp Terraform/0.0 gophercloud/v2.8.0")
        assert (said, headers["Retry-After"], self.served) == ("429 Too Many Requests", "2", 0)

    def test_nova_is_not(self) -> None:
        put("429=1")
        assert self.ask("keystoneauth1/5.0") == ("202 Accepted", {}, b"made")

    def test_latency_is_for_customers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        put("latency=0.2")
        slept: list[float] = []
        monkeypatch.setattr(time, "sleep", slept.append)
        assert self.ask("gophercloud/v2.8.0")[0] == self.ask("keystoneauth1/5.0")[0] == "202 Accepted"
        assert slept == [0.2]

    def test_a_lost_answer_was_carried_out(self) -> None:
        put("504=1")
        assert self.ask("gophercloud/v2.8.0")[0] == "504 Gateway Time-out"
        assert self.served == 1
