"""What this machine is to be: the writer, its replica, or in doubt."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pulumi_casebook.data.mysql_pair.programs.address import ServiceAddress
from pulumi_casebook.data.mysql_pair.programs.replica import Replica
from pulumi_casebook.data.mysql_pair.programs.server import DECISIONS, Peer, Record, Server
from pulumi_casebook.machines.configuration.programs.runtime import Refused, Unanswered, alone

CONFIGURATION = Path(os.environ.get("MYSQL_PAIR", "/etc/mysql-pair.json"))


class Pair:
    def __init__(self) -> None:
        settings: dict[str, Any] = json.loads(CONFIGURATION.read_text())
        self.settings = settings
        self.name: str = settings["name"]
        self.peer_name: str = settings["peer"]["name"]
        self.here = Server(self.name, "--no-defaults", f"--socket={settings['socket']}", "--user=root")
        self.peer = Peer(
            self.peer_name,
            Path(settings["state"]) / "peer-is-known",
            lambda: self.here.record() is not None,
            f"--defaults-file={settings['peer_options']}",
        )
        self.replica = Replica(settings, self.here, self.peer)
        self.address = ServiceAddress(settings["service_address"], settings["address"])
        self.run_folder = Path(settings["run"])
        # Lives as long as the machine runs: this machine has been the writer without a break since it was made.
        self.writing = self.run_folder / "writing"
        # When a watchdog has last asked, by the machine's own clock since its start.
        self.lease_renewed = self.run_folder / "lease-renewed"
        self.lease: float | None = settings["lease"]
        self.two_way: bool = settings["two_way"]

    @contextmanager
    def alone(self) -> Iterator[None]:
        """One look, or one command, at a time."""
        self.run_folder.mkdir(parents=True, exist_ok=True)
        self.replica.seeding.parent.mkdir(parents=True, exist_ok=True)
        with alone(self.run_folder / "lock"):
            yield

    # What to be

    def seen(self) -> Record | Unanswered | None:
        """The peer's record, or why there is none to be had."""
        try:
            return self.peer.record()
        except Unanswered as error:
            return error
        except Refused as error:
            # It is there, but does not let us in: as good as silent, and its words help more.
            return Unanswered(str(error))

    def decide(self) -> str:
        """Do what the two records say; what this machine is, in a word. Raises Refused where it must not act."""
        own, peers = self.here.record(), self.seen()
        if self.two_way:
            return self.with_another_writer(own, peers)
        if isinstance(peers, Unanswered):
            return self.without_peer(own, peers)
        if own is None and peers is None:
            return self.begin()
        best = newest(own, peers)
        if own and peers and own.epoch == peers.epoch and own.writer != peers.writer:
            self.be_read_only()
            raise Refused(
                f"both machines were made the writer (epoch {own.epoch}); on the one whose data is to go: "
                "mysql-pair rejoin --discard"
            )
        if best.writer != self.name:
            self.be_read_only()
            return self.replica.replicate()
        if own != best:
            self.be_read_only()
            raise Refused(
                f"{self.name} is to be the writer but has not the data; on {self.peer_name}: mysql-pair promote"
            )
        if self.here.read_only():
            if not self.peer.read_only():
                raise Refused(f"{self.peer_name} still takes writes; waiting until it does not")
            if self.here.replication():  # what the peer has written after the decision
                self.replica.apply_all(self.peer.value("@@GLOBAL.gtid_binlog_pos"))
        return self.write()

    def with_another_writer(self, own: Record | None, peers: Record | Unanswered | None) -> str:
        """The two-way form: write as soon as the data is there, replicate whenever the peer answers."""
        if own is None or self.replica.seeding.exists():
            self.be_read_only()
            if isinstance(peers, Unanswered):
                raise Refused(f"{peers}; {self.name} has no data of the pair yet")
            return self.begin() if peers is None else self.replica.replicate()
        if newest(own, peers).writer == self.name:
            self.address.take()
        else:
            self.address.drop()
        self.accept_writes()
        if isinstance(peers, Record):
            self.replica.replicate()
        return "writer"

    def without_peer(self, own: Record | None, why: Unanswered) -> str:
        went_on = self.writing.exists() and own is not None and own.writer == self.name
        if went_on or (own is not None and not self.here.read_only()):
            if self.leased():
                return self.write()
            self.be_read_only()
            raise Refused(f"{why}, and no watchdog has asked for {self.lease} s; {self.name} no longer writes")
        self.address.drop()
        if self.here.replication():
            return "replica"
        if own is None:
            raise Refused(f"{why}; the pair begins when both servers answer")
        raise Refused(
            f"{why}; nobody knows whether it writes, so {self.name} stays read-only. "
            f"If {self.peer_name} is off for good: mysql-pair promote --peer-is-off"
        )

    def leased(self) -> bool:
        """Whether a writer that does not see its peer may go on: with a lease, only while a watchdog sees it."""
        if self.lease is None:
            return True
        asked = float(self.lease_renewed.read_text()) if self.lease_renewed.exists() else -self.lease
        return time.monotonic() - asked < self.lease

    def see(self) -> None:
        """A new lease begins."""
        self.run_folder.mkdir(parents=True, exist_ok=True)
        self.lease_renewed.write_text(str(time.monotonic()))

    def begin(self) -> str:
        """The pair's first day: the configured primary becomes the writer, with the data that it has."""
        self.be_read_only()
        if self.name != self.settings["primary"]:
            return "waiting"
        if self.peer.databases() and not self.here.databases():
            raise Refused(
                f"{self.peer_name} holds databases and {self.name}, the primary, none: name {self.peer_name} as the "
                f"primary, or run there: mysql-pair rejoin --discard"
            )
        self.become_writer(Record(1, self.name))
        return self.write()

    def be_read_only(self) -> None:
        self.writing.unlink(missing_ok=True)
        self.address.drop()
        if not self.here.read_only():
            self.here.ask("SET GLOBAL read_only=1;")
            self.here.end_sessions(self.settings["user"])

    def write(self) -> str:
        if self.here.replication():
            self.here.ask("STOP REPLICA; RESET REPLICA ALL;")
        self.address.take()
        return self.accept_writes()

    def accept_writes(self) -> str:
        if self.here.read_only():
            self.here.ask("SET GLOBAL read_only=0;")
        self.writing.touch()
        wanted = set(self.settings["databases"]) - set(self.here.databases())
        self.here.ask("".join(f"CREATE DATABASE IF NOT EXISTS `{name}`;" for name in sorted(wanted)))
        return "writer"

    def become_writer(self, record: Record) -> None:
        """Note the decision in this server's data, so that it outlives reboots and reaches the peer."""
        self.here.ask(DECISIONS.create + DECISIONS.add(*record))

    def status(self) -> dict[str, Any]:
        """What this machine is, seen from its server; `lag` in seconds, None where nothing arrives."""
        replication, read_only, record = self.here.replication(), self.here.read_only(), self.here.record()
        running = replication.get("Slave_IO_Running") == replication.get("Slave_SQL_Running") == "Yes"
        lag = replication.get("Seconds_Behind_Master", "NULL")
        errors = [replication.get(f"Last_{thread}_Error", "") for thread in ("IO", "SQL")]
        said = self.run_folder / "said"
        return {
            "name": self.name,
            "role": "writer" if not read_only else "replica" if replication else "waiting",
            "read_only": read_only,
            "holds_address": self.address.held(),
            "writer": record.writer if record else None,
            "lag": int(lag) if running and lag != "NULL" else None,
            "sees_peer": not isinstance(self.seen(), Unanswered),
            "transactions": self.here.value("@@GLOBAL.gtid_current_pos"),
            "errors": [error for error in errors if error],
            "keeper": said.read_text() if said.exists() else "mysql-pair.service has not run yet",
        }


def newest(*records: Record | Unanswered | None) -> Record:
    return max((one for one in records if isinstance(one, Record)), key=lambda record: record.epoch)
