"""A ledger of acknowledged writes: what clients of a database were told while it was broken, and what it still knows.

Clients write numbered rows, each in a transaction of its own, through the address that applications use, from a
machine that may reach it; others read through the read address. Afterwards the rows are counted.
"""

import contextlib
import itertools
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import pymysql

from drills.drill import Figure, NotSeen
from drills.patience import seconds_until
from sandbox.ports import free_port
from stacks.deployed_stack import Account, DeployedStack, WithAccount, WithDatabase, ssh_client

WRITERS, READERS = 4, 2
TIMEOUT = 3  # seconds after which a client gives a connection up and makes another
TABLE = "drill_ledger"
ADD = "INSERT INTO {} (number, server) VALUES (%s, @@hostname) RETURNING server"
NEWEST = "SELECT COALESCE(MAX(number), 0) FROM {}"
ALL = "SELECT number FROM {}"
FAILURES = (pymysql.Error, OSError)

Connection: TypeAlias = "pymysql.Connection[pymysql.cursors.Cursor]"
Connect: TypeAlias = Callable[[], Connection]


class Write(NamedTuple):
    """One row: its number, when its client began and heard the answer, and the server that acknowledged it.

    `error` instead of a server: it may be there or not.
    """

    number: int
    began: float
    ended: float
    server: str = ""
    error: str = ""


class Read(NamedTuple):
    """One read: when it began, and the highest number that was there."""

    began: float
    newest: int


@dataclass
class Ledger:
    """What the clients remember, there once the block has ended, and `rows`: the numbers that the database holds then.

    Moments are seconds since the epoch.
    """

    began: float = 0
    ended: float = 0
    writes: list[Write] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)

    def go_on(self) -> None:
        """Until one more write is acknowledged that begins now or later."""
        now = time.time()
        seconds_until(lambda: any(one.began > now for one in self.acknowledged), "one more write", 120)

    @property
    def acknowledged(self) -> list[Write]:
        """In the order in which the clients heard of it."""
        return sorted((one for one in self.writes if not one.error), key=lambda one: one.ended)

    @property
    def lost(self) -> list[int]:
        """Acknowledged, but not there."""
        return sorted({one.number for one in self.acknowledged} - set(self.rows))

    @property
    def duplicated(self) -> list[int]:
        return sorted(number for number, times in Counter(self.rows).items() if times > 1)

    @property
    def longest_gap(self) -> float:
        """The longest time, in seconds, in which no write was acknowledged."""
        moments = [self.began, *(one.ended for one in self.acknowledged), self.ended]
        return max(later - earlier for earlier, later in itertools.pairwise(moments))

    def gap_after(self, moment: float) -> float:
        """Seconds from a moment until a write that began after it was acknowledged."""
        return min((one.ended for one in self.acknowledged if one.began > moment), default=self.ended) - moment

    @property
    def servers(self) -> list[str]:
        """Those that acknowledged, in the order of their first."""
        return list(dict.fromkeys(one.server for one in self.acknowledged))

    @property
    def two_writers(self) -> float:
        """For how many seconds two servers acknowledged, each from its first to its last: 0 if they took turns."""
        terms = [
            (min(one.ended for one in own), max(one.began for one in own))
            for own in ([one for one in self.acknowledged if one.server == server] for server in self.servers)
        ]
        return max(
            (min(left[1], right[1]) - max(left[0], right[0]) for left, right in itertools.combinations(terms, 2)),
            default=0.0,
        )

    @property
    def stale(self) -> list[float]:
        """Of each read that did not show a write acknowledged before it began: for how long it had been so, in s."""
        found, known = [], self.acknowledged
        for read in self.reads:
            missed = [one.ended for one in known if one.ended < read.began and one.number > read.newest]
            if missed:
                found.append(read.began - min(missed))
        return found

    def figures(
        self, *, lost: int = 0, gap: float | None = None, servers: int | None = None, any_writes: bool = False
    ) -> list[Figure]:
        """For the table: `lost` rows and a `gap` (s) that the promise bears, how many `servers` have to acknowledge.

        any_writes  servers do so at the same time, as in a multi-master cluster
        """
        if not self.acknowledged:
            raise NotSeen("no write was acknowledged")
        if servers and len(self.servers) != servers:
            raise NotSeen(f"writes were acknowledged by {', '.join(self.servers)}, not by {servers} servers")
        return [
            Figure("writes acknowledged", len(self.acknowledged)),
            Figure("acknowledged writes lost", len(self.lost), goal=lost),
            Figure("rows there twice", len(self.duplicated), goal=0),
            Figure("servers that wrote", len(self.servers))
            if any_writes
            else Figure("two servers wrote", max(0.0, round(self.two_writers, 2)), "s", goal=0),
            Figure("no write for", round(self.longest_gap, 2), "s", goal=gap),
            Figure("reads behind", len(self.stale)),
            Figure("read behind, at most", round(max(self.stale, default=0.0), 2), "s"),
        ]


@contextlib.contextmanager
def ledger(
    stack: DeployedStack[WithAccount],
    *,
    over: str,
    write: str,
    read: str,
    rate: float = 20,
    settled: float = 60,
    table: str = TABLE,
) -> Iterator[Ledger]:
    """Writes and reads while the block runs, through a tunnel over a machine that itself stays whole.

    over     the machine's name; the database lets it in
    write    host:port that applications write through
    read     host:port that they read through
    rate     rows a second
    settled  seconds after the block within which the database answers again and holds still
    table    of its own for each of two ledgers at once
    """
    account = stack.outputs.database
    with (
        tunnel(stack, over, [write, read]) as (writing, reading),
        kept(client(writing, account), client(reading, account), rate, settled, table) as found,
    ):
        yield found


@contextlib.contextmanager
def kept(write: Connect, read: Connect, rate: float, settled: float, table: str = TABLE) -> Iterator[Ledger]:
    """The same through connections that are to be had."""
    with contextlib.closing(write()) as connection:
        execute(connection, f"DROP TABLE IF EXISTS {table}")
        columns = "id BIGINT AUTO_INCREMENT PRIMARY KEY, number BIGINT NOT NULL, server VARCHAR(64), KEY (number)"
        execute(connection, f"CREATE TABLE {table} ({columns})")
    seconds_until(lambda: answer(read, NEWEST.format(table)), "the ledger's table at the read address", settled)
    result, over, numbers = Ledger(began=time.time()), threading.Event(), itertools.count(1)

    def add(connection: Connection) -> None:
        number, began = next(numbers), time.time()
        try:
            [(server,)] = execute(connection, ADD.format(table), number)
        except FAILURES as error:
            result.writes.append(Write(number, began, time.time(), error=str(error)))
            raise
        result.writes.append(Write(number, began, time.time(), str(server)))

    def look(connection: Connection) -> None:
        began = time.time()
        [(newest,)] = execute(connection, NEWEST.format(table))
        result.reads.append(Read(began, int(newest)))

    threads = [
        *(threading.Thread(target=again_and_again, args=(add, write, WRITERS / rate, over)) for _ in range(WRITERS)),
        *(threading.Thread(target=again_and_again, args=(look, read, READERS / rate, over)) for _ in range(READERS)),
    ]
    for thread in threads:
        thread.start()
    try:
        yield result
    finally:
        result.ended = time.time()
        over.set()
        for thread in threads:
            thread.join()
    seconds_until(lambda: answer(write, NEWEST.format(table)), "the ledger's table after all", settled)
    with contextlib.closing(write()) as connection:
        # Of a Galera cluster: not before this member has what the others acknowledged.
        execute(connection, "SET SESSION wsrep_sync_wait = 1")
        result.rows = [int(number) for (number,) in execute(connection, ALL.format(table))]
    # A server whose disk was full answers, but takes a minute until it writes again.
    drop = f"DROP TABLE IF EXISTS {table}"
    seconds_until(lambda: answer(write, drop) is not None, "the ledger's table dropped", 2 * settled)


def again_and_again(what: Callable[[Connection], None], connect: Connect, pause: float, over: threading.Event) -> None:
    """At a steady pace, on a connection that is made anew after a failure."""
    connection, due = None, time.monotonic()
    while not over.wait(max(0.0, due - time.monotonic())):
        due = max(due + pause, time.monotonic())
        try:
            connection = connection or connect()
            what(connection)
        except FAILURES:
            if connection:
                with contextlib.suppress(*FAILURES):
                    connection.close()
            connection = None
    if connection:
        connection.close()


def execute(connection: Connection, statement: str, *values: object) -> Sequence[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall()


def answer(connect: Connect, statement: str) -> Sequence[tuple[Any, ...]] | None:
    """The rows, or None while there is no answer to be had."""
    try:
        with contextlib.closing(connect()) as connection:
            return execute(connection, statement)
    except FAILURES:
        return None


def told(stack: DeployedStack[WithDatabase], over: str, statement: str) -> Sequence[tuple[Any, ...]] | None:
    """What the application on a machine is told by the stack's database; None: nothing, or it is not let in."""
    with tunnel(stack, over, [stack.outputs.database.address]) as [port]:
        return answer(client(port, stack.outputs.database), statement)


def client(port: int, account: Account) -> Connect:
    """Connects to the database behind a port of this computer."""

    def connect() -> Connection:
        return pymysql.Connection(
            host="127.0.0.1",
            port=port,
            database=account.name,
            user=account.user,
            password=account.password,
            autocommit=True,
            # The way there is a tunnel: the server's name is not asked for.
            ssl={"check_hostname": False},
            connect_timeout=TIMEOUT,
            read_timeout=TIMEOUT,
            write_timeout=TIMEOUT,
        )

    return connect


@contextlib.contextmanager
def tunnel(stack: DeployedStack, over: str, targets: Sequence[str]) -> Iterator[list[int]]:
    """Ports of this computer that lead to `host:port` as the machine `over` sees them."""
    ports = [free_port() for _ in targets]
    where = stack.machines[over]
    forwards = [word for port, target in zip(ports, targets, strict=True) for word in ("-L", f"{port}:{target}")]
    words = [*ssh_client(where.via, "-N", "-o", "ExitOnForwardFailure=yes", *forwards), f"debian@{where.public}"]
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL)
    try:
        seconds_until(lambda: all(listens(port) for port in ports), f"a tunnel over {over}", 30, every=0.1)
        yield ports
    finally:
        process.terminate()
        process.wait()


def listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0
