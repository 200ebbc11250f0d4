"""The pair at work: two real servers, the real program, the network cut and machines killed."""

import re
import shutil
import signal
import socket
import subprocess
import threading
from functools import partial
from pathlib import Path

import pytest

from tests.components.data.mysql_pair.conftest import SECRETS
from tests.components.data.mysql_pair.pair import ADDRESSES, CLIENT, SERVICE, Node
from tests.components.tls import Authority
from tests.waiting import until

Machines = tuple[Node, Node]


def client(node: Node, statement: str, host: str = SERVICE, password: str = SECRETS["application"], *more: str) -> str:
    """What goes wrong with a statement of the application."""
    try:
        node.network.app(
            *("mariadb", "--no-defaults", f"--host={host}", "--user=app", f"--password={password}"),
            *(f"--ssl-ca={node.folder.parent}/authority.crt", "--connect-timeout=3", *more, "-e", statement),
        )
    except AssertionError as error:
        return str(error)
    return ""


def write(node: Node, value: int) -> str:
    """A row, written by the application, through the service address; what went wrong."""
    return client(node, f"CREATE TABLE IF NOT EXISTS app.t (v INT PRIMARY KEY); INSERT INTO app.t VALUES ({value})")


def rows(node: Node) -> list[str]:
    return node.ask("SELECT v FROM app.t ORDER BY v")[1].split()


def refused(node: Node, *command: str) -> str:
    good, said = node.pair(*command)
    assert not good, said
    return said


def done(node: Node, *command: str) -> str:
    """What is said; who waits too long for the other server, on a busy machine, is told to ask again."""
    for _ in range(3):
        good, said = node.pair(*command)
        if good or "run the command again" not in said:
            break
    assert good, said
    return said


@pytest.mark.claim("SOF-4")
def test_the_replica_has_what_the_primary_wrote_and_can_take_over(formed: Machines) -> None:
    first, second = formed
    assert write(first, 1) == ""
    until(lambda: rows(second) == ["1"])
    assert (first.status()["role"], second.status()["role"]) == ("writer", "replica")
    assert "read-only" in client(second, "CREATE TABLE app.t (v INT)", host="10.8.0.81")

    done(second, "promote")
    assert write(second, 2) == ""
    assert rows(second) == ["1", "2"]
    until(first.ready)
    until(lambda: rows(first) == ["1", "2"])
    assert not first.status()["holds_address"]

    # Both lose their power: what was promoted stays, whatever the configuration says of the first day.
    first.kill()
    second.kill()
    first.start()
    until(lambda: first.says("replica"))
    second.start()
    until(second.ready)
    until(first.ready)
    assert second.status()["writer"] == "db-2"

    second.kill()
    assert "make sure that it is off, then: mysql-pair promote --peer-is-off" in refused(first, "promote")
    done(first, "promote", "--peer-is-off")
    assert write(first, 3) == ""
    second.start()
    until(second.ready)
    until(lambda: rows(second) == ["1", "2", "3"])


def test_systemd_hears_from_a_keeper_until_its_machine_hangs(machines: Machines, tmp_path: Path) -> None:
    first, _ = machines
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(5)

        def heard() -> bytes:
            try:
                return systemd.recv(16)
            except TimeoutError:
                return b""

        first.start_keeper({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000"})
        assert [heard() for _ in range(3)] == 3 * [b"WATCHDOG=1"]
        first.processes["keeper"].send_signal(signal.SIGSTOP)
        systemd.settimeout(1)
        until(lambda: not heard())


@pytest.mark.claim("SOF-4")
def test_a_planned_promotion_loses_nothing_that_was_acknowledged(formed: Machines) -> None:
    first, second = formed
    assert write(first, 0) == ""
    acknowledged, stop = [0], threading.Event()

    def application() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            if write(first, number) == "":
                acknowledged.append(number)

    load = threading.Thread(target=application)
    load.start()
    try:
        until(lambda: len(acknowledged) > 10)
        done(second, "promote")
        before = len(acknowledged)
        until(lambda: len(acknowledged) > before + 10)
    finally:
        stop.set()
        load.join()
    until(first.ready)
    until(lambda: rows(first) == rows(second))
    assert {str(number) for number in acknowledged} <= set(rows(second))


def test_a_writer_that_was_cut_off_gives_way_and_its_own_rows_are_not_lost_in_silence(formed: Machines) -> None:
    first, second = formed
    assert write(first, 1) == ""
    until(lambda: rows(second) == ["1"])
    first.network.cut("db-1")
    first.sql("INSERT INTO app.t VALUES (101)")
    assert first.status()["role"] == "writer"
    done(second, "promote", "--peer-is-off")
    assert write(second, 2) == ""

    first.network.mend("db-1")
    until(lambda: first.says("holds transactions"))
    status = first.status()
    assert (status["read_only"], status["holds_address"]) == (True, False)
    assert "that the writer db-2 lacks" in refused(first, "rejoin")
    assert rows(first) == ["1", "101"]
    done(first, "rejoin", "--discard")
    until(first.ready)
    assert rows(first) == rows(second) == ["1", "2"]


def test_a_writer_starts_read_only_until_it_has_seen_its_peer(formed: Machines) -> None:
    first, second = formed
    second.kill()
    assert write(first, 1) == ""
    first.stop_server()
    done(first, "leave")
    assert SERVICE not in first.addresses()
    first.start_server()
    until(first.ready)  # the machine has not been away: nobody was promoted
    assert SERVICE in first.addresses()

    first.kill()
    first.start()
    until(lambda: first.says("in doubt"))
    assert first.says("nobody knows whether it writes")
    assert first.status()["read_only"]
    assert "If db-2 is off for good: mysql-pair promote --peer-is-off" in refused(first, "ready")
    second.start()
    until(first.ready)
    until(lambda: rows(second) == ["1"])


def test_an_address_that_answers_elsewhere_is_not_taken(machines: Machines) -> None:
    first, second = machines
    first.network.app("ip", "address", "add", f"{SERVICE}/32", "dev", "lan")
    first.start()
    second.start()
    until(lambda: first.says(f"another machine answers for {SERVICE}"))
    assert first.status()["read_only"]
    first.network.app("ip", "address", "delete", f"{SERVICE}/32", "dev", "lan")
    until(first.ready)


def test_a_new_replica_gets_everything_and_saves_a_writer_that_lost_its_disk(machines: Machines) -> None:
    first, second = machines
    first.start_server()
    first.sql(
        """SET GLOBAL read_only=0; CREATE DATABASE shop;
        CREATE TABLE shop.t (v INT PRIMARY KEY); INSERT INTO shop.t VALUES (7);
        CREATE USER hand@'10.8.0.9' IDENTIFIED BY 'made'; GRANT SELECT ON shop.* TO hand@'10.8.0.9';
        CREATE VIEW shop.w AS SELECT v FROM shop.t; CREATE FUNCTION shop.f() RETURNS INT DETERMINISTIC RETURN 5;
        CREATE TRIGGER shop.g BEFORE INSERT ON shop.t FOR EACH ROW SET NEW.v = NEW.v + 1;
        CREATE EVENT shop.e ON SCHEDULE EVERY 1 DAY DO DELETE FROM shop.t WHERE v = 0;"""
    )
    first.start_keeper()
    second.start()
    until(second.ready)
    copy = "SELECT v, shop.f() FROM shop.w; SHOW GRANTS FOR hand@'10.8.0.9'; SHOW TRIGGERS IN shop; SHOW EVENTS IN shop"
    assert second.sql("SELECT v, shop.f() FROM shop.w") == "7\t5"
    assert "GRANT SELECT ON `shop`.*" in second.sql(copy)
    assert all(word in second.sql(copy) for word in ("NEW.v = NEW.v + 1", "1\tDAY"))

    first.kill()
    first.lose_data()
    first.start()
    until(lambda: first.says("is to be the writer but has not the data; on db-2: mysql-pair promote"))
    done(second, "promote")
    until(first.ready)
    assert write(second, 1) == ""
    until(lambda: rows(first) == ["1"])
    assert first.sql("SELECT v FROM shop.t") == "7"


def test_a_replica_with_data_of_its_own_is_left_alone(machines: Machines) -> None:
    first, second = machines
    second.start_server()
    second.sql("SET GLOBAL read_only=0; CREATE DATABASE precious;")
    first.start()
    second.start_keeper()
    until(lambda: first.says("db-2 holds databases and db-1, the primary, none"))
    assert first.status()["read_only"]
    first.sql("SET GLOBAL read_only=0; CREATE DATABASE shop;")
    until(lambda: second.says("holds transactions"))
    until(first.ready)
    assert "precious" in second.sql("SHOW DATABASES")
    done(second, "rejoin", "--discard")
    until(second.ready)
    assert "precious" not in second.sql("SHOW DATABASES")


def test_a_replica_that_was_away_too_long_is_made_anew(formed: Machines) -> None:
    first, second = formed
    assert write(first, 1) == ""
    until(lambda: rows(second) == ["1"])
    second.kill()
    assert write(first, 2) == ""
    first.sql("FLUSH BINARY LOGS")

    def purged() -> bool:  # once the server has noticed that its replica is gone
        first.sql("PURGE BINARY LOGS TO 'mysql-bin.000002'")
        return not (first.folder / "data/mysql-bin.000001").exists()

    until(purged)
    second.start()
    until(lambda: second.says("the writer no longer has what db-2 lacks; here: mysql-pair rejoin --discard"))
    assert "mysql-pair rejoin --discard" in refused(second, "ready")
    done(second, "rejoin", "--discard")
    until(second.ready)
    assert rows(second) == ["1", "2"]


def test_clients_that_are_no_longer_allowed_lose_their_account(formed: Machines) -> None:
    first, _ = formed
    assert write(first, 1) == ""
    first.reconfigure("10.8.0.20/32", "10.8.1.0/24")
    until(lambda: "not allowed" in write(first, 2))
    assert first.sql("SELECT Host FROM mysql.user WHERE User='app'") == "10.8.1.0/255.255.255.0"


def test_a_password_that_was_drawn_anew_opens_beside_the_last_one(formed: Machines) -> None:
    first, _ = formed
    passwords = [SECRETS["application"], "second0password", "third0password"]

    def opens() -> list[bool]:
        return [client(first, "SELECT 1", password=one) == "" for one in passwords]

    first.reconfigure(passwords[0], passwords[1])
    until(lambda: opens() == [True, True, False])
    first.reconfigure(passwords[1], passwords[2])
    until(lambda: opens() == [False, True, True])
    first.reconfigure('"grace_seconds": 3600', '"grace_seconds": 1')
    until(lambda: opens() == [False, False, True])


def test_figures_for_monitoring(formed: Machines) -> None:
    first, second = formed

    def shows(node: Node, writer: int, lag: str) -> bool:
        expected = f"casebook_mysql_writer {writer}\ncasebook_mysql_replication_lag_seconds {lag}\n"
        return (node.folder / "metrics/mysql-pair.prom").read_text() == expected

    until(lambda: shows(first, 1, "0"))
    until(lambda: shows(second, 0, "0"))
    first.kill()
    until(lambda: shows(second, 0, "+Inf"))


def in_clear(node: Node, user: str, password: str, host: str = SERVICE) -> str:
    """What somebody who does not speak TLS is told."""
    way = ("mariadb", "--no-defaults", "--skip-ssl", f"--host={host}", f"--user={user}", f"--password={password}")
    done = subprocess.run(node.inside(*way, "-e", "SELECT 1"), capture_output=True, text=True)
    return done.stderr


def test_nobody_speaks_with_a_server_in_clear_or_with_one_that_the_authority_does_not_know(formed: Machines) -> None:
    first, second = formed
    assert write(first, 1) == ""
    until(lambda: rows(second) == ["1"])
    checked = "Master_SSL_Allowed, Master_SSL_Verify_Server_Cert"
    assert second.sql(f"SELECT {checked} FROM information_schema.SLAVE_STATUS").split() == ["Yes", "Yes"]
    everybody = "SELECT CONCAT(User, '@', Host) FROM mysql.user WHERE ssl_type = '' AND Host NOT LIKE 'localhost'"
    assert first.sql(everybody) == second.sql(everybody) == ""
    assert "Access denied" in in_clear(second, "pair", SECRETS["pair"], ADDRESSES["db-1"])
    way = ("--no-defaults", "--skip-ssl", f"--host={SERVICE}", "--user=app", f"--password={SECRETS['application']}")
    with pytest.raises(AssertionError, match="Access denied"):
        first.network.app("mariadb", *way, "-e", "SELECT 1")

    # Somebody else takes the writer's place, with a certificate of an authority of his own.
    first.kill()
    Authority(first.folder).certify(first.folder, ADDRESSES["db-1"], SERVICE)
    options = first.folder / "server.cnf"
    options.write_text(re.sub(r"(?m)^ssl_ca = .*$", f"ssl_ca = {first.folder}/authority.crt", options.read_text()))
    first.start_server()
    assert "TLS/SSL error" in client(first, "SELECT 1", host=ADDRESSES["db-1"])
    until(lambda: "SSL" in second.sql("SELECT Last_IO_Error FROM information_schema.SLAVE_STATUS"))
    assert not second.status()["sees_peer"]
    assert rows(second) == ["1"]


@pytest.mark.parametrize("order", ["writer first", "replica first"])
def test_a_pair_of_an_earlier_release_comes_to_tls_one_machine_after_the_other(formed: Machines, order: str) -> None:
    """Nobody is shut out meanwhile: neither the machine that comes last, nor applications that do not know of TLS."""
    first, second = formed
    now = {node: (node.folder / "server.cnf").read_text() for node in formed}
    for node in formed:
        keeper = node.processes.pop("keeper")
        keeper.kill()
        keeper.wait()
        node.stop_server()
        (node.folder / "state/peer-is-known").unlink()
        (node.folder / "server.cnf").write_text(re.sub(r"(?m)^ssl_", "# ssl_", now[node]))
        node.start_server()
        for name, host in (("app", CLIENT), ("pair", ADDRESSES["db-2" if node is first else "db-1"])):
            node.sql(f"SET sql_log_bin=0; ALTER USER {name}@'{host}' REQUIRE NONE")
    second.sql("STOP REPLICA; CHANGE MASTER TO MASTER_SSL=0; START REPLICA")
    first.sql("SET GLOBAL read_only=0")

    def write_in_clear(value: int) -> bool:
        return client(first, f"INSERT INTO app.t VALUES ({value})", SERVICE, SECRETS["application"], "--skip-ssl") == ""

    def replicated(many: int) -> bool:
        return len(rows(second)) == many

    first.sql("CREATE TABLE app.t (v INT PRIMARY KEY)")
    for value, node in enumerate(formed if order == "writer first" else reversed(formed)):
        node.stop_server()
        (node.folder / "server.cnf").write_text(now[node])
        node.start()
        until(node.ready)
        until(partial(write_in_clear, value))
        until(partial(replicated, value + 1))
    until(lambda: "Access denied" in in_clear(second, "pair", SECRETS["pair"], ADDRESSES["db-1"]))
    until(lambda: "Access denied" in in_clear(first, "pair", SECRETS["pair"], ADDRESSES["db-2"]))
    until(lambda: second.sql("SELECT Master_SSL_Allowed FROM information_schema.SLAVE_STATUS") == "Yes")
    first.reconfigure('"clear_seconds": 86400', '"clear_seconds": 0')
    until(lambda: not write_in_clear(9))
    assert write(first, 10) == ""


TWO_WAY = pytest.mark.parametrize("machines", [{"two_way": True}], indirect=True)


def insert(node: Node, note: str) -> str:
    """What a client on the application's machine is told by this machine's own address."""
    return client(node, f"INSERT INTO app.k (note) VALUES ('{note}')", host=ADDRESSES[node.name])


def comes_to_hold(node: Node, rows: int) -> None:
    until(lambda: node.sql("SELECT COUNT(*) FROM app.k") == str(rows))


@TWO_WAY
def test_in_the_two_way_form_clients_write_on_either_and_draw_keys_of_their_own(formed: Machines) -> None:
    first, second = formed
    first.sql("CREATE TABLE app.k (id INT PRIMARY KEY AUTO_INCREMENT, note TEXT)")
    until(lambda: second.ask("SELECT * FROM app.k")[0])
    first.network.cut("db-2")
    for node in formed:
        assert {node.ask(f"INSERT INTO app.k (note) VALUES ('{node.name}')")[0] for _ in range(3)} == {True}
    first.network.mend("db-2")
    for node in formed:
        comes_to_hold(node, 6)
        assert node.sql("SELECT GROUP_CONCAT(DISTINCT id % 2) FROM app.k GROUP BY note ORDER BY note").split() == [
            "1",
            "0",
        ]
    until(lambda: insert(first, "by a client") == "")
    until(lambda: insert(second, "by a client") == "")
    for node in formed:
        comes_to_hold(node, 8)
        until(node.ready)

    assert f" {SERVICE}/32" in first.addresses()
    done(second, "promote")
    until(lambda: SERVICE not in first.addresses())
    assert f" {SERVICE}/32" in second.addresses()
    second.kill()
    assert insert(first, "alone") == ""
    assert "make sure that it is off" in refused(first, "promote")
    done(first, "promote", "--peer-is-off")
    second.start()
    until(second.ready)
    comes_to_hold(second, 9)
    assert insert(second, "again") == ""
    comes_to_hold(first, 10)
    assert SERVICE not in second.addresses()


@TWO_WAY
def test_in_the_two_way_form_a_contradiction_stops_replication_and_is_told(formed: Machines) -> None:
    first, second = formed
    first.sql("CREATE TABLE app.k (id INT PRIMARY KEY, note TEXT)")
    until(lambda: second.ask("SELECT * FROM app.k")[0])
    first.network.cut("db-2")
    for node in formed:
        node.sql(f"INSERT INTO app.k VALUES (1, '{node.name}')")
    first.network.mend("db-2")
    until(lambda: first.says("db-1 has stopped at what db-2 wrote"))
    until(lambda: second.says("db-2 has stopped at what db-1 wrote"))
    for node in formed:
        assert "Duplicate entry '1'" in refused(node, "ready", "--formed")
        assert "casebook_mysql_replication_lag_seconds +Inf" in (node.folder / "metrics/mysql-pair.prom").read_text()
        assert node.ask("UPDATE app.k SET note = 'kept'")[0], "both still write"

    done(second, "rejoin", "--discard")
    until(second.ready)
    done(first, "rejoin")
    until(first.ready)
    for node in formed:
        node.sql(f"INSERT INTO app.k VALUES (2{node.name[-1]}, '{node.name}')")
    for node in formed:
        comes_to_hold(node, 3)


def test_a_database_that_comes_during_a_copy_is_not_lost(formed: Machines) -> None:
    """It is older than the copy's position, so it would never be sent: the copy is made again."""
    first, second = formed
    dump = second.folder / "mariadb-dump"
    # As if it came just before the writer's dump began, after its databases had been listed.
    made = f"mariadb --no-defaults --socket={first.socket} -e 'CREATE DATABASE IF NOT EXISTS late'"
    dump.write_text(f'#!/bin/sh\ncase "$*" in *--databases*) {made};; esac\nexec {shutil.which("mariadb-dump")} "$@"\n')
    dump.chmod(0o755)
    said = refused(second, "rejoin", "--discard")
    assert "came to db-1, or went, while its data were copied" in said
    until(second.ready)
    until(lambda: "late" in second.sql("SHOW DATABASES").split())
