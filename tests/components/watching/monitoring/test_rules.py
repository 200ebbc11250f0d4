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

from pulumi_casebook.backups.archive.programs import archive
from pulumi_casebook.backups.backup.programs import backup_keeper
from pulumi_casebook.data.galera_cluster.programs import keeper as galera
from pulumi_casebook.data.mysql_pair.programs import keeper as mysql_pair
from pulumi_casebook.watching.monitoring.component import Target, prober, targets
from sandbox.ports import free_port
from tests.components.backups.backup.test_backup import files as of_backup
from tests.components.watching.monitoring.monitored import rules
from tests.components.watching.monitoring.test_daemons import Start, start
from tests.components.watching.monitoring.test_figures import shown
from tests.waiting import until

__all__ = ["start"]

QUESTIONS = sorted(Path(__file__).parents[2].rglob("alerts_test.yml"))
# Who asks whether figures are there.
MISSING = ("FiguresMissing", "MachineFiguresMissing", "ProbeMissing")
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


def rules_of(place: Path) -> list[tuple[Path, dict[str, Any]]]:
    return [
        (file, rule)
        for file in sorted((place / "rules").iterdir())
        for group in yaml.safe_load(file.read_text())["groups"]
        for rule in group["rules"]
    ]


def loosened(expression: str) -> str:
    """The same without what keeps it quiet: thresholds, and what it excludes."""
    expression = re.sub(r" unless on \([a-z, ]+\) [a-z_]+(?:\{[^}]*\}| == [01])?", "", expression)
    for comparison, limit in ((">=?|==", "> -Inf"), ("<=?", "< Inf")):
        expression = re.sub(rf"(?:{comparison}) -?[0-9.]+\b", limit, expression)
    return expression


def questions_of(alert: str) -> dict[str, Any]:
    """What promtool is asked of one alert alone, by name of the folder."""
    found = {}
    for path in QUESTIONS:
        asked = yaml.load(path.read_text(), yaml.BaseLoader)  # 0x20 is twenty zeros, no number
        tests = []
        for test in asked["tests"]:
            mine = [one for one in test.get("alert_rule_test", []) if one["alertname"] == alert]
            if mine:
                tests.append(
                    {"interval": test["interval"], "input_series": test["input_series"], "alert_rule_test": mine}
                )
        if tests:
            found[path.parent.name] = {
                "rule_files": ["rules.yml"],
                "evaluation_interval": asked["evaluation_interval"],
                "group_eval_order": ["figures", "alerts"],
                "tests": tests,
            }
    return found


def test_no_alert_is_left_out(written: Path, tmp_path: Path) -> None:
    """Each alert of each component, made silent and then without its threshold: what promtool asks notices both.

    An alert of a second component of its kind is another one: its machines, its threshold, its name are its own.
    """
    cases: dict[Path, str] = {}
    every = rules_of(written)
    figures = [rule for _, rule in every if "record" in rule]
    for number, (file, rule) in enumerate(every):
        if "record" in rule:
            continue
        asked = questions_of(rule["alert"])
        assert asked, f"{file.name}: nobody asks of {rule['alert']}"
        for word, expression in (
            ("as it is", rule["expr"]),
            ("silent", "vector(0) > 1"),
            ("loud", loosened(rule["expr"])),
        ):
            if rule["alert"] == "Heartbeat" and word == "loud":
                continue  # it always fires
            if word == "loud":
                assert expression != rule["expr"], f"{rule['alert']}: nothing keeps it quiet"
            alerts = [
                {**one, "expr": expression} if one is rule else one
                for _, one in every
                if one.get("alert") == rule["alert"]
            ]
            folder = tmp_path / f"{number}-{word.replace(' ', '-')}"
            folder.mkdir()
            groups = [{"name": "figures", "rules": figures}, {"name": "alerts", "rules": alerts}]
            (folder / "rules.yml").write_text(yaml.safe_dump({"groups": groups}))
            for name, question in asked.items():
                (folder / f"test-{name}.yml").write_text(yaml.safe_dump(question))
            cases[folder] = f"{file.name}: {rule['alert']} {word} ({expression})"
    questions = [str(path) for folder in cases for path in folder.glob("test-*.yml")]
    asking = ["promtool", "test", "rules", *questions]
    said = subprocess.run(asking, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False).stdout
    noticed = {Path(path).parent for path in re.findall(r"Unit Testing:  (\S+)\s+FAILED", said)}
    wrong = [what for folder, what in cases.items() if (folder in noticed) == folder.name.endswith("as-it-is")]
    assert not wrong, "\n".join(wrong)


def test_who_loses_its_figures_is_told_of(written: Path, tmp_path: Path) -> None:
    """An alert compares what a program writes: its component asks whether that is there, and whether it is still new.

    What a daemon shows itself is gone with its job, of which ExporterDown tells.
    """
    kept = {"galera", "mysql_pair", "machine"}  # written again and again; the others when a backup ends
    programs = of_our_programs(tmp_path)
    shows = {name: set(re.findall(r"^(casebook_\w+)", text, re.MULTILINE)) for name, text in programs.items()}
    for file in (written / "rules").iterdir():
        alerts = [
            (rule["alert"], rule["expr"]) for where, rule in rules_of(written) if where == file and "alert" in rule
        ]
        missing = " ".join(expression for alert, expression in alerts if alert in MISSING)
        compared = {word for _, expression in alerts for word in re.findall(r"casebook_\w+", expression)}
        for figure in compared:
            asked = set(re.findall(r"casebook_\w+", missing))
            by = [name for name, shown in shows.items() if figure in shown and shown & asked]
            assert by, f"{file.name}: who misses {figure}?"
            if kept.intersection(by):
                assert any(alert.endswith("FiguresOld") for alert, _ in alerts), f"{file.name}: {by} may hang"


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
    (tmp_path / "text").mkdir()
    exporters = (
        of_our_programs(tmp_path / "text").values(),
        of_machines(tmp_path / "text", start),
        of_haproxy(tmp_path, start),
        of_probes(tmp_path, start),
        of_watchers(tmp_path, start),
    )
    for text in itertools.chain(*exporters):
        shown |= {re.split(r"[{ ]", line)[0] for line in text.splitlines() if line and not line.startswith("#")}
    compared = {
        figure
        for rule in all_rules(written)
        for figure in re.findall(r"[a-zA-Z_:][\w:]*", NO_FIGURES.sub(" ", rule["expr"]))
    }
    assert {"casebook_galera_synced", "haproxy_server_status", "node_load5", "probe_success"} <= compared
    assert compared <= shown, compared - shown


def of_our_programs(place: Path) -> dict[str, str]:
    """What programs of components write for the exporter, by program."""
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
    notes = set(re.findall(r"casebook_backup_\w+", of_backup()["/usr/local/sbin/backup-content"]))
    return {
        "galera": (place / "galera.prom").read_text(),
        "mysql_pair": (place / "mysql-pair.prom").read_text(),
        "backup": (place / "archive-monthly.prom").read_text() + "".join(f"{figure} 0\n" for figure in notes),
        "backup_server": "".join(file.read_text() for file in place.glob("backup-*.prom")),
        "targets": targets({"web-1": Target("192.0.2.1", "gra")}, {"machines": [("web-1", 1)]}, {"site": ""}, 0)
        .files[-1]
        .content,
        "machine": of_a_machine(place),
    }


def of_a_machine(place: Path) -> str:
    with pytest.MonkeyPatch.context() as patch:
        text = shown(place / "machine", patch)
    (place / "machine.prom").write_text(text)
    return text


def of_machines(place: Path, start: Start) -> Iterator[str]:
    port = free_port()
    start(
        "prometheus-node-exporter",
        f"--web.listen-address=127.0.0.1:{port}",
        f"--collector.textfile.directory={place}",
    )
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


def of_watchers(place: Path, start: Start) -> Iterator[str]:
    """Prometheus and Alertmanager of themselves."""
    prometheus, alertmanager = free_port(), free_port()
    (place / "rules.yml").write_text("groups: [{name: a, rules: [{record: one, expr: vector(1)}]}]\n")
    (place / "prometheus.yml").write_text(
        "global: {evaluation_interval: 1s}\nrule_files: [rules.yml]\n"
        f"alerting: {{alertmanagers: [{{static_configs: [{{targets: ['127.0.0.1:{alertmanager}']}}]}}]}}\n"
    )
    (place / "alertmanager.yml").write_text("route: {receiver: page}\nreceivers: [{name: page}]\n")
    start(
        "prometheus-alertmanager",
        f"--config.file={place / 'alertmanager.yml'}",
        f"--storage.path={place / 'alerts'}",
        f"--web.listen-address=127.0.0.1:{alertmanager}",
        "--cluster.listen-address=",
    )
    start(
        "prometheus",
        f"--config.file={place / 'prometheus.yml'}",
        f"--storage.tsdb.path={place / 'kept'}",
        f"--web.listen-address=127.0.0.1:{prometheus}",
    )
    answering(f"http://127.0.0.1:{prometheus}/-/ready")
    until(lambda: "notifications_errors_total{" in page(f"http://127.0.0.1:{prometheus}/metrics"))
    yield page(f"http://127.0.0.1:{prometheus}/metrics")
    yield answering(f"http://127.0.0.1:{alertmanager}/metrics")
