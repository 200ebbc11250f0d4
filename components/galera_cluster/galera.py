#!/usr/bin/python3
"""This machine's part in a MariaDB Galera cluster.

    galera status                    every member as it is, and what this one does, or waits for; JSON
    galera ready                     succeed when this member serves: Primary, Synced, accounts made
    galera recover [--without A,B]   after a full stop: begin again from the newest data; it happens by itself once
                                     every member has told its position. --without: who is gone for good
    galera drain | undrain           have load balancers take this member out, or back
    galera upgrade                   drain, install Debian's newest MariaDB and Galera, come back; one member at a time
    galera run                       what mariadb.service runs: join or begin, as MariaDB; fails where neither is safe
    galera leave                     have load balancers leave, before the server stops; mariadb.service does it
    galera keep                      what galera.service runs: health on port 9200, standing for the others on 9201

A cluster begins, on its first day and after every full stop, by one rule: when no member is in a cluster and every
member has told its position, the one with the newest data begins, and the others join it one after the other. Where
one is silent nobody begins, for it may hold what the others lack.
"""

import fcntl
import hashlib
import http.client
import http.server
import ipaddress
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

CONFIGURATION = Path(os.environ.get("GALERA", "/etc/galera/settings.json"))
SYSTEM = ("information_schema", "mysql", "performance_schema", "sys")
NOBODY = "00000000-0000-0000-0000-000000000000"
HEALTH, PEERS = 9200, 9201
PATIENCE = 20.0  # seconds until `run` gives up; the keeper starts the server again when it may go on
PARTED = 30.0  # seconds in which members that lost each other find each other again by themselves


class Refused(Exception):
    """A sentence for the operator."""


class Unanswered(Exception):
    """A server that does not answer."""


class Standing(NamedTuple):
    """What a member tells the others.

    `state`: blank (never had data), stopped, foreign (holds databases that were never a cluster's), starting,
    parted (runs, but outside the cluster: without a majority), primary (in it), unknown (stopped, and has not looked
    for its position).
    """

    name: str
    state: str
    uuid: str = NOBODY
    seqno: int = -1
    synced: bool = False
    waiting: bool = False  # would start if it might


class Decision(NamedTuple):
    """`action`: join, begin or wait; and why."""

    action: str
    reason: str


def decide(own: Standing, others: Mapping[str, Standing | None], absent: frozenset[str]) -> Decision:
    """What this member may do. `others`, in the cluster's order with this member's name among them, holds None where
    nobody answers; `absent` is who is gone for good, by the operator's word."""
    order = list(others)
    known = {name: own if name == own.name else found for name, found in others.items() if found or name == own.name}
    there = [standing for standing in known.values() if standing is not None]
    if own.state == "foreign":
        return Decision("wait", f"{own.name} holds databases and was never in this cluster; move them away first")
    if primary := [one for one in there if one.state == "primary"]:
        if own.uuid not in (NOBODY, primary[0].uuid):
            return Decision(
                "wait",
                f"{own.name} holds the data of another cluster ({own.uuid}, not {primary[0].uuid}); to replace them by "
                "the cluster's, save what matters and empty /var/lib/mysql",
            )
        before = [one.name for one in there if one.waiting and order.index(one.name) < order.index(own.name)]
        before = [one.name for one in there if one.state == "starting"] or before
        if before:
            return Decision("wait", f"{before[0]} joins first; one at a time")
        return Decision("join", f"{primary[0].name} is in the cluster")
    if starting := [one.name for one in there if one.state == "starting"]:
        return Decision("wait", f"{starting[0]} is starting")
    silent = [name for name in order if name not in known and name not in absent]
    silent += [one.name for one in there if one.state == "unknown"]
    if silent:
        return Decision(
            "wait",
            f"no member is in the cluster, and {', '.join(silent)} did not tell its position: it may hold what the "
            f"others lack. If it is gone for good: galera recover --without {','.join(silent)}",
        )
    if foreign := [one.name for one in there if one.state == "foreign"]:
        return Decision("wait", f"{foreign[0]} holds databases and was never in this cluster; move them away first")
    if len(uuids := {one.uuid for one in there if one.state != "blank"}) > 1:
        told = ", ".join(f"{one.name}: {one.uuid}" for one in there)
        return Decision(
            "wait", f"the members hold the data of {len(uuids)} clusters ({told}); empty those that are to go"
        )
    newest = max(there, key=lambda one: (one.seqno, one.state == "parted", -order.index(one.name)))
    if newest.name == own.name:
        return Decision(
            "begin", f"{own.name} has the newest data ({own.uuid}:{own.seqno})" if uuids else "the first day"
        )
    return Decision("wait", f"{newest.name} begins ({newest.uuid}:{newest.seqno} is the newest); is it started?")


class Galera:
    def __init__(self) -> None:
        self.settings: dict[str, Any] = json.loads(CONFIGURATION.read_text())
        self.name: str = self.settings["name"]
        self.members: dict[str, str] = self.settings["members"]
        self.run_folder, self.state = Path(self.settings["run"]), Path(self.settings["state"])
        self.data = Path(self.settings["data"])
        # The server holds the lock as long as it runs.
        self.alive = self.run_folder / "alive"
        self.position, self.waiting = self.run_folder / "position", self.run_folder / "waiting"
        self.absent, self.leaving = self.run_folder / "absent", self.run_folder / "leaving"
        self.drained, self.asked = self.state / "drained", self.run_folder / "asked"

    # The server

    def ask(self, statements: str, *, root: bool = False) -> list[list[str]]:
        """Rows of the answer. Statements go in on standard input, where nobody sees them; the health account, on the
        extra port, unless `root` of the socket is wanted."""
        way = ["--no-defaults", f"--socket={self.settings['socket']}", "--user=root"]
        if not root:
            way = [f"--defaults-file={self.settings['client']}"]
        command = ["mariadb", *way, "--batch", "--skip-column-names", "--connect-timeout=1"]
        # Where a member waits for the others, so would a question.
        whole = f"SET SESSION wsrep_sync_wait=0; {statements}"
        try:
            done = subprocess.run(command, input=whole, capture_output=True, text=True, timeout=60 if root else 1.5)
        except subprocess.TimeoutExpired:
            raise Unanswered("the server does not answer") from None
        if done.returncode:
            raise Unanswered(done.stderr.strip())
        return [line.split("\t") for line in done.stdout.splitlines()]

    def figures(self) -> dict[str, str]:
        """The wsrep_ status variables, and the settings that matter, in lower case."""
        question = (
            "SHOW GLOBAL STATUS LIKE 'wsrep\\_%'; SHOW GLOBAL VARIABLES WHERE Variable_name IN"
            " ('wsrep_reject_queries', 'wsrep_sst_donor_rejects_queries');"
        )
        try:
            rows = self.ask(question)
        except Unanswered as error:
            if not any(f"ERROR {denied}" in str(error) for denied in (1045, 1130)):
                raise
            rows = self.ask(question, root=True)  # the first day: the health account is not made yet
        return {row[0].lower(): row[1] if len(row) > 1 else "" for row in rows}

    def runs(self) -> bool:
        try:
            with self.alive.open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    # Standing

    def standing(self) -> Standing:
        if not self.runs():
            told = Standing(*json.loads(self.position.read_text())) if self.position.exists() else self.on_disk()
            return told._replace(waiting=self.waiting.exists())
        try:
            now = self.figures()
        except Unanswered:
            return Standing(self.name, "starting")
        primary, synced = now.get("wsrep_cluster_status") == "Primary", now.get("wsrep_local_state") == "4"
        uuid, seqno = now.get("wsrep_local_state_uuid", NOBODY), int(now.get("wsrep_last_committed", -1))
        return Standing(self.name, "primary" if primary else "parted", uuid, seqno, synced)

    def on_disk(self) -> Standing:
        """What the files of a server that does not run say."""
        kept = self.data / "grastate.dat"
        if not kept.exists():
            databases = {found.parent.name for found in self.data.glob("*/db.opt")} - set(SYSTEM)
            return Standing(self.name, "foreign" if databases else "blank")
        found = dict(re.findall(r"^(\w+):\s+(\S+)$", kept.read_text(), re.MULTILINE))
        uuid, seqno = found["uuid"], int(found["seqno"])
        if uuid == NOBODY:  # a copy that broke off, or data that the cluster has found to be wrong
            return Standing(self.name, "blank")
        return Standing(self.name, "stopped" if seqno >= 0 else "unknown", uuid, seqno)

    def found(self) -> Standing:
        """The position, looked for in the tables where a crash left none."""
        kept = self.on_disk()
        if kept.state != "unknown":
            return kept
        done = subprocess.run([*self.settings["server"], "--wsrep-recover"], capture_output=True, text=True)
        said = re.findall(r"Recovered position:? *([0-9a-f-]{36}):(-?\d+)", done.stdout + done.stderr)
        if not said:
            raise Refused(f"no position is found in {self.data}:\n{done.stderr[-2000:]}")
        uuid, seqno = said[-1]
        return Standing(self.name, "stopped" if uuid != NOBODY else "blank", uuid, int(seqno))

    def others(self) -> dict[str, Standing | None]:
        """Every member's standing, in the cluster's order."""
        with ThreadPoolExecutor(max_workers=10) as pool:
            return dict(zip(self.members, pool.map(self.other, self.members), strict=True))

    def other(self, name: str) -> Standing | None:
        if name == self.name:
            return self.standing()
        context = self.tls(ssl.Purpose.SERVER_AUTH)
        connection = http.client.HTTPSConnection(self.members[name], PEERS, timeout=3, context=context)
        try:
            connection.request("GET", "/")
            told = Standing(*json.loads(connection.getresponse().read()))
        except (OSError, ValueError, TypeError, http.client.HTTPException):
            return None
        finally:
            connection.close()
        return told if told.name == name else None

    def tls(self, purpose: ssl.Purpose) -> ssl.SSLContext:
        """Only the cluster's machines speak, and only they are believed."""
        context = ssl.create_default_context(purpose, cafile=self.settings["authority"])
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(self.settings["certificate"], self.settings["key"])
        return context

    def gone(self) -> frozenset[str]:
        return frozenset(json.loads(self.absent.read_text())) if self.absent.exists() else frozenset()

    def decision(self) -> Decision:
        others = self.others()
        return decide(others[self.name] or self.standing(), others, self.gone())

    # What mariadb.service runs

    def run(self) -> NoReturn:
        self.run_folder.mkdir(parents=True, exist_ok=True)
        self.leaving.unlink(missing_ok=True)
        own = self.found()
        write(self.position, json.dumps(own))
        deadline = time.monotonic() + PATIENCE
        said = ""
        while (decided := self.decision()).action == "wait":
            write(self.waiting, decided.reason)
            if decided.reason != said:
                said = decided.reason
                print(f"galera: {said}", flush=True)
            if time.monotonic() > deadline:
                raise Refused(f"{said}. It starts by itself when it may; see galera status")
            time.sleep(1)
        print(f"galera: {decided.action}: {decided.reason}", flush=True)
        options = []
        if decided.action == "begin":
            options.append("--wsrep-new-cluster")
            if (kept := self.data / "grastate.dat").exists():
                write(kept, re.sub(r"^(safe_to_bootstrap:).*$", r"\1 1", kept.read_text(), flags=re.MULTILINE))
        if own.state == "stopped":
            options.append(f"--wsrep-start-position={own.uuid}:{own.seqno}")
        lock = os.open(self.alive, os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.set_inheritable(lock, True)
        for over in (self.position, self.waiting, self.absent):
            over.unlink(missing_ok=True)
        server = [*self.settings["server"], *options]
        os.execvp(server[0], server)  # noqa: S606 (it becomes the server)

    def leave(self) -> None:
        """Load balancers that ask are given the time to see that this member goes; its clients, to go."""
        write(self.leaving, "")
        deadline = time.monotonic() + self.settings["leave_seconds"]
        if self.asked.exists() and time.time() - self.asked.stat().st_mtime < 30:
            time.sleep(self.settings["notice_seconds"])
        user = quoted(self.settings["user"])
        with suppress(Unanswered):
            sessions = f"SELECT COUNT(*) FROM information_schema.processlist WHERE user={user};"  # noqa: S608
            while time.monotonic() < deadline and self.ask(sessions, root=True)[0][0] != "0":
                time.sleep(0.5)

    # Health

    def ill(self, others: Mapping[str, Standing | None]) -> str:
        """Why this member should get no clients; empty when it should."""
        if self.drained.exists():
            return "drained by the operator"
        if self.leaving.exists():
            return "about to stop"
        try:
            now = self.figures()
        except Unanswered as error:
            return str(error)
        if now.get("wsrep_cluster_status") != "Primary" or now.get("wsrep_ready") != "ON":
            return f"outside the cluster ({now.get('wsrep_cluster_status')}, ready {now.get('wsrep_ready')})"
        if now.get("wsrep_reject_queries") != "NONE":
            return "rejects queries"
        state = now.get("wsrep_local_state_comment", "")
        if now.get("wsrep_local_state") == "4":
            return ""
        last = not any(one and one.synced and one.name != self.name for one in others.values())
        if now.get("wsrep_local_state") == "2" and last and now.get("wsrep_sst_donor_rejects_queries") == "OFF":
            return ""  # it copies its data to another member, and nobody else is there for the clients
        return f"not synced ({state})"

    # Accounts

    def make_accounts(self) -> None:
        """What is missing of the database and the accounts, whose passwords go as hashes: the binary log keeps them."""
        secrets = json.loads(Path(self.settings["accounts"]).read_text())
        database, user = self.settings["database"], self.settings["user"]
        # (name, host) to its password and rights.
        wanted = {
            ("sst", "localhost"): (secrets["sst"], "RELOAD, PROCESS, LOCK TABLES, BINLOG MONITOR ON *.*"),
            ("health", "127.0.0.1"): (secrets["health"], "USAGE ON *.*"),
        }
        for cidr in self.settings["allowed_cidrs"]:
            wanted[user, host_pattern(cidr)] = (secrets["application"], f"ALL ON `{database}`.*")
        rows = self.ask("SELECT User, Host, authentication_string FROM mysql.user;", root=True)
        known = {(row[0], row[1]): row[2] for row in rows}
        rows = self.ask(f"SELECT User, Host FROM mysql.db WHERE Db={quoted(database)};", root=True)  # noqa: S608
        granted = {(row[0], row[1]) for row in rows}
        statements = [] if self.folder_of(database).exists() else [f"CREATE DATABASE IF NOT EXISTS `{database}`;"]
        for (name, host), (password, rights) in wanted.items():
            account = f"{quoted(name)}@{quoted(host)}"
            fresh = known.get((name, host)) != hashed(password)
            if fresh:
                statements.append(f"CREATE USER IF NOT EXISTS {account};")
            if fresh or (name == user and (name, host) not in granted):
                statements.append(f"GRANT {rights} TO {account};")
            if fresh:  # at last: what is broken off before is begun anew
                statements.append(f"ALTER USER {account} IDENTIFIED BY PASSWORD '{hashed(password)}';")
        gone = [account for account in known if account[0] == user and account not in wanted]
        statements += [f"DROP USER {quoted(name)}@{quoted(host)};" for name, host in gone]
        if statements:
            self.ask("\n".join(statements), root=True)

    def folder_of(self, database: str) -> Path:
        return self.data / database

    # What galera.service runs

    def keep(self) -> NoReturn:
        """Answer load balancers and members; start the server when it may; again and again."""
        self.run_folder.mkdir(parents=True, exist_ok=True)
        keeper = Keeper()
        for server in keeper.servers():
            threading.Thread(target=server.serve_forever, daemon=True).start()
        parted, said = time.monotonic(), ""
        while True:
            now = ""
            try:
                galera = keeper.galera = Galera()
                keeper.others = galera.others()
                own = keeper.others[galera.name] or galera.standing()
                if own.state != "parted":
                    parted = time.monotonic()
                now = galera.look(own, keeper.others, alone=time.monotonic() - parted)
            except (Refused, Unanswered, OSError, ValueError) as error:
                now = str(error)
            if now != said:
                print(now, flush=True)
                said = now
            keeper.galera.measure(keeper.others)
            time.sleep(self.settings["pause"])

    def look(self, own: Standing, others: dict[str, Standing | None], alone: float) -> str:
        """Do what follows from all members' standing; what this member is, in a word."""
        if own.waiting and own.state != "starting":
            decided = decide(own, others, self.gone())
            write(self.waiting, decided.reason)
            if decided.action != "wait":
                subprocess.run(self.settings["start"], check=True)
            return f"waiting: {decided.reason}" if decided.action == "wait" else f"starting: {decided.reason}"
        if own.state == "parted" and alone > PARTED:
            decided = decide(own, others, self.gone())
            if decided.action == "begin":
                # Without a restart it keeps its cache of write-sets: the others need no copy of everything.
                self.ask("SET GLOBAL wsrep_provider_options='pc.bootstrap=YES';", root=True)
                self.absent.unlink(missing_ok=True)
                return f"began again: {decided.reason}"
            return f"outside the cluster: {decided.reason}"
        if own.synced:
            self.waiting.unlink(missing_ok=True)
            first = next(name for name, one in others.items() if one and one.synced)
            if first == self.name:
                self.make_accounts()
        return "synced" if own.synced else own.state

    def measure(self, others: Mapping[str, Standing | None]) -> None:
        """Figures for node_exporter's textfile collector."""
        try:
            now = self.figures()
        except Unanswered:
            now = {}
        figures = {
            "ready": int(not self.ill(others)),
            "primary": int(now.get("wsrep_cluster_status") == "Primary"),
            "synced": int(now.get("wsrep_local_state") == "4"),
            "size": now.get("wsrep_cluster_size", "0"),
            "expected_size": self.settings["votes"],
            "flow_control_paused": now.get("wsrep_flow_control_paused", "0"),
            "receive_queue_average": now.get("wsrep_local_recv_queue_avg", "0"),
            "certification_failures_total": now.get("wsrep_local_cert_failures", "0"),
            "aborts_total": now.get("wsrep_local_bf_aborts", "0"),
        }
        folder = Path(self.settings["metrics"])
        folder.mkdir(parents=True, exist_ok=True)
        write(folder / "galera.prom", "".join(f"casebook_galera_{name} {value}\n" for name, value in figures.items()))

    # Commands

    def status(self) -> dict[str, Any]:
        others = self.others()
        return {
            "name": self.name,
            "serves": not (why := self.ill(others)),
            "why": why or "Primary and Synced",
            "waits_for": self.waiting.read_text() if self.waiting.exists() else None,
            "members": {name: one._asdict() if one else "does not answer" for name, one in others.items()},
        }

    def ready(self) -> str:
        if why := self.ill(self.others()):
            raise Refused(self.waiting.read_text() if self.waiting.exists() else why)
        self.make_accounts()  # the next member's copy needs them
        return f"{self.name} serves"

    def recover(self, absent: frozenset[str]) -> str:
        others = self.others()
        own = others[self.name] or self.standing()
        if strange := sorted(absent - others.keys()):
            raise Refused(f"{strange[0]} is no member; there are {', '.join(others)}")
        if there := [name for name in absent if others[name]]:
            raise Refused(f"{there[0]} answers, so it is not gone: {others[there[0]]}")
        if own.state == "primary":
            return f"{self.name} is in the cluster"
        decided = decide(own, others, absent)
        if decided.action == "wait":
            raise Refused(decided.reason)
        write(self.absent, json.dumps(sorted(absent)))
        if own.state != "parted":
            subprocess.run(self.settings["start"], check=True)
        return f"{decided.reason}; it goes on by itself: galera status"

    def drain(self, on: bool) -> str:
        if on:
            write(self.drained, "")
            return f"{self.name} gets no new clients, also after a restart, until: galera undrain"
        self.drained.unlink(missing_ok=True)
        return f"{self.name} gets clients when it is ready"

    def upgrade(self) -> str:
        others = self.others()
        if away := [name for name, one in others.items() if not (one and one.synced)]:
            raise Refused(f"{', '.join(away)}: not synced; upgrade when all members are, one after the other")
        self.leave()
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        get = ["apt-get", "-qq", "-o", "Dpkg::Options::=--force-confold"]
        try:
            subprocess.run([*get, "update"], check=True, env=environment)
            install = [*get, "install", "--yes", "--only-upgrade", *self.settings["packages"]]
            subprocess.run(install, check=True, env=environment)
            subprocess.run(["systemctl", "restart", "mariadb.service"], check=True)
        finally:
            self.leaving.unlink(missing_ok=True)
        deadline = time.monotonic() + 1800
        while why := self.ill(self.others()):
            if time.monotonic() > deadline:
                raise Refused(f"upgraded, but {why}")
            time.sleep(1)
        return f"{self.name} serves with {self.ask('SELECT VERSION();')[0][0]}; now the next member"


class Keeper:
    """What the two ports answer."""

    def __init__(self) -> None:
        self.galera = Galera()
        self.others: dict[str, Standing | None] = {}

    def servers(self) -> Iterator[http.server.HTTPServer]:
        galera = self.galera
        own = galera.members[galera.name]
        given = int(os.environ.get("LISTEN_FDS", "0"))  # systemd's, in the order of galera.socket
        for number, (port, answer) in enumerate(((HEALTH, self.health), (PEERS, self.standing))):
            server = http.server.ThreadingHTTPServer((own, port), handler(answer), bind_and_activate=False)
            if given:
                server.socket = socket.socket(fileno=3 + number)
            else:
                server.allow_reuse_address = True
                server.server_bind()
                server.server_activate()
            if port == PEERS:
                context = galera.tls(ssl.Purpose.CLIENT_AUTH)
                server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
            yield server

    def health(self) -> tuple[int, str]:
        self.galera.asked.touch()
        why = self.galera.ill(self.others)
        return (503, f"{why}\n") if why else (200, "Primary and Synced\n")

    def standing(self) -> tuple[int, str]:
        return 200, json.dumps(self.galera.standing())


def handler(answer: Any) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = 5

        def do_GET(self) -> None:
            status, text = answer()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: Any) -> None:
            """Load balancers ask every second."""

    return Handler


def write(path: Path, text: str) -> None:
    """Replace a file at once, with its owner and mode if it is there."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    new.chmod(0o644)
    if path.exists():
        status = path.stat()
        os.chown(new, status.st_uid, status.st_gid)
    new.replace(path)


def quoted(text: str) -> str:
    """A string of SQL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def hashed(password: str) -> str:
    """As mysql_native_password keeps it."""
    return "*" + hashlib.sha1(hashlib.sha1(password.encode()).digest()).hexdigest().upper()  # noqa: S324 (MySQL's)


def host_pattern(cidr: str) -> str:
    """A network as account names write it."""
    network = ipaddress.IPv4Network(cidr)
    return str(network[0]) if network.prefixlen == 32 else f"{network[0]}/{network.netmask}"


def main() -> None:
    words = sys.argv[1:]
    absent: frozenset[str] = frozenset()
    if len(words) == 3 and words[:2] == ["recover", "--without"]:
        words, absent = words[:1], frozenset(words[2].split(","))
    if len(words) != 1 or words[0] not in COMMANDS:
        sys.exit(__doc__)
    try:
        galera = Galera()
        if words[0] == "recover":
            print(galera.recover(absent))
        elif (said := COMMANDS[words[0]](galera)) is not None:
            print(said)
    except (Refused, Unanswered, OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"galera: {error}")


COMMANDS: dict[str, Any] = {
    "status": lambda galera: json.dumps(galera.status(), indent=1),
    "ready": Galera.ready,
    "recover": Galera.recover,
    "drain": lambda galera: galera.drain(True),
    "undrain": lambda galera: galera.drain(False),
    "upgrade": Galera.upgrade,
    "run": Galera.run,
    "leave": Galera.leave,
    "keep": Galera.keep,
}


if __name__ == "__main__":
    main()
