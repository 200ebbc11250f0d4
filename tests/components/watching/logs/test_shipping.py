"""Real daemons: a line on one machine is found in the store on another, also if the store was away meanwhile."""

import datetime
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pulumi_casebook.machines.configuration import Configuration
from pulumi_casebook.watching.logs.args import LogsArgs
from pulumi_casebook.watching.logs.component import PROGRAM, intake, shipper, store
from tests.components.data.mysql_pair.pair import Network
from tests.components.data.opensearch.node import Node, engine
from tests.components.tls import Authority
from tests.waiting import until

__all__ = ["engine"]

KEEPER: Any = SimpleNamespace(name="logs", address="10.8.0.80")
WEB: Any = SimpleNamespace(name="web-1", address="10.8.0.81")


class Syslog:
    """rsyslog on one machine, with the rules of a role and a socket that programs log to."""

    def __init__(self, folder: Path, inside: list[str], role: Configuration, rules: str) -> None:
        self.folder, self.inside = folder, inside
        [text] = [file.content for file in role.files if file.path == rules]
        own = f"/etc/ssl/casebook/logs/{role.role}"
        paths = {"/var/spool/rsyslog": f"{folder}", "/var/log/": f"{folder}/", f"{own}/own": f"{folder}/own"}
        paths |= {f"{own}/authority.crt": f"{folder.parent}/authority.crt", "/etc/rsyslog.d/": f"{folder}/"}
        for before, after in paths.items():
            text = text.replace(before, after)
        for file in role.files:
            if file.path.startswith("/etc/rsyslog.d/"):
                (folder / Path(file.path).name).write_text(file.content)
        base = f'global(workDirectory="{folder}")\nmodule(load="imuxsock" sysSock.use="off")\n'
        base += f'input(type="imuxsock" socket="{folder}/log")\n'
        base += f'module(load="impstats" interval="1" log.syslog="off" log.file="{folder}/stats")\n'
        (folder / "rsyslog.conf").write_text(base + text)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [*self.inside, "rsyslogd", "-n", "-f", f"{self.folder}/rsyslog.conf", "-i", f"{self.folder}/pid"]
        with (self.folder / "rsyslog.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        until((self.folder / "log").exists)
        until((self.folder / "stats").exists)

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait()
            self.process = None
            (self.folder / "log").unlink(missing_ok=True)
            (self.folder / "stats").unlink(missing_ok=True)

    def read(self) -> int:
        """How many lines it has taken in since it was started, as of a second ago."""
        counts = re.findall(r"(?:imrelp|imuxsock)[^:]*: .*submitted=(\d+) ", (self.folder / "stats").read_text())
        return int(counts[-1])

    def failed(self) -> int:
        """How often it has said that it cannot send."""
        return len(re.findall("suspending|action may not work", (self.folder / "rsyslog.log").read_text()))

    def waiting(self) -> int:
        """How many lines are not sent yet, as of a second ago."""
        return int(
            re.findall(r"om(?:relp|elasticsearch) queue: .*size=(\d+) enq", (self.folder / "stats").read_text())[-1]
        )

    def logged(self, message: str, program: str = "cron") -> None:
        subprocess.run(["logger", "--socket", self.folder / "log", "--tag", program, message], check=True)


class Machines:
    """The keeper with its store and its intake, and a web server that ships."""

    def __init__(self, engine: Path, network: Network, folder: Path) -> None:
        self.log_file = folder / "access.log"
        args: Any = LogsArgs.model_construct(
            machine=KEEPER,
            machines=(WEB,),
            files={"http": str(self.log_file)},
            programs={"balancer": "haproxy"},
            retention_days=21,
            tag_retention_days={"http": 365},
            queue_mib=16,
            heap_mib=256,
            port=2514,
        )
        self.store = Node(engine, network, KEEPER.name, KEEPER.address, store("logs", args))
        role = intake(args, (KEEPER, WEB))
        for file in role.files:
            if file.path == "/etc/logs.json":
                (folder / "logs.json").write_text(file.content)
        self.folder = folder
        authority = Authority(folder)
        for place, machine in (("keeper", KEEPER), ("web", WEB)):
            (folder / place).mkdir()
            authority.certify(folder / machine.name, machine.address)
            for kind in ("crt", "key"):
                shutil.copy(folder / f"{machine.name}.{kind}", folder / place / f"own.{kind}")
        self.intake = Syslog(folder / "keeper", self.store.inside(), role, "/etc/rsyslog.d/40-logs.conf")
        namespace = network.join(WEB.name, WEB.address)
        rules = shipper(args, WEB)
        self.web = Syslog(folder / "web", ["ip", "netns", "exec", namespace], rules, "/etc/rsyslog.d/50-shipper.conf")

    def logs(self, *arguments: str) -> tuple[bool, str]:
        return self.store.run(PROGRAM, *arguments, LOGS=str(self.folder / "logs.json"))

    def found(self, query: str) -> list[dict[str, str]]:
        self.store.ask("logs-*/_refresh", method="POST", address="127.0.0.1")
        answer = self.store.ask(f"logs-*/_search?q={query}&size=1000", address="127.0.0.1")
        return [hit["_source"] for hit in answer["hits"]["hits"]] if answer else []


@pytest.fixture
def machines(engine: Path, tmp_path: Path) -> Iterator[Machines]:
    network = Network(f"logs{os.getpid()}")
    made: Machines | None = None
    try:
        network.open()
        made = Machines(engine, network, tmp_path)
        made.store.start()
        until(lambda: made.logs("prepare")[0])
        made.intake.start()
        made.web.start()
        yield made
    finally:
        if made:
            made.web.stop()
            made.intake.stop()
            made.store.kill()
        network.close()


def log_while_away(what: str, web: Syslog, keeper: Syslog) -> None:
    """Log twenty lines. The keeper tries to send the first, as often as it takes to notice, and keeps the others."""

    def noticed() -> bool:
        web.logged(f"while the {what} was away 0")
        return keeper.waiting() > 0

    until(noticed)
    read = keeper.read()
    for number in range(1, 20):
        web.logged(f"while the {what} was away {number}")
    until(lambda: keeper.read() >= read + 19)


@pytest.mark.claim("NRT-11")
def test_lines_of_another_machine_are_found_also_when_the_store_was_away(machines: Machines) -> None:
    machines.web.logged("the disk is tired")
    [line] = until(lambda: machines.found("message:tired"))
    assert {name: line[name] for name in ("host", "tag", "program", "severity", "message")} == {
        "host": "web-1",
        "tag": "system",
        "program": "cron",
        "severity": "notice",
        "message": "the disk is tired",
    }
    with machines.log_file.open("a") as log:
        log.write('198.18.0.9 - - "GET /foot HTTP/1.1" 200 "a \\"quoted\\" one"\n')
    machines.web.logged("a request", program="haproxy")
    [line] = until(lambda: machines.found("tag:http"))
    assert line["message"] == '198.18.0.9 - - "GET /foot HTTP/1.1" 200 "a \\"quoted\\" one"'
    [line] = until(lambda: machines.found("tag:balancer"))
    assert line["message"] == "a request"
    assert machines.logs("seen", "web-1") == (True, "lines of web-1 are there\n")
    assert machines.logs("seen", "web-1", "web-2")[1] == "logs: no line of web-2 yet\n"

    # The keeper is away, and nobody is restarted: nothing is lost.
    machines.intake.stop()
    patient = {f"patience {number}" for number in range(50)}
    for message in sorted(patient):
        machines.web.logged(message)
    machines.intake.start()
    until(lambda: patient <= {line["message"] for line in machines.found("message:patience")})

    # The engine is away: the keeper keeps. The keeper is away: the web server keeps, and is restarted meanwhile.
    # Each rsyslog gives up the line that it tries to send when it is stopped.
    machines.store.kill()
    log_while_away("engine", machines.web, machines.intake)
    machines.intake.stop()
    log_while_away("machine", machines.web, machines.web)
    machines.web.stop()
    machines.web.start()
    machines.store.start()
    machines.intake.start()
    expected = {f"while the {what} was away {number}" for what in ("engine", "machine") for number in range(20)}
    expected -= {f"while the {what} was away 0" for what in ("engine", "machine")}
    until(lambda: expected <= {line["message"] for line in machines.found("message:away")})


def test_nobody_sends_lines_of_another_machine_or_without_a_certificate(machines: Machines) -> None:
    rules = machines.web.folder / "rsyslog.conf"
    good = rules.read_text()
    machines.web.stop()
    rules.write_text(
        good.replace(f" {WEB.name} %app", " bank %app").replace('set $.tag = "system"', 'set $.tag = "mine"')
    )
    machines.web.start()
    machines.web.logged("forged")
    [line] = until(lambda: machines.found("message:forged"))
    assert (line["host"], line["tag"]) == ("web-1", "system")

    # A certificate of somebody else's authority, then none.
    machines.web.stop()
    (stranger := machines.folder / "stranger").mkdir()
    Authority(stranger).certify(machines.web.folder / "own", WEB.address)
    rules.write_text(good)
    machines.web.start()
    machines.web.logged("unsigned")
    until(lambda: machines.web.failed() > 0)
    machines.web.stop()
    rules.write_text(re.sub(r'tls="on".*\n.*tls.authMode.*\n', "\n", good))
    failed = machines.web.failed()
    machines.web.start()
    machines.web.logged("unsigned")
    until(lambda: machines.web.failed() > failed)
    assert machines.found("message:unsigned") == []


@pytest.mark.claim("NRT-12")
def test_a_tag_is_kept_for_as_long_as_was_said(machines: Machines) -> None:
    def day(days: int) -> str:
        when = datetime.datetime.now(datetime.UTC).date() - datetime.timedelta(days=days)
        return when.strftime("%Y.%m.%d")

    young = [f"logs-system-{day(21)}", f"logs-http-{day(365)}", f"logs-balancer-{day(1)}"]
    old = [f"logs-system-{day(22)}", f"logs-http-{day(366)}", f"logs-balancer-{day(30)}"]
    for name in (*young, *old):
        assert machines.store.ask(f"{name}/_doc", {"message": "a line"}, address="127.0.0.1")
    good, said = machines.logs("expire")
    assert (good, said) == (True, f"deleted {', '.join(sorted(old))}\n")
    kept = machines.store.ask("_cat/indices/logs-*?format=json&h=index", address="127.0.0.1")
    assert {entry["index"] for entry in kept} >= set(young)
    assert not {entry["index"] for entry in kept} & set(old)
    assert machines.logs("expire")[1] == "deleted nothing\n"
    machines.store.ask("logs-*/_refresh", method="POST", address="127.0.0.1")
    assert f"http: 1 lines, {day(365)} to {day(365)}, kept 365 days" in machines.logs("status")[1]
