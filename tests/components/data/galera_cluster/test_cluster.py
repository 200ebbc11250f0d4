"""The cluster at work: real servers, the real program, the network cut and machines killed."""

import subprocess
from itertools import count

import pytest

from tests.components.data.galera_cluster.cluster import PASSWORD, Member
from tests.components.data.galera_cluster.conftest import Machines, arguments, files_of
from tests.components.data.mysql_pair.pair import CLIENT
from tests.waiting import until

numbers = count(1)


def write(node: Member) -> int:
    """A row that the application has been told is kept."""
    value = next(numbers)
    assert node.write_row(value) == ""
    return value


def everybody_has(members: list[Member], value: int) -> None:
    until(lambda: all(str(value) in one.rows() for one in members))


@pytest.fixture(scope="module")
def formed(machines: Machines) -> list[Member]:
    """A cluster of three, as the component makes it: what all need first, then one member after the other."""
    args = arguments()
    members = [machines.member(number, args) for number in (1, 2, 3)]
    first, *others = members
    # A member whose others are silent begins nothing, on the first day either.
    first.start_keeper()
    assert "db-2, db-3 did not tell its position" in first.galera("recover")[1]
    for other in others:
        other.start_keeper()
    for one in members:
        one.start_server()
        until(one.ready)
    return members


@pytest.fixture
def cluster(formed: list[Member]) -> list[Member]:
    for one in formed:
        until(one.ready)
    return formed


@pytest.mark.claim("NRT-5")
def test_every_member_takes_writes_and_all_have_them(cluster: list[Member]) -> None:
    for one in cluster:
        everybody_has(cluster, write(one))
        assert one.health() == (200, "Primary and Synced")
    assert len({one.figure("cluster_state_uuid") for one in cluster}) == 1
    assert cluster[0].sql("SELECT COUNT(DISTINCT User) FROM mysql.user WHERE User IN ('app', 'sst', 'health')") == "3"


def test_a_password_that_was_drawn_anew_opens_beside_the_last_one(cluster: list[Member]) -> None:
    one, *_ = cluster

    def draw(password: str) -> None:
        one.change("accounts.json", application=password)
        until(lambda: one.refuses("SELECT 1", password) == "")

    draw("second0password")
    assert one.refuses("SELECT 1", PASSWORD) == ""
    draw("third0password")
    assert "Access denied" in one.refuses("SELECT 1", PASSWORD)
    assert one.refuses("SELECT 1", "second0password") == ""
    one.change("settings.json", grace_seconds=1)
    until(lambda: "Access denied" in one.refuses("SELECT 1", "second0password"))
    one.change("settings.json", grace_seconds=3600)
    draw(PASSWORD)


def test_clients_come_inside_tls_and_those_of_an_earlier_release_learn_it_in_time(cluster: list[Member]) -> None:
    one, *_ = cluster
    elsewhere = "Host NOT IN ('localhost', '127.0.0.1')"
    assert one.sql(f"SELECT CONCAT(User, '@', Host) FROM mysql.user WHERE ssl_type = '' AND {elsewhere}") == ""
    assert "Access denied" in one.refuses("SELECT 1", PASSWORD, "--skip-ssl")

    # What earlier releases had: an account that opens in clear, with the rights of all databases of like names.
    one.change("settings.json", database="a_b")
    until(lambda: one.refuses("CREATE DATABASE axb") != "" and one.refuses("CREATE TABLE a_b.t (v INT)") == "")
    quietly = "SET SESSION wsrep_on=OFF, sql_log_bin=0;"
    one.sql(f"{quietly} ALTER USER app@'{CLIENT}' REQUIRE NONE; GRANT ALL ON `a_b`.* TO app@'{CLIENT}'")
    until(lambda: one.refuses("CREATE DATABASE axb") != "")
    assert one.refuses("SELECT 1", PASSWORD, "--skip-ssl") == ""
    one.change("settings.json", database="app", clear_seconds=0)
    until(lambda: "Access denied" in one.refuses("SELECT 1", PASSWORD, "--skip-ssl"))
    assert one.refuses("SELECT 1") == ""
    one.sql("DROP DATABASE a_b")


@pytest.mark.claim("KEY-4")
def test_one_node_lost_has_no_effect(cluster: list[Member]) -> None:
    first, second, third = cluster
    first.kill_server()
    until(lambda: second.write_row(next(numbers)) == "")
    everybody_has([second, third], value := write(third))
    assert first.health()[0] == 503
    first.start_server()
    until(first.ready)
    everybody_has([first], value)
    assert "IST" in (first.folder / "server.log").read_text()


def test_the_smaller_side_of_a_cut_refuses_and_catches_up(cluster: list[Member]) -> None:
    first, second, third = cluster
    third.network.cut("db-3")
    until(lambda: third.figure("cluster_status") == "non-Primary")
    assert third.figure("ready") == "OFF"
    assert "1047" in third.ask("INSERT INTO app.t VALUES (0)")[1]
    assert "outside the cluster" in third.galera("ready")[1]
    value = write(first)
    everybody_has([first, second], value)
    third.network.mend("db-3")
    until(third.ready)
    everybody_has([third], value)


def test_a_full_stop_waits_for_the_newest_and_begins_again_by_itself(cluster: list[Member]) -> None:
    first, second, third = cluster
    third.kill()
    value = write(first)
    first.kill()
    second.kill()
    # The first two come back. One of them has everything, but who knows that before the third has told?
    first.start()
    second.start()
    until(lambda: "db-3 did not tell its position" in first.waits_for())
    until(lambda: "db-3 did not tell its position" in second.waits_for())
    assert not first.serves()
    assert "db-2 answers, so it is not gone" in first.galera("recover", "--without", "db-2")[1]
    third.start()
    for one in cluster:
        until(one.ready)
    everybody_has(cluster, value)
    assert len({one.figure("cluster_state_uuid") for one in cluster}) == 1


def test_two_servers_killed_at_once_come_back_and_nobody_logs_in(cluster: list[Member]) -> None:
    """The third has no majority, but all that was acknowledged: once the two have told what they have, it begins."""
    first, second, third = cluster
    value = write(third)
    first.kill_server()
    second.kill_server()
    until(lambda: third.figure("cluster_status") == "non-Primary")
    # systemd starts them, and again whenever they have waited in vain.
    first.start_server()
    second.start_server()
    until(third.ready)
    for one in (first, second):
        until(one.ready)
    everybody_has(cluster, value)
    assert write(first) > value


def test_the_operator_says_who_is_gone_and_an_empty_member_begins_nothing(cluster: list[Member]) -> None:
    first, second, third = cluster
    value = write(first)
    everybody_has([second], value)  # what a member has only received is gone with its power
    for one in cluster:
        one.kill()
    first.lose_data()
    third.start_keeper()
    third.kill()
    first.start()
    second.start()
    # The two have to find each other first.
    until(lambda: "db-2 begins" in first.galera("recover", "--without", "db-3")[1])
    assert not first.serves()
    until(lambda: second.galera("recover", "--without", "db-3")[0])
    until(second.ready)
    until(first.ready)
    everybody_has([first], value)
    third.start()
    until(third.ready)


def test_a_member_with_a_full_disk_holds_nobody_up(cluster: list[Member]) -> None:
    first, second, third = cluster
    third.change("settings.json", room_mib=10**9)
    until(lambda: not third.runs(third.pid()))
    until(lambda: second.write_row(next(numbers)) == "")
    assert "MiB are left on its disk" in third.health()[1] + third.waits_for()
    # Without the second there would be no majority.
    second.change("settings.json", room_mib=10**9)
    until(lambda: "which needs it" in (second.folder / "keeper.log").read_text())
    assert "MiB are left on its disk" in second.health()[1]
    everybody_has([first, second], value := write(first))
    for one in (second, third):
        one.change("settings.json", room_mib=1)
        until(one.ready)
    everybody_has([third], value)


def test_planned_stops_lose_no_write_and_drain_first(cluster: list[Member]) -> None:
    first, second, _ = cluster
    assert first.galera("drain")[0]
    assert first.health() == (503, "drained by the operator")
    value = write(second)
    everybody_has([first], value)
    assert first.galera("undrain")[0]
    until(first.serves)
    for one in cluster:  # as `up` does when a setting has changed
        others = [other for other in cluster if other is not one]
        one.stop_server()
        value = write(others[0])
        one.start_server()
        until(one.ready)
        everybody_has([one], value)


def test_clients_that_take_every_connection_do_not_take_the_member_out(cluster: list[Member]) -> None:
    first = cluster[0]
    first.sql("SET GLOBAL max_connections=10")
    sessions = [
        subprocess.Popen(["mariadb", "--no-defaults", f"--socket={first.folder}/sock", "-e", "SELECT SLEEP(8)"])
        for _ in range(12)
    ]
    try:
        until(lambda: "Too many connections" in first.write_row(-1))
        until(first.serves, "health is asked past the clients", seconds=5)  # the sessions stay for 8
    finally:
        for session in sessions:
            session.kill()
            session.wait()
        until(lambda: first.ask("SET GLOBAL max_connections=200")[0])  # the server notices that they are gone


@pytest.mark.claim("NRT-5")
def test_members_join_and_leave_and_no_other_restarts(cluster: list[Member], machines: Machines) -> None:
    before = [one.pid() for one in cluster]
    args = arguments(members=5)
    more = [machines.member(number, args) for number in (4, 5)]
    for number, one in enumerate(cluster, 1):
        one.write(files_of(args, number, one.folder))
    for one in more:
        one.start_keeper()
    for one in more:
        one.start_server()
        until(one.ready)
    value = write(more[1])
    everybody_has([*cluster, *more], value)
    until(lambda: "casebook_galera_size 5\n" in (cluster[0].folder / "metrics/galera.prom").read_text())
    for one in more:
        one.stop_server()
        one.kill()
    for number, one in enumerate(cluster, 1):
        one.write(files_of(arguments(), number, one.folder))
    write(cluster[0])
    assert [one.pid() for one in cluster] == before
    assert all(one.runs(one.pid()) for one in cluster)
