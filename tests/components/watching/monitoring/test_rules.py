"""The rules of all components together: each alert fires and does not, and compares what an exporter shows."""

import http.server
import itertools
import re
import shutil
import ssl
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

import pulumi_casebook
from pulumi_casebook.backups.archive.programs import archive
from pulumi_casebook.backups.backup.programs import backup_keeper
from pulumi_casebook.data.galera_cluster.programs import keeper as galera
from pulumi_casebook.data.mysql_pair.programs import keeper as mysql_pair
from pulumi_casebook.watching.monitoring.component import prober
from sandbox.ports import free_port
from tests.components.backups.backup.test_backup import files as of_backup
from tests.components.watching.monitoring.monitored import rules
from tests.components.watching.monitoring.test_daemons import Start, start
from tests.waiting import until

__all__ = ["start"]

QUESTIONS = sorted(Path(__file__).parents[2].rglob("alerts_test.yml"))
# PromQL beside figures: strings, label lists, ranges, what is called, and words between expressions.
NO_FIGURES = re.compile(
    r'"[^"]*"|\{[^}]*\}|\[[^]]*\]|\b(?:by|on|ignoring|without)\s*\([^)]*\)|[a-z_]+\s*(?=\()'
    r"|\b(?:and|or|unless|bool|group_left|group_right|sum|max|count)\b"
)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, ssh_key_file: Path) -> Path:
    """The folder above `rules`, where they are."""
    place = tmp_path_factory.mktemp("watching")
    (place / "rules").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CASEBOOK_SSH_KEY_FILE", str(ssh_key_file))
        rules(place / "rules")
    return place


def all_rules(place: Path) -> list[dict[str, Any]]:
    groups = [group for file in (place / "rules").iterdir() for group in yaml.safe_load(file.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"]]


@pytest.mark.claim("SOF-7")
@pytest.mark.parametrize("questions", QUESTIONS, ids=lambda path: path.parent.name)
def test_each_alert_fires_past_its_threshold_and_not_before(written: Path, questions: Path) -> None:
    shutil.copy(questions, written / "alerts_test.yml")
    done = subprocess.run(["promtool", "test", "rules", written / "alerts_test.yml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_alert_is_left_out() -> None:
    """Of all that components bring, by name: asked of once where it fires, and once where it does not."""
    asked = [
        (question["alertname"], bool(question.get("exp_alerts")))
        for path in QUESTIONS
        for test in yaml.safe_load(path.read_text())["tests"]
        for question in test.get("alert_rule_test", [])
    ]
    templates = Path(pulumi_casebook.__file__).parent.rglob("*.yml.j2")
    named = {name for file in templates for name in re.findall(r"- alert: (\w+)", file.read_text())}
    assert {(name, fires) for name in named for fires in (True, False)} == set(asked)


def test_components_of_one_kind_do_not_share_a_machine_s_alert(written: Path) -> None:
    """But for the rules of machines and probes, each names the machines of its component, and no other's."""
    of: dict[str, set[str]] = {}
    for file in (written / "rules").iterdir():
        if file.name != "machines.yml":
            found = re.findall(r'machine=~?"([^"]+)"', file.read_text())
            of[file.stem] = {name for several in found for name in several.split("|")}
            expressions = [
                rule["expr"] for group in yaml.safe_load(file.read_text())["groups"] for rule in group["rules"]
            ]
            assert all("machine=" in expression for expression in expressions), file
    assert of["mysql-pair-first"] == {"a-1", "a-2"}
    assert of["haproxy-edge"] == {"edge-1"}
    assert of["galera-far"] == {"far-1", "far-2", "far-3"}


def page(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


def answering(url: str) -> str:
    found: list[str] = []

    def answers() -> bool:
        try:
            found.append(page(url))
        except OSError:
            return False
        return True

    until(answers, lambda: url)
    return found[-1]


def test_alerts_compare_only_figures_that_an_exporter_shows(written: Path, tmp_path: Path, start: Start) -> None:
    shown = {"up", *(rule["record"] for rule in all_rules(written) if "record" in rule)}
    exporters = (of_our_programs(tmp_path), of_machines(start), of_haproxy(tmp_path, start), of_probes(tmp_path, start))
    for text in itertools.chain(*exporters):
        shown |= {re.split(r"[{ ]", line)[0] for line in text.splitlines() if line and not line.startswith("#")}
    compared = {
        figure
        for rule in all_rules(written)
        for figure in re.findall(r"[a-zA-Z_:][\w:]*", NO_FIGURES.sub(" ", rule["expr"]))
    }
    assert {"casebook_galera_synced", "haproxy_server_status", "node_load5", "probe_success"} <= compared
    assert compared <= shown, compared - shown


def of_our_programs(place: Path) -> Iterator[str]:
    """What programs of components write for the exporter."""
    settings = {"metrics": str(place), "votes": 3}
    here = SimpleNamespace(writable=True)
    server = SimpleNamespace(figures=dict)
    sites = SimpleNamespace(elsewhere=["db-9"], lag=lambda _: "0")
    galera.measure(
        SimpleNamespace(  # type: ignore[arg-type]
            settings=settings, name="db-1", server=server, sites=sites, ill=lambda _: ""
        ),
        {"db-1": here},  # type: ignore[dict-item]
    )
    status = {"role": "writer", "lag": 0}
    mysql_pair.measure(SimpleNamespace(settings=settings, two_way=False, status=lambda: status))  # type: ignore[arg-type]
    archive.note({"archive": "monthly", "figures": str(place)})  # type: ignore[typeddict-item]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backup_keeper, "FIGURES", str(place))
        for figure in ("pruned", "verified"):
            backup_keeper.note(backup_keeper.Account("pages", {}), figure)
    for file in place.glob("*.prom"):
        yield file.read_text()
    yield "\n".join(re.findall(r"casebook_backup_\w+", of_backup()["/usr/local/sbin/backup-content"]))


def of_machines(start: Start) -> Iterator[str]:
    port = free_port()
    start("prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{port}")
    yield answering(f"http://127.0.0.1:{port}/metrics")


def of_haproxy(place: Path, start: Start) -> Iterator[str]:
    port, dead = free_port(), free_port()
    (place / "haproxy.cfg").write_text(
        "defaults\n mode http\n timeout connect 1s\n timeout client 1s\n timeout server 1s\n"
        f"frontend metrics\n bind 127.0.0.1:{port}\n http-request use-service prometheus-exporter\n"
        f"backend web\n server web-1 127.0.0.1:{dead} check\n"
    )
    start("haproxy", "-f", str(place / "haproxy.cfg"))
    text = answering(f"http://127.0.0.1:{port}/metrics")
    for figure, of in (("backend", ""), ("server", ',server="web-1"')):
        assert f'haproxy_{figure}_status{{proxy="web"{of},state="DOWN"}}' in text
    yield text


def of_probes(place: Path, start: Start) -> Iterator[str]:
    port = free_port()
    key, certificate = str(place / "key"), str(place / "certificate")
    subject = ("-subj", "/CN=page", "-days", "2", "-keyout", key, "-out", certificate)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *subject], check=True, capture_output=True
    )
    pages = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    pages.socket = context.wrap_socket(pages.socket, server_side=True)
    threading.Thread(target=pages.serve_forever, daemon=True).start()
    (place / "blackbox.yml").write_text(prober(False).files[1].content)
    start(
        "prometheus-blackbox-exporter",
        f"--config.file={place / 'blackbox.yml'}",
        f"--web.listen-address=127.0.0.1:{port}",
    )
    yield answering(f"http://127.0.0.1:{port}/probe?module=http&target=https://127.0.0.1:{pages.server_port}/")
    pages.shutdown()
