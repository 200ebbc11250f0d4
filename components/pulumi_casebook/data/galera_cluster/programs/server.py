"""This machine's MariaDB server, whether it runs or not."""

import fcntl
import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pymysql

from pulumi_casebook.data.galera_cluster.programs.decide import NOBODY, Standing
from pulumi_casebook.machines.configuration.programs.runtime import (
    SYSTEM,
    Decisions,
    Refused,
    Unanswered,
    by_column,
    client,
    sessions,
)

SOON = "SET SESSION wsrep_sync_wait=0"  # where a member waits for the others, a question would wait too
DENIED = (1044, 1045, 1130, 1142)  # the first day: the health account, or a right of it, is not made yet
IDLE: list["pymysql.Connection[pymysql.cursors.Cursor]"] = []  # the health account's
DECISIONS = Decisions("casebook_galera")


class Server:
    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.name: str = settings["name"]
        self.elsewhere: list[str] = settings["elsewhere"]
        self.data, self.run_folder = Path(settings["data"]), Path(settings["run"])
        self.local = ("--no-defaults", f"--socket={settings['socket']}", "--user=root")
        # The server holds the lock as long as it runs.
        self.alive = self.run_folder / "alive"
        self.position, self.waiting = self.run_folder / "position", self.run_folder / "waiting"

    # What it answers

    def as_root(self, statements: str, *more: str) -> list[list[str]]:
        """Rows of the answer to root of the socket."""
        try:
            return client(self.local, f"{SOON}; {statements}", "--connect-timeout=1", *more)
        except subprocess.TimeoutExpired:
            raise Unanswered("the server does not answer") from None
        except subprocess.CalledProcessError as error:
            raise Unanswered(error.stderr.strip()) from None

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

    def replication(self) -> dict[str, str]:
        """SHOW REPLICA STATUS, by column; empty where nothing is replicated."""
        return by_column(self.as_root("SHOW REPLICA STATUS\\G", "--column-names"))

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

    def with_site(self, own: Standing, now: Mapping[str, str]) -> Standing:
        epoch, writer = 0, ""
        with suppress(Unanswered, IndexError):  # no such table, or an empty one: no copy of the data yet
            rows = self.ask(DECISIONS.last)
            epoch, writer = int(rows[0][0]), rows[0][1]
        return own._replace(
            synced=own.synced and bool(writer or self.settings["writes_first"]),
            epoch=epoch,
            writer=writer,
            writable=now.get("read_only") == "OFF",
            channel=now.get("slaves_running", "0") != "0",
            position=now.get("gtid_binlog_pos", ""),
        )

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

    def full(self, times: int = 1) -> str:
        """That its disk has no room, in words. A server that cannot write its binary log waits, and all others with
        it, since it takes nothing in."""
        disk, least = os.statvfs(self.data), times * self.settings["room_mib"]
        left = disk.f_bavail * disk.f_frsize // 2**20
        return f"{left} MiB are left on its disk, of the {least} that it needs" if left < least else ""

    # What it is told

    def make_database(self) -> None:
        if not (self.data / self.settings["database"]).exists():
            self.as_root(f"CREATE DATABASE IF NOT EXISTS `{self.settings['database']}`;")

    def begin_again(self) -> None:
        """Be the cluster, with what this server has. From MariaDB 11.4 on each of the provider's options is a variable
        of its own, and SET of all of them in one is refused."""
        one = self.as_root("SHOW GLOBAL VARIABLES LIKE 'wsrep_provider_pc_bootstrap';")
        self.as_root(
            "SET GLOBAL wsrep_provider_pc_bootstrap=ON;"
            if one
            else "SET GLOBAL wsrep_provider_options='pc.bootstrap=YES';"
        )

    def be_read_only(self, own: Standing) -> None:
        if own.writable:
            self.as_root("SET GLOBAL read_only=1;")
            for (session,) in self.as_root(sessions(self.settings["user"])):
                with suppress(Unanswered):
                    self.as_root(f"KILL {session};")
