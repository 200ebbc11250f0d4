#!/usr/bin/python3
"""This machine's part in a MariaDB Galera cluster.

    galera status                    every member as it is, and what this one does, or waits for; JSON
    galera ready                     succeed when this member serves: Primary, Synced, accounts made
    galera recover [--without A,B]   after a full stop: begin again from the newest data; it happens by itself once
                                     every member has told its position. --without: who is gone for good
    galera drain | undrain           have load balancers take this member out, or back
    galera promote [--other-is-off]  where two clusters in two sites follow each other: let this one write
    galera upgrade                   drain, install Debian's newest MariaDB and Galera, come back; one member at a time
    galera run                       what mariadb.service runs: join or begin, as MariaDB; fails where neither is safe
    galera leave                     have load balancers leave, before the server stops; mariadb.service does it
    galera keep                      what galera.service runs: health on port 9200, standing for the others on 9201

A cluster begins, on its first day and after every full stop, by one rule: when no member is in a cluster and every
member has told its position, the one with the newest data begins, and the others join it one after the other. Where
one is silent nobody begins, for it may hold what the others lack.

Of two clusters, the one with the highest epoch in the replicated table casebook_galera.writer writes. The other is
read-only and follows it by GTID: one of its members has the channel, another takes it over. In doubt neither writes.
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
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import pymysql

CONFIGURATION = Path(os.environ.get("GALERA", "/etc/galera/settings.json"))
SYSTEM = ("information_schema", "mysql", "performance_schema", "sys")
NOBODY = "00000000-0000-0000-0000-000000000000"
HEALTH, PEERS = 9200, 9201
PATIENCE = 90.0  # seconds until `run` gives up; the keeper starts the server again when it may go on
CALM = 5  # times as seldom does a member that is well ask the others: each asks all, which ten members feel
FRESH = 0.5  # seconds for which an answer to load balancers and members holds
PARTED = 30.0  # seconds in which members that lost each other find each other again by themselves
SOON = "SET SESSION wsrep_sync_wait=0"  # where a member waits for the others, a question would wait too
DENIED = (1044, 1045, 1130, 1142)  # the first day: the health account, or a right of it, is not made yet
IDLE: list["pymysql.Connection[pymysql.cursors.Cursor]"] = []  # the health account's


REPLICA_RIGHTS = (
    "SELECT, INSERT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES, PROCESS, RELOAD, REPLICATION SLAVE, BINLOG MONITOR,"
    " READ_ONLY ADMIN ON *.*"
)
WRITER_TABLE = (
    "CREATE DATABASE IF NOT EXISTS casebook_galera; CREATE TABLE IF NOT EXISTS casebook_galera.writer ("
    "epoch BIGINT PRIMARY KEY, name VARCHAR(64) NOT NULL, since TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP);"
)

# Name, host, what opens the account, and whether what opened it before still does, for longer than it should.
KNOWN = (
    "SELECT User, Host, IFNULL(JSON_VALUE(Priv, '$.authentication_string'), ''), JSON_EXISTS(Priv, '$.auth_or') AND "
    "UNIX_TIMESTAMP() - JSON_VALUE(Priv, '$.password_last_changed') >= {grace} FROM mysql.global_priv;"
)


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
    synced: bool = False  # has all data, and room for more
    waiting: bool = False  # would start if it might
    # Where a cluster elsewhere follows, or is followed:
    epoch: int = 0
    writer: str = ""
    writable: bool = False
    channel: bool = False
    position: str = ""


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
        if not any(one.synced for one in primary):
            return Decision("wait", f"{primary[0].name} has no complete copy of the data yet")
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
        self.cluster: str = self.settings["cluster"]
        self.elsewhere: list[str] = self.settings["elsewhere"]
        self.drained, self.asked = self.state / "drained", self.run_folder / "asked"

    # The server

    def as_root(self, statements: str, *more: str) -> list[list[str]]:
        """Rows of the answer to root of the socket. Statements go in on standard input, where nobody sees them."""
        way = ["--no-defaults", f"--socket={self.settings['socket']}", "--user=root"]
        command = ["mariadb", *way, "--batch", "--skip-column-names", "--connect-timeout=1", *more]
        try:
            done = subprocess.run(command, input=f"{SOON}; {statements}", capture_output=True, text=True, timeout=60)
        except subprocess.TimeoutExpired:
            raise Unanswered("the server does not answer") from None
        if done.returncode:
            raise Unanswered(done.stderr.strip())
        return [line.split("\t") for line in done.stdout.splitlines()]

    def ask(self, *questions: str) -> Sequence[Sequence[str]]:
        """Rows of the answers to the health account, over a connection that is kept: members and load balancers ask
        every second, and a client that is started for each question costs ten members half a core."""
        while True:
            kept = IDLE.pop() if IDLE else None
            try:
                connection = kept or pymysql.connect(
                    read_default_file=self.settings["client"],
                    autocommit=None,  # as the server has it: False would be one more question each time
                    connect_timeout=1,
                    read_timeout=1.5,
                    write_timeout=1.5,
                )
                with connection.cursor() as cursor:
                    rows = [row for each in (SOON, *questions) if cursor.execute(each) for row in cursor.fetchall()]
            except pymysql.err.MySQLError as error:
                if kept:  # the server may have been restarted since
                    continue
                if error.args[0] in DENIED:
                    return self.as_root(f"{'; '.join(questions)};")
                raise Unanswered(str(error.args[-1])) from None
            IDLE.append(connection)
            return rows

    def figures(self) -> dict[str, str]:
        """The status variables and the settings that matter, their names in lower case."""
        named = "('gtid_binlog_pos', 'read_only', 'wsrep_reject_queries', 'wsrep_sst_donor_rejects_queries')"
        questions = (
            "SHOW GLOBAL STATUS WHERE Variable_name LIKE 'wsrep\\_%' OR Variable_name = 'slaves_running'",
            f"SHOW GLOBAL VARIABLES WHERE Variable_name IN {named}",
        )
        return {row[0].lower(): row[1] if len(row) > 1 else "" for row in self.ask(*questions)}

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
        primary = now.get("wsrep_cluster_status") == "Primary"
        synced = now.get("wsrep_local_state") == "4" and not self.full()
        uuid, seqno = now.get("wsrep_local_state_uuid", NOBODY), int(now.get("wsrep_last_committed", -1))
        own = Standing(self.name, "primary" if primary else "parted", uuid, seqno, synced)
        return self.with_site(own, now) if self.elsewhere and primary else own

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
        told = self.told(self.members[name])
        return told if told and told.name == name else None

    def told(self, address: str) -> Standing | None:
        """What the machine at an address says; None where it says nothing."""
        context = self.tls(ssl.Purpose.SERVER_AUTH)
        connection = http.client.HTTPSConnection(address, PEERS, timeout=5, context=context)
        try:
            connection.request("GET", "/")
            return Standing(*json.loads(connection.getresponse().read()))
        except (OSError, ValueError, TypeError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def tls(self, purpose: ssl.Purpose) -> ssl.SSLContext:
        """Only the cluster's machines speak, and only they are believed."""
        context = ssl.create_default_context(purpose, cafile=self.settings["authority"])
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(self.settings["certificate"], self.settings["key"])
        return context

    def full(self, times: int = 1) -> str:
        """That its disk has no room, in words. A server that cannot write its binary log waits, and all others with
        it, since it takes nothing in."""
        disk, least = os.statvfs(self.data), times * self.settings["room_mib"]
        left = disk.f_bavail * disk.f_frsize // 2**20
        return f"{left} MiB are left on its disk, of the {least} that it needs" if left < least else ""

    def gone(self) -> frozenset[str]:
        return frozenset(json.loads(self.absent.read_text())) if self.absent.exists() else frozenset()

    def decide(self, own: Standing, others: Mapping[str, Standing | None]) -> Decision:
        full = self.full(times=2)  # or it would be killed again at once
        return Decision("wait", full) if full else decide(own, others, self.gone())

    def decision(self) -> Decision:
        others = self.others()
        return self.decide(others[self.name] or self.standing(), others)

    # What mariadb.service runs

    def run(self) -> NoReturn:
        self.run_folder.mkdir(parents=True, exist_ok=True)
        self.leaving.unlink(missing_ok=True)
        deadline = time.monotonic() + PATIENCE
        while full := self.full(times=2):
            self.wait(full, deadline)
        own = self.found()
        write(self.position, json.dumps(own))
        while (decided := self.decision()).action == "wait":
            self.wait(decided.reason, deadline)
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

    def wait(self, reason: str, deadline: float) -> None:
        if not self.waiting.exists() or self.waiting.read_text() != reason:
            write(self.waiting, reason)
            print(f"galera: {reason}", flush=True)
        if time.monotonic() > deadline:
            raise Refused(f"{reason}. It starts by itself when it may; see galera status")
        time.sleep(1)

    def leave(self) -> None:
        """Load balancers that ask are given the time to see that this member goes; its clients, to go."""
        write(self.leaving, "")
        deadline = time.monotonic() + self.settings["leave_seconds"]
        if self.asked.exists() and time.time() - self.asked.stat().st_mtime < 30:
            time.sleep(self.settings["notice_seconds"])
        user = quoted(self.settings["user"])
        with suppress(Unanswered):
            sessions = f"SELECT COUNT(*) FROM information_schema.processlist WHERE user={user};"  # noqa: S608
            while time.monotonic() < deadline and self.as_root(sessions)[0][0] != "0":
                time.sleep(0.5)

    # Health

    def synced_others(self, others: Mapping[str, Standing | None]) -> int:
        return sum(one.synced for name, one in others.items() if one and name != self.name)

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
        last = not self.synced_others(others)
        if now.get("wsrep_local_state") == "4":
            return "" if last else self.full()
        if now.get("wsrep_local_state") == "2" and last and now.get("wsrep_sst_donor_rejects_queries") == "OFF":
            return ""  # it copies its data to another member, and nobody else is there for the clients
        return f"not synced ({state})"

    # Accounts

    def make_accounts(self) -> None:
        """What this member lacks of the accounts. Each makes its own: no password is replicated, or in a log.

        A password that was replaced opens for `grace_seconds` more, for who has not been given the new one yet.
        """
        secrets = json.loads(Path(self.settings["accounts"]).read_text())
        database, user = self.settings["database"], self.settings["user"]
        # (name, host) to its password and rights.
        wanted = {
            ("sst", "localhost"): (secrets["sst"], "RELOAD, PROCESS, LOCK TABLES, BINLOG MONITOR ON *.*"),
            ("health", "127.0.0.1"): (secrets["health"], "SELECT ON casebook_galera.*"),
        }
        for cidr in self.settings["allowed_cidrs"]:
            wanted[user, host_pattern(cidr)] = (secrets["application"], f"ALL ON `{database}`.*")
        for address in self.elsewhere:
            wanted["replica", address] = (secrets["replica"], REPLICA_RIGHTS)
        rows = self.as_root(KNOWN.format(grace=self.settings["grace_seconds"]))
        known = {(name, host): (kept, over) for name, host, kept, over in rows}
        rows = self.as_root(f"SELECT User, Host FROM mysql.db WHERE Db={quoted(database)};")  # noqa: S608
        granted = {(row[0], row[1]) for row in rows}
        statements = []
        for (name, host), (password, rights) in wanted.items():
            account = f"{quoted(name)}@{quoted(host)}"
            kept, over = known.get((name, host), ("", "0"))
            fresh = kept != hashed(password)
            if fresh:
                statements.append(f"CREATE USER IF NOT EXISTS {account};")
            if fresh or (name == user and (name, host) not in granted):
                statements.append(f"GRANT {rights} TO {account};")
            if fresh or over == "1":  # at last: what is broken off before is begun anew
                opens = [hashed(password), *([kept] if fresh and kept else [])]
                ways = " OR ".join(f"mysql_native_password USING {quoted(one)}" for one in opens)
                tls = "REQUIRE SSL" if name == "replica" else ""
                statements.append(f"ALTER USER {account} IDENTIFIED VIA {ways} {tls};")
        gone = [account for account in known if account[0] in (user, "replica") and account not in wanted]
        statements += [f"DROP USER {quoted(name)}@{quoted(host)};" for name, host in gone]
        if statements:
            self.as_root("\n".join(["SET SESSION wsrep_on=OFF, sql_log_bin=0;", *statements]))

    def make_database(self) -> None:
        if not (self.data / self.settings["database"]).exists():
            self.as_root(f"CREATE DATABASE IF NOT EXISTS `{self.settings['database']}`;")

    # Two sites

    def with_site(self, own: Standing, now: Mapping[str, str]) -> Standing:
        epoch, writer = 0, ""
        with suppress(Unanswered, IndexError):  # no such table, or an empty one: no copy of the data yet
            rows = self.ask("SELECT epoch, name FROM casebook_galera.writer ORDER BY epoch DESC LIMIT 1")
            epoch, writer = int(rows[0][0]), rows[0][1]
        return own._replace(
            synced=own.synced and bool(writer or self.settings["writes_first"]),
            epoch=epoch,
            writer=writer,
            writable=now.get("read_only") == "OFF",
            channel=now.get("slaves_running", "0") != "0",
            position=now.get("gtid_binlog_pos", ""),
        )

    def far(self) -> tuple[str, Standing] | None:
        """A member of the other cluster that is in it, with its address: one that writes, if there is any."""
        with ThreadPoolExecutor(max_workers=10) as pool:
            told = zip(self.elsewhere, pool.map(self.told, self.elsewhere), strict=True)
        there = [(address, one) for address, one in told if one and one.state == "primary"]
        return max(there, key=lambda one: (one[1].epoch, one[1].writable), default=None)

    def sites(self, own: Standing, others: Mapping[str, Standing | None]) -> str:
        """This member's part in its cluster's: to write, or to follow; what it does, in a word."""
        found = self.far()
        address, far = found or ("", Standing("the other cluster", "unknown"))
        there = [one for one in others.values() if one and one.state == "primary"]
        # The member that has the channel keeps it; else the first takes it.
        leading = [one for one in there if one.channel] or [one for one in there if one.synced] or there
        leads = leading[0].name == self.name
        if not own.writer:
            return self.first_day(address, far) if leads else f"waits for {there[0].name}"
        if max((own.epoch, own.writer), (far.epoch, far.writer)) != (own.epoch, own.writer):
            if far.writer == self.cluster:
                raise Refused(f"the other cluster knows a later decision; {self.cluster} lacks data")
            self.be_read_only(own)
            return self.follow(own, address, far) if leads else f"follows {far.writer}, through another member"
        if own.writer != self.cluster:
            self.be_read_only(own)
            if not leads:
                self.unfollow()
                return f"follows {own.writer}, through another member"
            return self.follow(own, address, far) if found else f"{own.writer} writes, and does not answer"
        if not own.writable:
            if not any(one.writable for one in there):
                if not found:
                    raise Refused(
                        "nobody knows whether the other cluster writes; if it is off: galera promote --other-is-off"
                    )
                if far.writable:
                    raise Refused(f"waits until {far.name} takes no more writes")
                if not leads:
                    return "waits for the member that has the channel"
                self.apply_all(own, far.position)
            self.as_root("SET GLOBAL read_only=0;")
        self.unfollow()
        self.make_database()
        return "writes"

    def first_day(self, address: str, far: Standing) -> str:
        if far.writer:
            self.copy(address)
            return f"has copied {far.writer}"
        if not self.settings["writes_first"]:
            raise Refused("there is nothing to follow yet: the other cluster does not answer")
        self.as_root(WRITER_TABLE + decision(1, self.cluster) + "SET GLOBAL read_only=0;")
        return "writes, from the first day"

    def be_read_only(self, own: Standing) -> None:
        if own.writable:
            self.as_root("SET GLOBAL read_only=1;")
            user = quoted(self.settings["user"])
            rows = self.as_root(f"SELECT id FROM information_schema.processlist WHERE user={user};")  # noqa: S608
            for (session,) in rows:
                with suppress(Unanswered):
                    self.as_root(f"KILL {session};")

    def replication(self) -> dict[str, str]:
        """SHOW REPLICA STATUS, by column; empty where nothing is replicated."""
        rows = self.as_root("SHOW REPLICA STATUS\\G", "--column-names")
        pairs = (row[0].strip().partition(": ") for row in rows)
        return {name.removesuffix(":"): value for name, _, value in pairs}

    def follow(self, own: Standing, address: str, far: Standing) -> str:
        status = self.replication()
        if status.get("Last_SQL_Errno", "0") != "0":
            raise Refused(f"cannot follow {far.writer}: {status['Last_SQL_Error']}")
        if status.get("Slave_IO_Running") == "Yes":
            return f"follows {status['Master_Host']}"
        more = ahead(own.position, far.position)
        if more:
            raise Refused(
                f"{self.cluster} holds transactions, up to {more}, that {far.writer} lacks; save what matters "
                "(mariadb-binlog shows them), then empty /var/lib/mysql on all members here: they copy the others"
            )
        applied = self.as_root("SELECT @@GLOBAL.gtid_slave_pos;")[0][0]
        password = json.loads(Path(self.settings["accounts"]).read_text())["replica"]
        self.as_root(
            f"STOP REPLICA; SET GLOBAL gtid_slave_pos={quoted(latest(applied, own.position))};"
            f"CHANGE MASTER TO MASTER_HOST={quoted(address)}, MASTER_PORT={self.settings['port']},"
            f"MASTER_USER='replica', MASTER_PASSWORD={quoted(password)},"
            "MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=2, MASTER_HEARTBEAT_PERIOD=5, MASTER_SSL=1,"
            f"MASTER_SSL_CA={quoted(self.settings['authority'])}; START REPLICA;"
        )
        return f"follows {address}"

    def unfollow(self) -> None:
        if self.replication():
            self.as_root("STOP REPLICA; RESET REPLICA ALL;")

    def apply_all(self, own: Standing, position: str) -> None:
        position = latest(position, "")
        if own.channel and self.as_root(f"SELECT MASTER_GTID_WAIT({quoted(position)}, 20);") != [["0"]]:
            raise Refused(f"not everything up to {position} has been applied yet")

    def copy(self, address: str) -> None:
        """The other cluster's data as of one of its transactions, into this member alone; the others copy this one."""
        far = [f"--defaults-file={self.settings['elsewhere_client']}", f"--host={address}"]
        shown = subprocess.run(
            ["mariadb", *far, "-BN", "-e", "SHOW DATABASES"], capture_output=True, text=True, check=True
        )
        # The table of writers at last: without it, a copy that broke off is begun anew.
        names = sorted(set(shown.stdout.split()) - set(SYSTEM) - {"casebook_galera"})
        options = ["--single-transaction", "--master-data=1", "--gtid", "--routines", "--events", "--hex-blob"]
        dump = subprocess.Popen(
            ["mariadb-dump", *far, *options, "--databases", *names, "casebook_galera"], stdout=subprocess.PIPE
        )
        local = ["--no-defaults", f"--socket={self.settings['socket']}", "--user=root"]
        here = ["mariadb", *local, "--init-command=SET SESSION wsrep_on=OFF, sql_log_bin=0"]
        loaded = subprocess.run(here, stdin=dump.stdout, capture_output=True, text=True)
        if dump.wait() or loaded.returncode:
            raise Refused(f"the other cluster's data could not be copied: {loaded.stderr}")

    # What galera.service runs

    def keep(self) -> NoReturn:
        """Answer load balancers and members; start the server when it may; again and again."""
        self.run_folder.mkdir(parents=True, exist_ok=True)
        keeper = Keeper()
        for server in keeper.servers():
            threading.Thread(target=server.serve_forever, daemon=True).start()
        parted, said = time.monotonic(), ""
        while True:
            now, rests = "", 1
            try:
                galera = keeper.galera = Galera()
                keeper.others = galera.others()
                own = keeper.others[galera.name] or galera.standing()
                if own.state != "parted":
                    parted = time.monotonic()
                if own.synced:
                    rests = CALM
                now = galera.look(own, keeper.others, alone=time.monotonic() - parted)
            except (Refused, Unanswered, OSError, ValueError) as error:
                now = str(error)
            try:
                keeper.galera.measure(keeper.others)
            except OSError as error:  # a full disk
                now += f"; no figures: {error}"
            if now != said:
                print(now, flush=True)
                said = now
            for _ in range(rests):
                time.sleep(self.settings["pause"])
                if self.full():
                    break

    def look(self, own: Standing, others: dict[str, Standing | None], alone: float) -> str:
        """Do what follows from all members' standing; what this member is, in a word."""
        if own.waiting and own.state != "starting":
            decided = self.decide(own, others)
            write(self.waiting, decided.reason)
            if decided.action != "wait":
                subprocess.run(self.settings["start"], check=True)
            return f"waiting: {decided.reason}" if decided.action == "wait" else f"starting: {decided.reason}"
        if own.state == "primary" and (full := self.full()):
            votes = self.settings["votes"]
            arbitrators = votes - len(self.members)
            if 2 * (self.synced_others(others) + arbitrators) <= votes:
                return f"in the cluster, which needs it: {full}"
            # Not stopped: that would wait for room as well.
            write(self.waiting, full)
            subprocess.run(self.settings["kill"], check=True)
            return f"killed, for the others go on without it: {full}"
        if own.state == "parted" and alone > PARTED:
            decided = decide(own, others, self.gone())
            if decided.action == "begin":
                # Without a restart it keeps its cache of write-sets: the others need no copy of everything.
                self.as_root("SET GLOBAL wsrep_provider_options='pc.bootstrap=YES';")
                self.absent.unlink(missing_ok=True)
                return f"began again: {decided.reason}"
            return f"outside the cluster: {decided.reason}"
        if own.synced:
            self.waiting.unlink(missing_ok=True)
            self.make_accounts()
            if not self.elsewhere:
                self.make_database()
        if own.state == "primary" and self.elsewhere:
            return self.sites(own, others)
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
        text = "".join(f"casebook_galera_{name} {value}\n" for name, value in figures.items())
        own = others.get(self.name)
        if (
            own
            and self.elsewhere
            and (own.writable or own.channel or not any(one and one.channel for one in others.values()))
        ):
            text += f"casebook_mysql_replication_lag_seconds {self.lag(own)}\n"
        folder = Path(self.settings["metrics"])
        folder.mkdir(parents=True, exist_ok=True)
        write(folder / "galera.prom", text)

    def lag(self, own: Standing) -> str:
        """Seconds behind the cluster that is followed."""
        if own.writable:
            return "0"
        with suppress(Unanswered):
            status = self.replication()
            if status.get("Slave_IO_Running") == "Yes" and status["Seconds_Behind_Master"] != "NULL":
                return status["Seconds_Behind_Master"]
        return "+Inf"

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
        own = self.standing()
        if self.elsewhere and not (own.writable or own.writer not in ("", self.cluster)):
            raise Refused(f"{self.name} is in the cluster, which may not write yet; journalctl -u galera tells why")
        self.make_accounts()  # the next member's copy needs them
        if own.writable or not self.elsewhere:
            self.make_database()
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

    def promote(self, other_is_off: bool) -> str:
        own, found = self.standing(), self.far()
        if not own.writer:
            raise Refused(f"{self.cluster} has no complete copy of the data")
        if own.writer == self.cluster and own.writable:
            return f"{self.cluster} writes already"
        if not found:
            if not other_is_off:
                raise Refused(
                    "the other cluster does not answer; make sure that it is off, then: galera promote --other-is-off"
                )
            self.as_root(decision(own.epoch + 1, self.cluster) + "SET GLOBAL read_only=0;")
            return f"{self.cluster} writes; the other cluster follows when it is back"
        address, far = found  # the decision goes where writes go, and comes here behind the last of them
        epoch = max(own.epoch, far.epoch) + 1
        way = ["mariadb", f"--defaults-file={self.settings['elsewhere_client']}", f"--host={address}"]
        said = subprocess.run(way, input=decision(epoch, self.cluster), capture_output=True, text=True)
        if said.returncode:
            raise Refused(f"{address} says: {said.stderr.strip()}")
        deadline = time.monotonic() + 90
        while not self.standing().writable:
            if time.monotonic() > deadline:
                raise Refused(f"decided, but {self.cluster} does not write yet; see galera status")
            time.sleep(0.5)
        return f"{self.cluster} writes, the other cluster follows it"

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
        return f"{self.name} serves with {self.ask('SELECT VERSION()')[0][0]}; now the next member"


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):  # who asked has gone
            super().handle_error(request, client_address)


class Keeper:
    """What the two ports answer."""

    def __init__(self) -> None:
        self.galera = Galera()
        self.others: dict[str, Standing | None] = {}

    def servers(self) -> Iterator[http.server.HTTPServer]:
        galera = self.galera
        own = galera.members[galera.name]
        given = int(os.environ.get("LISTEN_FDS", "0"))  # systemd's, in the order of galera.socket
        for number, (port, answer) in enumerate(((HEALTH, kept(self.health)), (PEERS, kept(self.standing)))):
            server = Server((own, port), handler(answer), bind_and_activate=False)
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


def kept(answer: Callable[[], tuple[int, str]]) -> Callable[[], tuple[int, str]]:
    """The answer, made at most every FRESH seconds: ten members and their load balancers ask forty times a second.

    Whoever waits while it is made takes it as well: on a busy machine it would else be made for each of them in turn.
    """
    lock, made, when = threading.Lock(), (503, ""), 0.0

    def answered() -> tuple[int, str]:
        nonlocal made, when
        asked = time.monotonic()
        with lock:
            if asked - when > FRESH:
                made = answer()
                when = time.monotonic()
            return made

    return answered


def handler(answer: Callable[[], tuple[int, str]]) -> type[http.server.BaseHTTPRequestHandler]:
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


def decision(epoch: int, cluster: str) -> str:
    return f"INSERT INTO casebook_galera.writer (epoch, name) VALUES ({epoch}, {quoted(cluster)});"  # noqa: S608


def domains(position: str) -> dict[str, tuple[int, str]]:
    """The last transaction of each domain."""
    gtids = [gtid.split("-") for gtid in position.split(",") if gtid]
    return {
        domain: (int(number), f"{domain}-{server}-{number}")
        for domain, server, number in gtids
        if domain in ("1", "2")  # of the two clusters; a member's own, which no other has, counts for nobody
    }


def latest(one: str, other: str) -> str:
    """Of two positions, the later of each domain."""
    mine, theirs = domains(one), domains(other)
    return ",".join(max(mine.get(name, (0, "")), theirs.get(name, (0, "")))[1] for name in mine.keys() | theirs.keys())


def ahead(own: str, far: str) -> str:
    """What this position has and the other, which knows the domain, has not."""
    mine, theirs = domains(own), domains(far)
    return ", ".join(gtid for name, (number, gtid) in mine.items() if name in theirs and number > theirs[name][0])


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
    off = words == ["promote", "--other-is-off"]
    words = words[:1] if off else words
    if len(words) != 1 or words[0] not in COMMANDS:
        sys.exit(__doc__)
    try:
        galera = Galera()
        if words[0] == "recover":
            print(galera.recover(absent))
        elif words[0] == "promote":
            print(galera.promote(off))
        elif (said := COMMANDS[words[0]](galera)) is not None:
            print(said)
    except (Refused, Unanswered, OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"galera: {error}")


COMMANDS: dict[str, Any] = {
    "status": lambda galera: json.dumps(galera.status(), indent=1),
    "ready": Galera.ready,
    "recover": Galera.recover,
    "promote": Galera.promote,
    "drain": lambda galera: galera.drain(True),
    "undrain": lambda galera: galera.drain(False),
    "upgrade": Galera.upgrade,
    "run": Galera.run,
    "leave": Galera.leave,
    "keep": Galera.keep,
}


if __name__ == "__main__":
    main()
