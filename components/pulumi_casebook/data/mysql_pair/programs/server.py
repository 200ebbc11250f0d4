"""A MariaDB server of the pair: this machine's, or its peer's."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from pulumi_casebook.machines.configuration.programs.runtime import (
    SYSTEM,
    Decisions,
    Refused,
    Unanswered,
    by_column,
    client,
    sessions,
)

DECISIONS = Decisions("casebook_pair")
# 2002 and 2003: no connection; 2013 and 2026: it broke; 1040, 1053: no room, going down.
AWAY = (2002, 2003, 2013, 2026, 1040, 1053)


class Record(NamedTuple):
    """Who writes, by decision number `epoch`."""

    epoch: int
    writer: str


class Server:
    def __init__(self, name: str, *options: str) -> None:
        self.name, self.options = name, options

    def ask(self, statements: str, *more: str, seconds: float = 60) -> list[list[str]]:
        """Rows of the answer, each a list of columns."""
        try:
            return client(self.options, statements, "--connect-timeout=3", *more, seconds=seconds)
        except subprocess.TimeoutExpired:
            raise Unanswered(f"{self.name} does not answer") from None
        except subprocess.CalledProcessError as failed:
            error = failed.stderr.strip()
            if any(f"ERROR {code}" in error for code in AWAY):
                raise Unanswered(f"{self.name} does not answer ({error})") from None
            raise Refused(f"{self.name} says: {error}") from None

    def value(self, expression: str) -> str:
        return self.ask(f"SELECT {expression};")[0][0]

    def read_only(self) -> bool:
        return self.value("@@GLOBAL.read_only") == "1"

    def record(self) -> Record | None:
        try:
            # Not for long: meanwhile nobody looks whether a lease is over.
            rows = self.ask(f"{DECISIONS.last};", seconds=8)
        except Refused as error:
            if "ERROR 1146" in str(error):  # no such table: not part of a pair yet
                return None
            raise
        return Record(int(rows[0][0]), rows[0][1]) if rows else None

    def databases(self) -> list[str]:
        return [row[0] for row in self.ask("SHOW DATABASES;") if row[0] not in SYSTEM]

    def transactions(self) -> dict[tuple[str, str], int]:
        """The last transaction known of every (domain, server): what it wrote, and what it was given."""
        last: dict[tuple[str, str], int] = {}
        for text in self.ask("SELECT @@GLOBAL.gtid_binlog_state, @@GLOBAL.gtid_slave_pos;")[0]:
            for gtid in text.split(",") if text else []:
                domain, server, number = gtid.split("-")
                last[domain, server] = max(last.get((domain, server), 0), int(number))
        return last

    def replication(self) -> dict[str, str]:
        """SHOW REPLICA STATUS, by column; empty where nothing is replicated."""
        return by_column(self.ask("SHOW REPLICA STATUS\\G", "--column-names"))

    def end_sessions(self, user: str) -> None:
        """Clients come back, and then find the writer."""
        for (session,) in self.ask(sessions(user)):
            try:
                self.ask(f"KILL {session};")
            except Refused:
                continue  # it has gone by itself


class Peer(Server):
    """The other server, known by its certificate.

    One that an earlier release has set up has none until the next `up` comes to its machine. Until it has shown one it
    is spoken with in clear, but only by a machine that has been in a pair with it: `former` tells that.
    """

    def __init__(self, name: str, shown: Path, former: Callable[[], bool], *options: str) -> None:
        super().__init__(name, *options)
        self.shown, self.former = shown, former

    @property
    def known(self) -> bool:
        return self.shown.exists()

    def ask(self, statements: str, *more: str, seconds: float = 60) -> list[list[str]]:
        try:
            rows = super().ask(statements, *more, seconds=seconds)
        except Unanswered as error:
            if "ERROR 2026" not in str(error) or self.known or not self.former():
                raise
            return super().ask(statements, "--skip-ssl", *more, seconds=seconds)
        if not self.known:
            self.shown.parent.mkdir(parents=True, exist_ok=True)
            self.shown.touch()
        return rows
