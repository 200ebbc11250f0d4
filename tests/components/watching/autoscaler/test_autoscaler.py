"""The number of hourly instances follows the alerts, between its bounds and not too often."""

import json
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any

import pytest

from pulumi_casebook import InputError
from pulumi_casebook.watching.autoscaler import Autoscaler, AutoscalerArgs, listener


def alert(machine: str, status: str = "firing", name: str = "Load") -> dict[str, object]:
    return {"alerts": [{"status": status, "labels": {"alertname": name, "machine": machine}}]}


@dataclass
class Instances:
    """What is scaled; `up` takes some time."""

    now: int = 5
    time: float = 1000.0
    ups: list[int] = field(default_factory=list)

    def get(self) -> int:
        return self.now

    def set(self, number: int) -> None:
        self.now = number
        self.ups.append(number)
        self.time += 100


def arguments(**changes: Any) -> AutoscalerArgs:
    given = {"setting": "web_instances", "minimum": 5, "maximum": 7, "machines": ["web-"], **changes}
    return AutoscalerArgs(**{"webhook": "http://192.0.2.7:9095/token", **given})


@pytest.fixture(name="instances")
def _instances() -> Instances:
    return Instances()


@pytest.fixture(name="scaler")
def _scaler(instances: Instances) -> Autoscaler:
    return Autoscaler(arguments(), instances, clock=lambda: instances.time)


@pytest.mark.claim("SOF-6")
@pytest.mark.claim("GIR-8")
def test_one_more_a_cooldown_up_to_the_maximum_and_back_again(scaler: Autoscaler, instances: Instances) -> None:
    assert scaler.step() is None
    scaler.heard(alert("web-3"))
    assert scaler.step() == 6
    instances.time += 299
    assert scaler.step() is None, "the cool-down holds, from the end of `up`"
    instances.time += 2
    assert scaler.step() == 7
    instances.time += 301
    assert scaler.step() is None, "the maximum holds"
    scaler.heard(alert("web-3", "resolved"))
    for wanted in (6, 5, None):
        assert scaler.step() == wanted
        instances.time += 301
    assert instances.ups == [6, 7, 6, 5]


def test_only_the_load_of_the_named_machines_counts(scaler: Autoscaler) -> None:
    scaler.heard(alert("db-1"))
    scaler.heard(alert("web-1", name="Disk"))
    assert scaler.step() is None


def test_a_step_that_failed_waits_for_the_cooldown() -> None:
    class Full(Instances):
        def set(self, number: int) -> None:
            raise RuntimeError(f"no quota for {number}")

    scaler = Autoscaler(arguments(), Full(), clock=lambda: 1000.0)
    scaler.heard(alert("web-1"))
    with pytest.raises(RuntimeError):
        scaler.step()
    assert scaler.step() is None


def test_bounds_that_cross_are_refused() -> None:
    with pytest.raises(InputError, match="minimum=8: more than maximum=7"):
        arguments(minimum=8)


def test_the_webhook_wants_its_token(scaler: Autoscaler) -> None:
    server = listener(("127.0.0.1", 0), "/s3cret", scaler)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def post(path: str, body: bytes) -> int:
        request = urllib.request.Request(f"http://127.0.0.1:{server.server_port}/{path}", body)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    good = json.dumps(alert("web-2")).encode()
    assert post("guess", good) == 403
    assert scaler.firing == set()
    assert post("s3cret", b"[]") == 400
    assert post("s3cret", good) == 200
    assert scaler.firing == {"web-2"}
    server.shutdown()
    server.server_close()
