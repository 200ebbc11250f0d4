"""What programs on machines have in common: their command line, and how they speak with MariaDB."""

import argparse
import fcntl
import ipaddress
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

SYSTEM = ("information_schema", "mysql", "performance_schema", "sys")
# A copy as of one transaction, which tells its position.
WHOLE = ("--single-transaction", "--master-data=1", "--gtid", "--routines", "--events", "--hex-blob")


class Refused(Exception):
    """A sentence for the operator."""


class Unanswered(Exception):
    """A server that does not answer."""


# The command line


class Words(argparse.ArgumentParser):
    """Whoever is wrong, or asks, is told the program's whole text."""

    def format_help(self) -> str:
        return f"{self.description}\n"

    def error(self, message: str) -> NoReturn:
        sys.exit(f"{message}\n\n{self.description}")


class CommandLine:
    """NAME COMMAND [--option]: prints what the command answers, or ends with the refusal in a sentence."""

    def __init__(self, name: str, text: str | None) -> None:
        self.name = name
        self.kind: dict[str, Any] = {"description": text, "allow_abbrev": False}
        self.words = Words(prog=name, **self.kind)
        self.commands = self.words.add_subparsers(required=True, metavar="COMMAND")

    def command(self, word: str, action: Callable[[argparse.Namespace], object]) -> argparse.ArgumentParser:
        """Its parser, which takes the command's options."""
        parser = self.commands.add_parser(word, **self.kind)
        parser.set_defaults(action=action)
        return parser

    def obey(self) -> None:
        given = self.words.parse_args()
        try:
            if (said := given.action(given)) is not None:
                print(said)
        except (Refused, Unanswered, OSError, subprocess.CalledProcessError) as error:
            sys.exit(f"{self.name}: {error}")


# The machine


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="backslashreplace", check=False)
    if done.returncode:
        raise Refused(f"{' '.join(command)} failed: {done.stderr.strip()}")
    return done.stdout


def write(path: Path, text: str) -> None:
    """Replace a file at once; its owner stays. In a folder of a service's account no link of its is followed."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        with suppress(FileNotFoundError):
            status = path.lstat()
            os.fchown(file.fileno(), status.st_uid, status.st_gid)
        os.fchmod(file.fileno(), 0o644)
        file.write(text)
    new.replace(path)


def show(folder: str, name: str, figures: str) -> None:
    """Figures for node_exporter's textfile collector."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    write(Path(folder) / f"{name}.prom", figures)


@contextmanager
def alone(lock: Path, how: int = fcntl.LOCK_EX) -> Iterator[None]:
    """While nobody else is who takes the same lock; with LOCK_SH, nobody who takes it for himself."""
    with lock.open("w") as file:
        fcntl.flock(file, how)
        yield


# MariaDB


def client(options: Sequence[str], statements: str, *more: str, seconds: float = 60) -> list[list[str]]:
    """Rows of the answer, each a list of columns. Statements go in on standard input, where nobody sees them.

    Raises subprocess's own errors: what they mean is the caller's.
    """
    command = ["mariadb", *options, "--batch", "--skip-column-names", *more]
    done = subprocess.run(command, input=statements, capture_output=True, text=True, timeout=seconds, check=True)
    return [line.split("\t") for line in done.stdout.splitlines()]


def by_column(rows: Iterable[Sequence[str]]) -> dict[str, str]:
    """An answer to a statement that ends with \\G."""
    pairs = (row[0].strip().partition(": ") for row in rows)
    return {name.removesuffix(":"): value for name, _, value in pairs}


def load(whose: str, dump: Sequence[str], into: Sequence[str]) -> None:
    """What mariadb-dump reads with these options, into the server of those."""
    command = ["mariadb-dump", *dump]
    reading = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        loaded = subprocess.run(["mariadb", *into], stdin=reading.stdout, capture_output=True, text=True, check=False)
    finally:
        _, wrong = reading.communicate()
    if reading.returncode or loaded.returncode:
        raise Refused(f"{whose} data could not be copied: {wrong.strip()} {loaded.stderr.strip()}".strip())


class Moved(Refused):
    """What was copied has changed meanwhile."""


@contextmanager
def unmoved(source: str, names: Callable[[], list[str]]) -> Iterator[list[str]]:
    """The databases to copy from a source, none of which may come or go meanwhile: one that comes between the list and
    the copy's moment is not in the copy, nor sent again. Errors: Moved."""
    found = names()
    yield found
    if names() != found:
        raise Moved(f"a database came to {source}, or went, while its data were copied; copying again")


def quoted(text: str) -> str:
    """A string of SQL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def host_pattern(cidr: str) -> str:
    """A network as account names write it."""
    network = ipaddress.IPv4Network(cidr)
    return str(network[0]) if network.prefixlen == 32 else f"{network[0]}/{network.netmask}"


def this_database(name: str) -> str:
    """A database as GRANT takes it, to whom `_` stands for any letter."""
    return name.replace("_", "\\_")


def elapsed(since: Path, seconds: float) -> bool:
    """Whether it is so long ago that this was first asked."""
    if not since.exists():
        since.touch()
    return time.time() - since.stat().st_mtime >= seconds


def sessions(user: str, what: str = "id") -> str:
    return f"SELECT {what} FROM information_schema.processlist WHERE user={quoted(user)};"  # noqa: S608


class Decisions:
    """The replicated table of who writes: the row with the highest epoch counts."""

    def __init__(self, database: str) -> None:
        self.table = f"{database}.writer"
        self.create = (
            f"CREATE DATABASE IF NOT EXISTS {database};"
            f"CREATE TABLE IF NOT EXISTS {self.table} (epoch BIGINT PRIMARY KEY, name VARCHAR(64) NOT NULL,"
            " since TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP) ENGINE=InnoDB;"
        )
        self.last = f"SELECT epoch, name FROM {self.table} ORDER BY epoch DESC LIMIT 1"  # noqa: S608

    def add(self, epoch: int, name: str) -> str:
        return f"INSERT INTO {self.table} (epoch, name) VALUES ({epoch}, {quoted(name)});"  # noqa: S608
