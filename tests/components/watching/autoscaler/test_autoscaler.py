"""The number of hourly instances follows what a real Alertmanager knows to fire: in its bounds, and not too often."""

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pulumi_casebook import InputError
from pulumi_casebook.watching.autoscaler import Autoscaler, AutoscalerArgs, Unknown
from sandbox.ports import free_port
from tests.components.watching.monitoring.test_monitoring import files, program
from tests.harness import declare
from tests.waiting import until


class Alertmanager:
    """Of the rendered file: what it holds back is held back here."""

    def __init__(self, place: Path) -> None:
        self.place, self.port = place, free_port()
        rendered = files(declare(program("web-1"), preview=False), "monitoring")["/etc/prometheus/alertmanager.yml"]
        (place / "alertmanager.yml").write_text(rendered)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        options = (f"--config.file={self.place}/alertmanager.yml", f"--storage.path={self.place}/kept")
        listen = (f"--web.listen-address=127.0.0.1:{self.port}", "--cluster.listen-address=")
        command = ["prometheus-alertmanager", *options, *listen]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(self.answers)

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait(20)
            self.process = None

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5):
                return True
        except OSError:
            return False

    def known(self) -> dict[tuple[str, str], str]:
        """What it knows, and whether it is `active` or `suppressed`."""
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts", timeout=5) as answer:
            found = json.load(answer)
        return {(one["labels"]["alertname"], one["labels"].get("machine", "")): one["status"]["state"] for one in found}

    def told(self, name: str, machine: str = "", *, fires: bool = True) -> None:
        """As Prometheus tells it; both know it after that."""
        labels = {"alertname": name, **({"machine": machine} if machine else {})}
        end = datetime.now(UTC) + timedelta(hours=1 if fires else 0)
        body = json.dumps([{"labels": labels, "endsAt": end.isoformat()}]).encode()
        request = urllib.request.Request(f"{self.url}/api/v2/alerts", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=5):
            until(lambda: ((name, machine) in self.known()) == fires)


@pytest.fixture(name="alertmanager")
def _alertmanager(tmp_path: Path) -> Iterator[Alertmanager]:
    made = Alertmanager(tmp_path)
    try:
        made.start()
        made.told("Heartbeat")
        yield made
    finally:
        made.stop()


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
    return AutoscalerArgs(**{"setting": "web_instances", "minimum": 5, "maximum": 7, "machines": ["web-"], **changes})


class Scaled:
    """An autoscaler, its instances and its clock."""

    def __init__(self, alertmanager: Alertmanager, now: int = 5, **changes: Any) -> None:
        self.instances = Instances(now)
        args = arguments(alertmanager=alertmanager.url, **changes)
        self.scaler = Autoscaler(args, self.instances, clock=lambda: self.instances.time)

    def after(self, seconds: float) -> int | None:
        """A look now, and one after so many seconds: what the second one does."""
        self.scaler.step()
        self.instances.time += seconds
        return self.scaler.step()


@pytest.mark.claim("SOF-6")
@pytest.mark.claim("GIR-8")
def test_one_more_a_cooldown_up_to_the_maximum_and_back_again(alertmanager: Alertmanager) -> None:
    scaled = Scaled(alertmanager)
    assert scaled.after(0) is None
    alertmanager.told("Load", "web-3")
    assert scaled.scaler.step() == 6
    assert scaled.after(299) is None, "the cool-down holds, from the end of `up`"
    scaled.instances.time += 2
    assert scaled.scaler.step() == 7
    assert scaled.after(301) is None, "the maximum holds"
    alertmanager.told("Load", "web-3", fires=False)
    for wanted in (6, 5, None):
        assert scaled.after(301) == wanted
    assert scaled.instances.ups == [6, 7, 6, 5]


def test_only_the_load_of_the_named_machines_counts(alertmanager: Alertmanager) -> None:
    alertmanager.told("Load", "db-1")
    alertmanager.told("Disk", "web-1")
    assert Scaled(alertmanager).after(301) is None


def test_an_alert_that_ends_while_its_machine_is_down_is_not_counted_for_ever(alertmanager: Alertmanager) -> None:
    """Nobody is told of its end: it is held back until then. What fires is asked, not remembered."""
    scaled = Scaled(alertmanager)
    alertmanager.told("Load", "web-4")
    assert scaled.scaler.step() == 6
    alertmanager.told("MachineDown", "web-4")
    until(lambda: alertmanager.known()["Load", "web-4"] == "suppressed")
    assert scaled.after(301) == 7, "it fires all the same"
    alertmanager.told("Load", "web-4", fires=False)
    alertmanager.told("MachineDown", "web-4", fires=False)
    assert scaled.after(301) == 6
    assert scaled.after(301) == 5


def test_a_scaler_that_is_started_anew_knows_what_fires(alertmanager: Alertmanager) -> None:
    alertmanager.told("Load", "web-3")
    assert Scaled(alertmanager, now=6, maximum=6).after(3600) is None


def test_who_knows_nothing_does_nothing(alertmanager: Alertmanager) -> None:
    """An Alertmanager that was started anew has not heard yet what fires; one without Prometheus hears nothing."""
    scaled = Scaled(alertmanager, now=6)
    alertmanager.told("Load", "web-3")
    alertmanager.stop()
    with pytest.raises(Unknown, match="Alertmanager does not tell what fires"):
        scaled.scaler.step()
    alertmanager.start()
    assert ("Load", "web-3") not in alertmanager.known()
    scaled.instances.time += 3600
    with pytest.raises(Unknown, match="Heartbeat does not fire"):
        scaled.scaler.step()
    # The heartbeat is back first, the alert a minute later.
    alertmanager.told("Heartbeat")
    assert scaled.after(60) is None
    alertmanager.told("Load", "web-3")
    assert scaled.scaler.step() == 7
    assert scaled.instances.ups == [7]


def test_a_step_that_failed_waits_for_the_cooldown(alertmanager: Alertmanager) -> None:
    class Full(Instances):
        def set(self, number: int) -> None:
            raise RuntimeError(f"no quota for {number}")

    alertmanager.told("Load", "web-1")
    scaler = Autoscaler(arguments(alertmanager=alertmanager.url), Full(), clock=lambda: 1000.0)
    with pytest.raises(RuntimeError):
        scaler.step()
    assert scaler.step() is None


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"minimum": 8}, "minimum=8: more than maximum=7"),
        ({"alertmanager": "http://192.0.2.7:9093"}, "whoever is on the way could say what fires"),
    ],
)
def test_what_cannot_work_is_refused(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        arguments(**values)
