"""The ledger against real MariaDB: what is lost, there twice, old or written by two is seen, and nothing else is."""

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from drills.drill import Figure, NotSeen
from drills.ledger import TABLE, TIMEOUT, Connection, Ledger, Read, Write, kept
from drills.patience import seconds_until
from tests.drills.servers import Server, install

RATE, SETTLED = 40, 20


@pytest.fixture(scope="module", name="empty")
def _empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("empty") / "data")


@pytest.fixture(name="server")
def _server(tmp_path: Path, empty: Path) -> Iterator[Server]:
    server = Server("db-1", tmp_path, empty)
    server.start()
    server.make_account()
    yield server
    server.kill()


@pytest.fixture(name="other")
def _other(tmp_path: Path, server: Server, empty: Path) -> Iterator[Server]:
    """A replica which is a second late, and lets itself be written to."""
    (tmp_path / "other").mkdir()
    other = Server("db-2", tmp_path / "other", empty)
    other.start()
    other.make_account()
    server.ask("CREATE USER pair@localhost IDENTIFIED BY 'pair'", "GRANT REPLICATION SLAVE ON *.* TO pair@localhost")
    server.ask("RESET MASTER")
    other.ask(
        f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={server.port}, MASTER_USER='pair', "
        "MASTER_PASSWORD='pair', MASTER_DELAY=1",
        "START REPLICA",
    )
    yield other
    other.kill()


def values(figures: list[Figure]) -> dict[str, float]:
    return {figure.name: figure.value for figure in figures}


def test_a_server_that_is_killed_loses_nothing_and_the_gap_is_seen(server: Server) -> None:
    with kept(server.connect, server.connect, RATE, SETTLED) as ledger:
        time.sleep(1)
        server.kill()
        killed = time.time()
        time.sleep(1)
        server.start()
        down = time.time() - killed
        time.sleep(1.5)
    assert len(ledger.acknowledged) > RATE
    assert any(one.error for one in ledger.writes)
    assert ledger.servers == ["db-1"]
    assert 1 < ledger.gap_after(killed) < down + TIMEOUT
    assert 1 < ledger.longest_gap < down + TIMEOUT
    figures = ledger.figures(gap=down + TIMEOUT)
    assert all(figure.held for figure in figures), figures
    assert not server.connect().cursor().execute(f"SHOW TABLES LIKE '{TABLE}'"), "the table is left behind"


def test_rows_that_vanish_or_come_twice_are_counted(server: Server) -> None:
    with kept(server.connect, server.connect, RATE, SETTLED) as ledger:
        seconds_until(lambda: len(ledger.acknowledged) > 1, "two writes", SETTLED, every=0.1)
        [first, second] = [one.number for one in ledger.acknowledged[:2]]
        server.ask(f"DELETE FROM app.{TABLE} WHERE number = {first}")
        server.ask(f"INSERT INTO app.{TABLE} (number) VALUES ({second})")
    assert (ledger.lost, ledger.duplicated) == ([first], [second])
    assert {figure.name for figure in ledger.figures() if not figure.held} == {
        "acknowledged writes lost",
        "rows there twice",
    }


def test_reads_from_a_late_replica_are_stale_and_it_is_seen_by_how_much(server: Server, other: Server) -> None:
    with kept(server.connect, other.connect, RATE, SETTLED) as ledger:
        time.sleep(3)
    assert len(ledger.stale) > RATE / 2
    assert max(ledger.stale) > 0.7
    assert not ledger.lost


def test_two_servers_that_are_written_to_at_once_are_seen(server: Server, other: Server) -> None:
    # The first connection makes the table, which the other has by replication.
    turns = itertools.chain([server], itertools.cycle([server, other]))

    def either() -> Connection:
        return next(turns).connect()

    with kept(either, other.connect, RATE, SETTLED) as ledger:
        seconds_until(lambda: ledger.two_writers > 0.3, "two writers at once", SETTLED, every=0.1)
    assert sorted(ledger.servers) == ["db-1", "db-2"]
    assert "two servers wrote" in {figure.name for figure in ledger.figures() if not figure.held}
    assert values(ledger.figures(any_writes=True))["servers that wrote"] == 2


def test_two_ledgers_at_once_know_nothing_of_each_other(server: Server) -> None:
    with (
        kept(server.connect, server.connect, RATE, SETTLED) as one,
        kept(server.connect, server.connect, RATE, SETTLED, "another") as other,
    ):
        time.sleep(0.5)
        server.ask("DELETE FROM app.another")
    assert not one.lost
    assert other.lost


def test_servers_that_take_turns_are_not_two_writers() -> None:
    turns = [Write(n, n, n + 0.5, "db-1" if n < 5 else "db-2") for n in range(1, 10)]
    # Acknowledged by the old writer, and heard of late.
    turns.append(Write(10, 4.4, 5.6, "db-1"))
    ledger = Ledger(began=0, ended=10, writes=turns, rows=list(range(1, 11)))
    assert ledger.two_writers < 0
    assert values(ledger.figures(servers=2))["two servers wrote"] == 0
    with pytest.raises(NotSeen, match="db-1, db-2, not by 3"):
        ledger.figures(servers=3)


def test_a_write_that_was_not_acknowledged_may_be_there_or_not() -> None:
    writes = [Write(1, 0, 1, "db-1"), Write(2, 0, 1, error="gone"), Write(3, 0, 1, error="gone")]
    ledger = Ledger(began=0, ended=2, writes=writes, reads=[Read(1.5, 1)], rows=[1, 3])
    assert (ledger.lost, ledger.duplicated, ledger.stale) == ([], [], [])


def test_a_ledger_without_a_write_proves_nothing() -> None:
    with pytest.raises(NotSeen, match="no write"):
        Ledger(began=0, ended=9, writes=[Write(1, 0, 1, error="gone")]).figures()
