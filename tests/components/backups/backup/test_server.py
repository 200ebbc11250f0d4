"""A machine and a storage server on this machine: the real sshd, rclone and restic between the two programs."""

import datetime
import getpass
import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.ports import free_port
from tests.components.backups.backup.places import put
from tests.components.backups.backup.test_backup import role, texts, to_server
from tests.components.backups.backup.test_restore import done
from tests.components.installed import with_secrets


class Server:
    """The storage server below a folder, and the machine that has an account on it."""

    def __init__(self, place: Path) -> None:
        self.place, self.repository = place, place / "srv/backup/content/repository"
        self.port = free_port()
        for name in ("host", "key"):
            key = place / name
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key], check=True)
        secrets = {
            "password": "p",
            "public_key": (place / "key.pub").read_text().strip(),
            "key": (place / "key").read_text(),
        }
        registered = to_server(paths=[str(place / "www")])
        for name in ("store-backup-server", "store-backup-of-content", "db-backup-content"):
            host = (place / ("host" if name == "store-backup-server" else "host.pub")).read_text().strip()
            for path, text in texts(role(registered, name)).items():
                self._put(path, text, {**secrets, "host_key": host})
        (place / "etc/casebook/backup-server/content.password").chmod(0o600)
        (place / "srv/backup/content").mkdir(parents=True)
        sshd = place / "etc/casebook/backup-server.sshd"
        sshd.write_text(sshd.read_text().replace("%u.pub", "backup-content.pub") + "StrictModes no\n")
        subprocess.run(["sshd", "-t", "-f", sshd], check=True)
        self.process = subprocess.Popen(["sshd", "-D", "-e", "-f", sshd], stderr=(place / "sshd.log").open("w"))
        deadline = time.monotonic() + 10
        while subprocess.run(["ssh-keyscan", "-p", str(self.port), "127.0.0.1"], capture_output=True).stdout == b"":
            assert time.monotonic() < deadline, (place / "sshd.log").read_text()
            time.sleep(0.1)

    def _put(self, path: str, text: str, secrets: dict[str, str]) -> None:
        """A rendered file, all that it names moved below this place."""
        text = with_secrets(text, secrets)
        moved = (
            ("/etc/casebook", f"{self.place}/etc/casebook"),
            ("/usr/local/sbin/backup", f"{self.place}/usr/local/sbin/backup"),
            ("/usr/local/bin:/usr/bin:/bin", os.environ["PATH"]),
            ("/usr/local/lib/casebook", f"{self.place}/usr/local/lib/casebook"),
            ("/var/lib/casebook-metrics", f"{self.place}/metrics"),
            ("/var/cache", f"{self.place}/cache"),
            ("/run/lock", str(self.place)),
            ("/srv/backup", f"{self.place}/srv/backup"),
            ("Port 2222", f"Port {self.port}"),
            ("HostName 10.8.0.9", "HostName 127.0.0.1"),
            ("User backup-content", f"User {getpass.getuser()}"),
            ("AllowGroups backup\n", ""),
        )
        put(self.place, path, text, moved)

    def ssh(self, *words: str) -> subprocess.CompletedProcess[str]:
        """What a thief of the machine's key would try."""
        command = ["ssh", "-F", str(self.place / "etc/casebook/backup-content.ssh"), *words]
        # What is forwarded need not be text.
        return subprocess.run(
            command, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL, timeout=30
        )

    def machine(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return self._run("usr/local/sbin/backup-content", *words, **environment)

    def server(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self._run("usr/local/sbin/backup-server", *words)

    def _run(self, program: str, *words: str, **given: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.place), **given}
        return subprocess.run(
            [str(self.place / program), *words], capture_output=True, text=True, env=environment, timeout=120
        )

    def snapshots(self) -> dict[str, datetime.datetime]:
        """Id to time."""
        found = json.loads(done(self.machine("restic", "--no-lock", "snapshots", "--json")))
        return {one["id"]: datetime.datetime.fromisoformat(one["time"][:19]) for one in found}


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    (tmp_path / "www").mkdir()
    (tmp_path / "www/index.html").write_text("one")
    yield server
    server.process.terminate()
    server.process.wait(20)


@pytest.mark.claim("ERP-7")
def test_what_was_saved_over_ssh_is_restored_and_verified(pair: Server, tmp_path: Path) -> None:
    done(pair.machine("setup"))
    done(pair.machine("run"))
    (tmp_path / "www/index.html").write_text("two")
    done(pair.machine("run"))
    assert len(re.findall(r"^[0-9a-f]{8} ", done(pair.machine("list")), re.MULTILINE)) == 2
    done(pair.machine("restore", str(tmp_path / "newest")))
    assert (tmp_path / "newest" / str(tmp_path / "www/index.html")[1:]).read_text() == "two"
    assert re.match("content: 2 snapshots, the newest of ", done(pair.server("list")))
    for program in (pair.machine, pair.server):
        done(program("verify"))
    pack = max((pair.repository / "data").rglob("*"), key=lambda path: path.stat().st_size * path.is_file())
    pack.chmod(0o600)
    pack.write_bytes(pack.read_bytes()[:-200] + bytes(200))
    for program in (pair.machine, pair.server):
        assert program("verify").returncode != 0


@pytest.mark.claim("ERP-7")
def test_a_stolen_key_takes_nothing_away(pair: Server, tmp_path: Path) -> None:
    done(pair.machine("setup"))
    done(pair.machine("run"))
    before = {path: path.read_bytes() for path in pair.repository.rglob("*") if path.is_file()}
    (snapshot,) = pair.snapshots()
    # restic would try for minutes what the server refuses.
    refused = pair.machine("restic", "forget", "--prune", snapshot, limit="4")
    assert "403 Forbidden" in refused.stderr
    assert list(pair.snapshots()) == [snapshot]
    # Whatever else the key is used for ends in the same place.
    stolen = tmp_path / "stolen"
    for attempt in (
        ["server", "rm", "-rf", str(pair.repository)],
        ["server", f"cat {pair.repository}/config >{stolen}"],
        ["-t", "server"],
        ["-s", "server", "sftp"],
        ["-N", "-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:9", "server"],
    ):
        assert "root" not in pair.ssh(*attempt).stdout
    assert not stolen.exists()
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.claim("ERP-7")
def test_pruning_keeps_what_is_printed(pair: Server) -> None:
    """Forty days of it: three an hour apart or less on some days, then one now and then."""
    done(pair.machine("setup"))
    now = datetime.datetime.now(datetime.UTC).replace(minute=0, second=0, microsecond=0, tzinfo=None)
    minutes = [d * 24 * 60 + m for d in (0, 1, 3, 6) for m in (10, 40, 70)]
    minutes += [d * 24 * 60 + 10 for d in (8, 9, 15, 16, 22, 23, 29, 30, 36, 37)]
    times = [now - datetime.timedelta(minutes=m) for m in minutes]
    for moment in times:
        done(
            pair.server(
                "restic", "content", "backup", "--quiet", "--tag", "files", "--time", f"{moment:%F %T}", "/etc/hosts"
            )
        )
    # They have arrived when they say.
    for name, claimed in pair.snapshots().items():
        arrived = claimed.replace(tzinfo=datetime.UTC).timestamp()
        os.utime(pair.repository / "snapshots" / name, (arrived, arrived))
    done(pair.server("prune"))

    newest = max(times)
    week, month = (newest - datetime.timedelta(days=d) for d in (7, 31))
    hourly = {f"{t:%F %H}": t for t in sorted(times) if t > week}
    weekly = {t.isocalendar()[:2]: t for t in sorted(times) if t > month}
    kept = set(hourly.values()) | set(weekly.values())
    # Eight of the last days, and one for each of the five or six weeks, of which one is among the eight.
    assert 8 < len(kept) <= 13 < len(times)
    assert set(pair.snapshots().values()) == kept
    assert re.fullmatch(
        r'casebook_backup_pruned_timestamp_seconds\{backup="content"\} \d+\n',
        (pair.place / "metrics/backup-pruned-content.prom").read_text(),
    )
    done(pair.server("verify", "content"))


def test_false_times_do_not_drive_out_true_ones(pair: Server) -> None:
    """Who has the key of a machine can add snapshots of any time. Pruning then waits for somebody to look."""
    done(pair.machine("setup"))
    done(pair.machine("run"))
    done(pair.server("prune"))
    for claimed in ("2099-01-01 00:00:00", "2020-01-01 00:00:00"):
        done(pair.machine("restic", "backup", "--quiet", "--tag", "files", "--time", claimed, "/etc/hosts"))
        refused = pair.server("prune")
        assert refused.returncode != 0
        assert f"claims {claimed}, arrived 20" in refused.stderr
        false = next(name for name, time in pair.snapshots().items() if f"{time:%F %T}" == claimed)
        done(pair.server("restic", "content", "forget", "--quiet", false))
    done(pair.server("prune"))
    assert len(pair.snapshots()) == 1


def test_who_comes_while_it_is_pruned_waits(pair: Server) -> None:
    done(pair.machine("setup"))
    lock = pair.place / "srv/backup/content.lock"
    with subprocess.Popen(["flock", lock, "sleep", "3"]) as pruning:
        time.sleep(0.5)
        begun = time.monotonic()
        done(pair.machine("run"))
        assert time.monotonic() - begun > 2
        assert pruning.wait() == 0


def test_one_that_fails_does_not_keep_the_others_from_being_pruned(pair: Server) -> None:
    done(pair.machine("setup"))
    accounts = pair.place / "etc/casebook/backup-server"
    broken = pair.place / "srv/backup/archive/repository"
    broken.mkdir(parents=True)
    (broken / "config").write_text("damaged")
    settings = (accounts / "content.json").read_text()
    (accounts / "archive.json").write_text(settings.replace("/content", "/archive"))
    (accounts / "archive.password").write_text("p")
    refused = pair.server("prune")
    assert refused.returncode != 0
    assert "archive" in refused.stderr
    assert (pair.place / "metrics/backup-pruned-content.prom").exists()
    assert not (pair.place / "metrics/backup-pruned-archive.prom").exists()
