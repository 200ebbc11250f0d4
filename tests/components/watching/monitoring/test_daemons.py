"""The rendered files, judged and run by Prometheus, Alertmanager and the exporter themselves, on this machine."""

import json
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pulumi_casebook.watching.monitoring.component import Target, targets
from sandbox.ports import free_port
from tests.components.watching.monitoring.test_monitoring import EVERYTHING, files, program, role
from tests.harness import declares_the_same


def accepted(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def installed(place: Path, **values: Any) -> Path:
    """The files of the watching machine, below `place`."""
    registered = declares_the_same(program("web-1", "db-1", **values))
    rendered = files(registered, "monitoring") | files(registered, "monitoring-targets")
    for path, text in rendered.items():
        target = place / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text.replace("/etc/prometheus", str(place / "etc/prometheus")))
    return place / "etc/prometheus"


@pytest.mark.parametrize("values", [{}, EVERYTHING])
def test_prometheus_and_alertmanager_accept_their_files(tmp_path: Path, values: dict[str, Any]) -> None:
    etc = installed(tmp_path, **values)
    alertmanager = etc / "alertmanager.yml"
    alertmanager.write_text(alertmanager.read_text().replace("@secret(webhook:json)@", "https://hooks.example.net"))
    assert "SUCCESS" in accepted("amtool", "check-config", str(alertmanager))
    assert "rules found" in accepted("promtool", "check", "config", str(etc / "prometheus.yml"))


def test_alertmanager_takes_a_password_from_a_file(tmp_path: Path) -> None:
    mail = {**EVERYTHING["mail"], "username": "casebook", "password": "hunter2"}
    etc = installed(tmp_path, mail=mail)
    accepted("amtool", "check-config", str(etc / "alertmanager.yml"))
    assert (etc / "smtp-password").read_text() == "@secret(smtp_password)@\n"


def test_thresholds_are_arguments(tmp_path: Path) -> None:
    installed(tmp_path, thresholds={"memory_percent": 75, "minutes": 9, "link_mbps": 100})
    rules = (tmp_path / "etc/prometheus/rules/machines.yml").read_text()
    for line in ("casebook:memory:percent > 75.0", "for: 9m", "/ 12500000"):
        assert line in rules


Start = Callable[..., None]


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []

    def begin(*command: str) -> None:
        started.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    yield begin
    for process in started:
        process.terminate()
        process.wait(20)


def within(seconds: float, command: str) -> None:
    deadline = time.monotonic() + seconds
    while (done := subprocess.run(["sh", "-c", command], capture_output=True, text=True)).returncode:
        assert time.monotonic() < deadline, command + "\n" + done.stdout + done.stderr
        time.sleep(0.2)


@pytest.mark.claim("SOF-7")
def test_figures_of_a_machine_arrive_and_one_that_is_down_is_named(tmp_path: Path, start: Start) -> None:
    """The three daemons as configured, but for their ports; both readiness checks, as the machine runs them."""
    etc = installed(tmp_path, interval_seconds=1)
    ports = {old: free_port() for old in (9090, 9093, 9100)}
    dead = free_port()

    def moved(text: str) -> str:
        for old, new in ports.items():
            text = text.replace(f":{old}", f":{new}")
        return text

    for file in (etc / "prometheus.yml", etc / "alertmanager.yml"):
        file.write_text(moved(file.read_text()))
    (tmp_path / "text").mkdir()
    (tmp_path / "text/backup.prom").write_text('casebook_backup_last_success_timestamp_seconds{backup="content"} 7\n')
    registered = declares_the_same(program("web-1"))

    def ready(name: str) -> str:
        check = role(registered, "monitoring", name)["ready"]
        assert check
        return moved(check[1])

    options = role(registered, "monitoring", "exporter")["files"]["/etc/default/prometheus-node-exporter"]["lines"][0]
    start(
        "prometheus-node-exporter",
        *moved(options.removeprefix('ARGS="').removesuffix('"')).split(),
        f"--collector.textfile.directory={tmp_path / 'text'}",
    )
    start(
        "prometheus-alertmanager",
        f"--config.file={etc / 'alertmanager.yml'}",
        f"--storage.path={tmp_path / 'alerts'}",
        f"--web.listen-address=127.0.0.1:{ports[9093]}",
        "--cluster.listen-address=",
    )
    lists = [
        targets(
            {name: Target("127.0.0.1", "gra") for name in names},
            {"machines": [(name, 9100) for name in names]},
            {},
            60,
        )
        for names in (["web-1"], ["web-1", "db-1"])
    ]
    (etc / "machines.yml").write_text(moved(lists[0].files[0].content))
    start(
        "prometheus",
        f"--config.file={etc / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'figures'}",
        f"--web.listen-address=127.0.0.1:{ports[9090]}",
    )
    within(20, ready("monitoring"))
    one, two = (moved(wanted.ready.command) for wanted in lists if wanted.ready)
    within(20, one)
    within(20, ready("exporter"))

    def figures(query: str) -> list[dict[str, Any]]:
        url = f"http://127.0.0.1:{ports[9090]}/api/v1/query?query={query}"
        with urllib.request.urlopen(url, timeout=5) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
            return found

    wanted = {"casebook:memory:percent", "casebook:load:per_core", "casebook:disk:percent"}
    deadline = time.monotonic() + 20
    while missing := {name for name in wanted if not figures(name)}:
        assert time.monotonic() < deadline, missing
        time.sleep(0.2)
    assert figures("casebook_backup_last_success_timestamp_seconds")[0]["metric"]["machine"] == "web-1"

    # One more machine, which does not answer.
    text = moved(lists[1].files[0].content).splitlines()
    assert "db-1" in text[2]
    text[2] = text[2].replace(str(ports[9100]), str(dead))
    (etc / "machines.yml").write_text("\n".join(text) + "\n")
    within(20, f"promtool query instant http://127.0.0.1:{ports[9090]} 'up == 0' | grep db-1")
    refused = subprocess.run(["sh", "-c", two], capture_output=True, text=True)
    assert refused.returncode != 0
    assert "db-1" in refused.stdout
