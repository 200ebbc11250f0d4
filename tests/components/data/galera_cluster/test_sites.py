"""Two clusters in two sites: one writes, the other follows it, takes over, and hands back."""

from types import SimpleNamespace

import pytest

from pulumi_casebook.data.galera_cluster.programs import sites as program
from pulumi_casebook.machines.configuration.programs.runtime import Refused
from tests.components.data.galera_cluster.cluster import Member
from tests.components.data.galera_cluster.conftest import Machines, arguments, machine
from tests.waiting import until


@pytest.fixture
def sites(machines: Machines) -> tuple[Member, Member, Member]:
    """A cluster of one, and one of two that follows it: what is tested is between them."""
    near, far = [machine(1)], [machine(4), machine(5)]
    first = arguments(machines=tuple(near), followers=tuple(one.address for one in far))
    source = SimpleNamespace(name="near", addresses=tuple(one.address for one in near))
    second = arguments(machines=tuple(far), replica_of=source)
    writer = machines.member(1, first, "near")
    followers = machines.member(4, second, "far"), machines.member(5, second, "far")
    writer.start()
    until(writer.ready)
    assert writer.write_row(1) == ""
    for one in followers:
        one.start_keeper()
    for one in followers:
        one.start_server()
        until(one.ready)
    return writer, *followers


def test_a_cluster_elsewhere_follows_takes_over_and_hands_back(sites: tuple[Member, Member, Member]) -> None:
    writer, leader, other = sites
    until(lambda: leader.rows() == other.rows() == ["1"])
    assert writer.write_row(2) == ""
    until(lambda: leader.rows() == other.rows() == ["1", "2"])
    assert "read-only" in leader.write_row(3)
    metric = leader.folder / "metrics/galera.prom"
    until(lambda: "casebook_mysql_replication_lag_seconds 0\n" in metric.read_text())

    # The member that has the channel leaves; the other takes it over where it was.
    assert leader.sql("SHOW REPLICA STATUS")
    leader.stop_server()
    assert writer.write_row(3) == ""
    until(lambda: other.rows() == ["1", "2", "3"])
    leader.start_server()
    until(leader.ready)
    until(lambda: leader.sql("SHOW REPLICA STATUS") == "")

    # The site is lost.
    writer.kill()
    assert "make sure that it is off" in other.galera("promote")[1]
    assert "read-only" in other.write_row(4)
    good, said = other.galera("promote", "--other-is-off")
    assert good, said
    until(lambda: leader.write_row(4) == "")
    assert other.write_row(5) == ""

    # It comes back, and follows; nothing is written there.
    writer.start()
    until(lambda: writer.rows() == ["1", "2", "3", "4", "5"])
    assert "read-only" in writer.write_row(6)

    # It is handed back without loss.
    good, said = writer.galera("promote")
    assert good, said
    assert writer.write_row(6) == ""
    until(lambda: leader.rows() == other.rows() == ["1", "2", "3", "4", "5", "6"])
    assert "read-only" in leader.write_row(7)
    assert writer.sql("SELECT MAX(epoch), COUNT(*) FROM casebook_galera.writer") == "3\t3"


def test_a_copy_during_which_a_database_came_is_begun_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the table of writers nobody takes it for whole."""
    shown, asked, loaded = iter(["app", "app late"]), list[str](), list[object]()
    monkeypatch.setattr(program, "run", lambda *_: next(shown))
    monkeypatch.setattr(program, "load", lambda _, dump, _into: loaded.extend(dump))
    settings = {"cluster": "far", "elsewhere_client": "/etc/galera/elsewhere.cnf"}
    server = SimpleNamespace(settings=settings, elsewhere=["10.8.0.1"], local=(), as_root=asked.append)
    with pytest.raises(Refused, match=r"a database came to the other cluster, or went, .*; copying again"):
        program.Sites(server).copy("10.8.0.1")  # type: ignore[arg-type]
    assert loaded[-3:] == ["--databases", "app", "casebook_galera"]
    assert asked == ["SET SESSION wsrep_on=OFF, sql_log_bin=0; DROP DATABASE casebook_galera;"]
