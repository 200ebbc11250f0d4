"""The program on the machine, run with the real restic, MariaDB and systemd's own check, on this machine."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.components.backups.backup.test_backup import files
from tests.components.installed import with_secrets
from tests.waiting import until

METRIC = re.compile(
    r'casebook_backup_last_success_timestamp_seconds\{backup="content"\} (\d+)\n'
    r'(?:casebook_backup_incomplete_runs\{backup="content"\} \d+\n)?'
)
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def on_this_machine(tmp_path: Path) -> Callable[..., Run]:
    """The program of a backup with these arguments, its paths moved below `tmp_path`, its repository a directory."""

    def make(**values: Any) -> Run:
        rendered = files(**values)
        program, environment = tmp_path / "backup", tmp_path / "etc/backup-content.env"
        text = rendered["/usr/local/sbin/backup-content"]
        for path, own in (
            ("/etc/casebook", "etc"),
            ("/var/lib/casebook-metrics", "metrics"),
            ("/run/lock", ""),
        ):
            assert path in text
            text = text.replace(path, str(tmp_path / own))
        program.write_text(text)
        program.chmod(0o755)
        environment.parent.mkdir(exist_ok=True)
        settings = rendered["/etc/casebook/backup-content.env"]
        given = {
            "repository": str(tmp_path / "repository"),
            "password": "it's; touch /stolen; '",
            "access_key": "a",
            "secret_key": "s",
        }
        settings = with_secrets(settings, given)
        environment.write_text(settings.replace("/var/cache/backup-content", str(tmp_path / "cache")))

        def run(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
            environ = {
                "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
                "HOME": str(tmp_path),
            }
            return subprocess.run([str(program), *words], capture_output=True, text=True, env={**environ, **env})

        return run

    return make


CLIENTS = ("mariadb", "mariadb-dump")


def programs(place: Path, **lines: str) -> None:
    """Programs that the backup finds before those of the machine."""
    (place / "bin").mkdir()
    for name, line in lines.items():
        (place / "bin" / name).write_text(f"#!/bin/sh\n{line}\n")
        (place / "bin" / name).chmod(0o755)


def done(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.claim("SOF-8")
def test_what_was_saved_is_restored(on_this_machine: Callable[..., Run], tmp_path: Path) -> None:
    www = tmp_path / "www"
    (www / "photos").mkdir(parents=True)
    (www / "photos/goal.jpg").write_bytes(bytes(range(256)) * 100)
    (www / "left.tmp").write_text("")
    backup = on_this_machine(paths=[str(www)], exclude=["*.tmp"])
    done(backup("setup"))
    for text in ("one", "two", "three"):
        (www / "index.html").write_text(text)
        done(backup("run"))
    (www / "index.html").unlink()

    done(backup("restore", str(tmp_path / "newest")))
    restored = tmp_path / "newest" / www.relative_to("/")
    assert (restored / "index.html").read_text() == "three"
    assert (restored / "photos/goal.jpg").read_bytes() == bytes(range(256)) * 100
    assert not (restored / "left.tmp").exists()

    snapshots = re.findall(r"^([0-9a-f]{8}) ", done(backup("list")), re.MULTILINE)
    assert len(snapshots) == 3, "another machine prunes"
    done(backup("restore", str(tmp_path / "chosen"), snapshots[0]))
    assert (tmp_path / "chosen" / www.relative_to("/") / "index.html").read_text() == "one"
    done(backup("check"))


def test_the_metric_is_the_time_of_the_last_success(on_this_machine: Callable[..., Run], tmp_path: Path) -> None:
    (tmp_path / "www").mkdir()
    backup, metric = on_this_machine(paths=[str(tmp_path / "www")]), tmp_path / "metrics/backup-content.prom"
    done(backup("setup"))
    begun = METRIC.fullmatch(metric.read_text())
    assert begun
    assert metric.stat().st_mode & 0o777 == 0o644
    metric.write_text(metric.read_text().replace(begun[1], "7"))
    done(backup("setup"))
    assert METRIC.fullmatch(metric.read_text())[1] == "7"  # type: ignore[index]
    (tmp_path / "www").rmdir()
    assert backup("run").returncode != 0
    assert METRIC.fullmatch(metric.read_text())[1] == "7"  # type: ignore[index]
    (tmp_path / "www").mkdir()
    done(backup("run"))
    assert int(METRIC.fullmatch(metric.read_text())[1]) >= int(begun[1])  # type: ignore[index]


def test_a_file_that_vanishes_keeps_nothing_else_from_being_saved(
    on_this_machine: Callable[..., Run], tmp_path: Path
) -> None:
    """restic ends with 3, as for one that cannot be read: databases come after, and old snapshots are forgotten."""
    (tmp_path / "www").mkdir()
    (tmp_path / "www/page").write_text("here")
    programs(tmp_path, mariadb="echo 0", **{"mariadb-dump": "echo all of it"})
    run = on_this_machine(paths=[str(tmp_path / "www"), "/proc/1/mem"], mysql=True)
    done(run("setup"))
    figures = tmp_path / "metrics/backup-content.prom"
    for times in (1, 2):
        done(run("run"))
        assert f'casebook_backup_incomplete_runs{{backup="content"}} {times}\n' in figures.read_text()
    done(run("restore", str(tmp_path / "restored")))
    assert (tmp_path / "restored/mysql.sql").read_text() == "all of it\n"
    done(on_this_machine(paths=[str(tmp_path / "www")])("run"))
    assert 'casebook_backup_incomplete_runs{backup="content"} 0\n' in figures.read_text()


def test_who_comes_second_waits(on_this_machine: Callable[..., Run], tmp_path: Path) -> None:
    (tmp_path / "www").mkdir()
    backup = on_this_machine(paths=[str(tmp_path / "www")])
    done(backup("setup"))
    with ThreadPoolExecutor() as pool:
        commands = [("run",), ("list",), ("reachable",), ("check",), ("run",), ("list",)]
        for result in pool.map(lambda words: backup(*words), commands):
            done(result)


def test_a_look_takes_no_lock_that_would_fail_a_run(on_this_machine: Callable[..., Run], tmp_path: Path) -> None:
    backup, locks = on_this_machine(), tmp_path / "repository/locks"
    done(backup("setup"))
    locks.rmdir()
    locks.write_text("where no lock can be made")
    for words in (["list"], ["reachable"], ["setup"]):
        done(backup(*words))
    assert backup("check", limit="5").returncode != 0


def test_a_repository_of_an_earlier_stack_is_named_and_left_alone(
    on_this_machine: Callable[..., Run], tmp_path: Path
) -> None:
    """As after a destroy that was killed when it had taken the password, and not yet the bucket."""
    backup = on_this_machine()
    done(backup("setup"))
    environment = tmp_path / "etc/backup-content.env"
    earlier = environment.read_text()
    environment.write_text(earlier.replace("RESTIC_PASSWORD='", "RESTIC_PASSWORD='another "))
    refused = backup("setup")
    assert refused.returncode != 0
    assert "this stack's password does not open it" in refused.stderr
    assert f"It is {tmp_path / 'repository'}" in refused.stderr
    environment.write_text(earlier)
    done(backup("reachable"))


def test_damage_is_found(on_this_machine: Callable[..., Run], tmp_path: Path) -> None:
    (tmp_path / "www").mkdir()
    (tmp_path / "www/photo.jpg").write_bytes(bytes(range(256)) * 1000)
    backup = on_this_machine(paths=[str(tmp_path / "www")])
    done(backup("setup"))
    done(backup("run"))
    done(backup("verify"))
    pack = max((tmp_path / "repository/data").rglob("*"), key=lambda path: path.stat().st_size * path.is_file())
    pack.chmod(0o600)
    with pack.open("r+b") as file:
        file.seek(100)
        file.write(b"damage")
    refused = backup("verify")
    assert refused.returncode != 0
    assert "ciphertext verification failed" in refused.stderr


def test_set_up_twice_is_set_up_once(on_this_machine: Callable[..., Run], tmp_path: Path) -> None:
    backup = on_this_machine()
    assert backup("reachable").returncode != 0
    done(backup("setup"))
    config = (tmp_path / "repository/config").read_bytes()
    done(backup("setup"))
    assert (tmp_path / "repository/config").read_bytes() == config
    done(backup("reachable"))


@pytest.mark.parametrize("words", [(), ("restore",), ("run", "now"), ("prune",)])
def test_a_wrong_command_is_answered_with_the_right_ones(
    on_this_machine: Callable[..., Run], words: tuple[str, ...]
) -> None:
    result = on_this_machine()(*words)
    assert result.returncode == 2
    assert "restore TARGET [SNAPSHOT]" in result.stderr


class Database:
    """A MariaDB of its own below a directory, reached by its socket alone."""

    def __init__(self, place: Path) -> None:
        self.socket = str(place / "socket")
        where = ["--no-defaults", f"--datadir={place / 'data'}", f"--tmpdir={place}", "--user=root"]
        place.mkdir()
        subprocess.run(["mariadb-install-db", *where, "--skip-test-db"], check=True, capture_output=True)
        self.process = subprocess.Popen(
            ["mariadbd", *where, f"--socket={self.socket}", "--skip-networking", f"--log-bin={place / 'binlog'}"],
            stderr=subprocess.DEVNULL,
        )
        alive = self.client("SELECT 1")
        until(lambda: subprocess.run(alive, capture_output=True).returncode == 0, "mariadbd does not answer")

    def client(self, query: str) -> list[str]:
        return ["mariadb", "--no-defaults", f"--socket={self.socket}", "--batch", "--skip-column-names", "-e", query]

    def ask(self, query: str) -> str:
        return subprocess.run(self.client(query), check=True, capture_output=True, text=True).stdout

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Callable[[str], Database]]:
    started: list[Database] = []

    def start(name: str) -> Database:
        started.append(Database(tmp_path / name))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.mark.claim("SOF-8")
def test_a_database_comes_back_on_an_empty_server(
    on_this_machine: Callable[..., Run], database: Callable[[str], Database], tmp_path: Path
) -> None:
    old = database("old")
    old.ask("CREATE DATABASE site; CREATE TABLE site.article (id INT PRIMARY KEY, title VARCHAR(99)) ENGINE=InnoDB")
    old.ask("INSERT INTO site.article VALUES (1, 'Coupe du monde 2014'), (2, 'Été')")
    old.ask("CREATE USER reader@'10.8.0.%' IDENTIFIED BY 'x'")
    programs(
        tmp_path, **{name: f'exec {shutil.which(name)} --no-defaults --socket={old.socket} "$@"' for name in CLIENTS}
    )
    backup = on_this_machine(paths=[], mysql=True)
    done(backup("setup"))
    done(backup("run"))
    done(backup("restore", str(tmp_path / "restored")))

    dump = tmp_path / "restored/mysql.sql"
    assert "gtid_slave_pos" in dump.read_text()
    new = database("new")
    with dump.open() as text:
        subprocess.run(["mariadb", "--no-defaults", f"--socket={new.socket}"], stdin=text, check=True)
    assert new.ask("SELECT * FROM site.article") == old.ask("SELECT * FROM site.article") != ""
    assert new.ask("SELECT user FROM mysql.global_priv WHERE user = 'reader'") == "reader\n"


def test_half_a_dump_is_never_restored(on_this_machine: Callable[..., Run], tmp_path: Path) -> None:
    """A dump that breaks off fails the run, and what it had written becomes no snapshot."""
    programs(tmp_path, **{"mariadb": "echo 0", "mariadb-dump": 'echo "-- $TEXT"; exit "$CODE"'})
    backup = on_this_machine(paths=[], mysql=True)
    done(backup("setup"))
    done(backup("run", TEXT="whole", CODE="0"))
    kept = done(backup("list"))
    assert backup("run", TEXT="half", CODE="1").returncode != 0
    assert done(backup("list")) == kept
    done(backup("restore", str(tmp_path / "restored")))
    assert (tmp_path / "restored/mysql.sql").read_text() == "-- whole\n"
    done(backup("run", TEXT="later", CODE="0"))
    assert done(backup("list")) != kept
