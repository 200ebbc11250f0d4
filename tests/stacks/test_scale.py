"""The number of hourly instances follows the alerts, between its bounds and not too often."""

import json
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from stacks.scale import Scaler, instances, listener
from stacks.target import Stop


def alert(machine: str, status: str = "firing", name: str = "Load") -> dict[str, object]:
    return {"alerts": [{"status": status, "labels": {"alertname": name, "machine": machine}}]}


@pytest.fixture(name="scaler")
def _scaler(tmp_path: Path) -> Scaler:
    file = tmp_path / "Pulumi.sofoot.yaml"
    file.write_text("config:\n  casebook:settings:\n    web_instances: 5 # hourly\n    flavor: b3-8\n")
    scaler = Scaler(file, minimum=5, maximum=7, cooldown=300, up=lambda: ups.append(instances(file)))
    ups: list[int] = []
    scaler.clock = lambda: now[0]
    now = [1000.0]
    scaler.__dict__.update(ups=ups, now=now)
    return scaler


def later(scaler: Scaler, seconds: float) -> None:
    scaler.__dict__["now"][0] += seconds


@pytest.mark.claim("SOF-6")
def test_one_more_a_cooldown_up_to_the_maximum_and_back_again(scaler: Scaler) -> None:
    assert scaler.step() is None
    scaler.heard(alert("web-3"))
    assert scaler.step() == 6
    assert scaler.step() is None, "the cool-down holds"
    later(scaler, 301)
    assert scaler.step() == 7
    later(scaler, 301)
    assert scaler.step() is None, "the maximum holds"
    scaler.heard(alert("web-3", "resolved"))
    for wanted in (6, 5, None):
        assert scaler.step() == wanted
        later(scaler, 301)
    assert scaler.__dict__["ups"] == [6, 7, 6, 5]
    assert scaler.file.read_text() == "config:\n  casebook:settings:\n    web_instances: 5 # hourly\n    flavor: b3-8\n"


def test_only_the_load_of_web_servers_counts(scaler: Scaler) -> None:
    scaler.heard(alert("db-1"))
    scaler.heard(alert("web-1", name="Disk"))
    assert scaler.step() is None


def test_a_file_without_the_line_is_refused(scaler: Scaler) -> None:
    scaler.file.write_text("config: {}\n")
    with pytest.raises(Stop, match="web_instances"):
        scaler.step()


def test_the_webhook_wants_its_token(scaler: Scaler) -> None:
    server = listener(("127.0.0.1", 0), "s3cret", scaler)
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
