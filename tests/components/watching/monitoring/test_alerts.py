"""An alert on its way: Prometheus, Alertmanager, Postfix, the text message program and the prober themselves, with a
telephone operator and a page that are this test's."""

import datetime
import http.server
import json
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.ports import free_port
from tests.components.watching.monitoring.test_daemons import Start, start, within
from tests.components.watching.monitoring.test_monitoring import files, program
from tests.debian import ROOT
from tests.harness import declares_the_same
from tests.waiting import until

__all__ = ["start"]

TELEPHONES = ["+33612345678", "+33687654321"]


class Operator(http.server.ThreadingHTTPServer):
    """An operator's interface, or any page: answers with `status`, and remembers what it was sent."""

    def __init__(self, status: int = 200) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.status = status
        self.taken: list[tuple[str | None, dict[str, str]]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/messages"


class _Answer(http.server.BaseHTTPRequestHandler):
    server: Operator

    def do_GET(self) -> None:
        self.send_response(self.server.status)
        self.end_headers()

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.status == 200:
            self.server.taken.append((self.headers["Authorization"], body))
        self.do_GET()

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture
def operator() -> Iterator[Callable[..., Operator]]:
    made: list[Operator] = []

    def make(status: int = 200) -> Operator:
        made.append(Operator(status))
        return made[-1]

    yield make
    for one in made:
        one.shutdown()


class Watcher:
    """The watching machine below a folder; its ports and folders moved, its waits shortened."""

    def __init__(self, place: Path, start: Start, **values: Any) -> None:
        self.place, self.start = place, start
        self.ports = {port: free_port() for port in (25, 9090, 9093, 9095, 9100, 9115)}
        registered = declares_the_same(program("web-1", **values))
        roles = ["monitoring", "monitoring-targets"]
        roles += [name for name in ("mail", "sms", "probes") if any(r.name == f"monitoring-{name}" for r in registered)]
        for name in roles:
            for path, text in files(registered, name).items():
                target = place / path.lstrip("/")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(self.moved(text))
        for number, _ in enumerate(values.get("sms", {}).get("operators", [])):
            (place / f"etc/casebook/sms/token-{number}").write_text(f"token of {number}\n")

    def moved(self, text: str) -> str:
        text = text.replace("/etc/prometheus", f"{self.place}/etc/prometheus").replace(
            '"port": 9095', f'"port": {self.ports[9095]}'
        )
        for wait in ("for: 2m", "for: 1m"):
            text = text.replace(wait, "for: 0s")
        text = text.replace("group_wait: 30s", "group_wait: 1s").replace("group_interval: 5m", "group_interval: 2s")
        for old, new in self.ports.items():
            text = re.sub(rf"(?<=:){old}\b", str(new), text)
        return text

    def run(self) -> None:
        etc = self.place / "etc/prometheus"
        # The one machine, which answers as soon as something listens there.
        (etc / "machines.yml").write_text(
            f'- {{targets: ["127.0.0.1:{self.ports[9100]}"], labels: {{machine: web-1, site: rbx}}}}\n'
        )
        self.start(
            "prometheus-alertmanager",
            f"--config.file={etc}/alertmanager.yml",
            f"--storage.path={self.place}/alerts",
            f"--web.listen-address=127.0.0.1:{self.ports[9093]}",
            "--cluster.listen-address=",
        )
        self.start(
            "prometheus",
            f"--config.file={etc}/prometheus.yml",
            f"--storage.tsdb.path={self.place}/figures",
            f"--web.listen-address=127.0.0.1:{self.ports[9090]}",
        )

    def figures(self, query: str) -> list[dict[str, Any]]:
        url = f"http://127.0.0.1:{self.ports[9090]}/api/v1/query?query={query}"
        with urllib.request.urlopen(url, timeout=5) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
            return found


@pytest.fixture
def postfix() -> Iterator[Callable[[Watcher], Path]]:
    """Postfix as configured, but for its port and folders; gives the folder of mailboxes."""
    started: list[list[str]] = []

    def begin(watcher: Watcher) -> Path:
        etc, mailboxes = watcher.place / "etc/postfix", watcher.place / "mailboxes"
        own = {"queue_directory": "queue", "data_directory": "data", "mail_spool_directory": "mailboxes"}
        for folder in own.values():
            (watcher.place / folder).mkdir()
        subprocess.run(["chown", "postfix", watcher.place / "data"], check=True)
        mailboxes.chmod(0o1777)
        for parent in (watcher.place, *watcher.place.parents):
            parent.chmod(parent.stat().st_mode | 0o755)
        with (etc / "main.cf").open("a") as main:
            main.writelines(f"{name} = {watcher.place / folder}\n" for name, folder in own.items())
            main.write("maillog_file = /dev/stdout\n")
        master = (ROOT / "usr/share/postfix/master.cf.dist").read_text()
        master = re.sub(r"^smtp      inet", f"127.0.0.1:{watcher.ports[25]} inet", master, flags=re.MULTILINE)
        (etc / "master.cf").write_text(master)
        command = ["postfix", "-c", str(etc)]
        subprocess.run([*command, "check"], check=True, capture_output=True)
        subprocess.Popen([*command, "start-fg"], stdout=(watcher.place / "postfix.log").open("w"))
        started.append(command)
        within(20, " ".join([*command, "status"]))
        return mailboxes

    yield begin
    for command in started:
        subprocess.run([*command, "stop"], check=False, capture_output=True)


def sms(*operators: Operator) -> dict[str, Any]:
    return {
        "to": TELEPHONES,
        "operators": [{"url": one.url, "token": f"token of {number}"} for number, one in enumerate(operators)],
    }


def run_sms(watcher: Watcher) -> None:
    settings = str(watcher.place / "etc/casebook/sms")
    watcher.start("env", f"SMS_SETTINGS={settings}", sys.executable, str(watcher.place / "usr/local/sbin/casebook-sms"))


def hours(offset: int) -> str:
    """The time of day, so many hours from now."""
    return f"{datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=offset):%H:%M}"


MAIL = {"to": ["root@localhost"], "sender": "casebook@localhost"}


@pytest.mark.claim("ERP-8")
@pytest.mark.claim("NRT-11")
def test_by_day_a_mail_is_in_the_mailbox(
    tmp_path: Path, start: Start, postfix: Callable[[Watcher], Path], operator: Callable[..., Operator]
) -> None:
    telephone = operator()
    night = {"start": hours(3), "end": hours(5), "time_zone": "UTC"}
    watcher = Watcher(tmp_path, start, mail=MAIL, sms=sms(telephone), night=night, interval_seconds=1)
    mailbox = postfix(watcher) / "root"
    run_sms(watcher)
    watcher.run()
    log = (tmp_path / "postfix.log").read_text
    until(lambda: mailbox.exists() and "MachineDown" in mailbox.read_text(), log)
    assert "web-1 has not answered" in mailbox.read_text().replace("=\n", "")
    machine = operator()
    (tmp_path / "etc/prometheus/machines.yml").write_text(
        f'- {{targets: ["127.0.0.1:{machine.server_port}"], labels: {{machine: web-1, site: rbx}}}}\n'
    )
    until(lambda: "[RESOLVED] MachineDown" in mailbox.read_text(), log)
    assert telephone.taken == []


@pytest.mark.claim("NRT-11")
@pytest.mark.claim("MED-5")
def test_by_night_a_text_message_arrives_by_whoever_takes_it(
    tmp_path: Path, start: Start, operator: Callable[..., Operator]
) -> None:
    first, second = operator(503), operator()
    night = {"start": hours(-1), "end": hours(1), "time_zone": "UTC"}
    mail = {**MAIL, "server": f"localhost:{free_port()}"}
    watcher = Watcher(tmp_path, start, mail=mail, sms=sms(first, second), night=night, interval_seconds=1)
    run_sms(watcher)
    watcher.run()
    until(lambda: len(second.taken) >= 2)
    tokens, messages = zip(*second.taken[:2], strict=True)
    assert set(tokens) == {"Bearer token of 1"}
    assert [message["to"] for message in messages] == TELEPHONES
    assert messages[0]["message"] == "ALERT MachineDown: web-1 has not answered for 2 minutes"

    # It is over, and the first operator is well again.
    first.status = 200
    machine = operator()
    (tmp_path / "etc/prometheus/machines.yml").write_text(
        f'- {{targets: ["127.0.0.1:{machine.server_port}"], labels: {{machine: web-1, site: rbx}}}}\n'
    )
    until(lambda: first.taken)
    token, last = first.taken[0]
    assert (token, last["to"]) == ("Bearer token of 0", TELEPHONES[0])
    assert last["message"].startswith("RESOLVED MachineDown: web-1")


def test_nobody_is_told_before_an_operator_has_taken_it(
    tmp_path: Path, start: Start, operator: Callable[..., Operator]
) -> None:
    """An error goes back to Alertmanager, which tries again."""
    watcher = Watcher(tmp_path, start, sms=sms(operator(500)))
    run_sms(watcher)
    notice = {"status": "firing", "groupLabels": {}, "commonLabels": {}, "alerts": []}

    def post(body: bytes) -> int:
        try:
            url = f"http://127.0.0.1:{watcher.ports[9095]}"
            with urllib.request.urlopen(url, body, timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    until(lambda: post(json.dumps(notice).encode()) == 502)
    assert post(b"{}") == 400


def test_pages_and_ports_are_probed(tmp_path: Path, start: Start, operator: Callable[..., Operator]) -> None:
    page, broken = operator(), operator(500)
    probes = {
        "site": page.url,
        "shop": broken.url,
        "open": f"tcp://127.0.0.1:{page.server_port}",
        "closed": f"tcp://127.0.0.1:{free_port()}",
    }
    watcher = Watcher(tmp_path, start, probes=probes, interval_seconds=1)
    modules = tmp_path / "etc/prometheus/blackbox.yml"
    check = ["prometheus-blackbox-exporter", "--config.check", f"--config.file={modules}"]
    subprocess.run(check, check=True, capture_output=True)
    watcher.start(
        "prometheus-blackbox-exporter",
        f"--config.file={modules}",
        f"--web.listen-address=127.0.0.1:{watcher.ports[9115]}",
    )
    watcher.run()
    found: dict[str, str] = {}

    def all_probed() -> bool:
        found.update({one["metric"]["probe"]: one["value"][1] for one in _quietly(watcher, "probe_success")})
        return len(found) == len(probes)

    until(all_probed, lambda: found)
    assert found == {"site": "1", "shop": "0", "open": "1", "closed": "0"}
    until(
        lambda: (
            {a["metric"]["probe"] for a in _quietly(watcher, 'ALERTS{alertname="ProbeFailed",alertstate="firing"}')}
            == {"shop", "closed"}
        ),
    )


def _quietly(watcher: Watcher, query: str) -> list[dict[str, Any]]:
    try:
        return watcher.figures(urllib.parse.quote(query))
    except OSError:
        return []
