"""A machine that saves into a bucket and one that prunes it: real restic and rclone, held to the declared policies."""

import datetime
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pulumi_casebook.backups.backup.bucket import ARCHIVES, ENDS, OF_RESTIC, archiver, pruner, saver
from sandbox.policies import ACTIONS, judged
from tests.components.backups.backup.places import put
from tests.components.backups.backup.test_backup import declared, role, texts
from tests.components.backups.backup.test_restore import done
from tests.components.backups.s3 import BUCKET, S3, serving
from tests.components.installed import with_secrets


def allows(statements: list[dict[str, Any]], action: str, resource: str) -> bool | None:
    return judged({"Statement": statements}, action, resource)


def test_a_saver_adds_below_its_own_name_and_deletes_locks_alone() -> None:
    rights = saver(BUCKET, "content")
    for keys in OF_RESTIC:
        key = f"{BUCKET}/content/{keys.replace('*', '00')}"
        assert allows(rights, "s3:PutObject", key)
        assert allows(rights, "s3:DeleteObject", key) is False, "denied, for the bucket's owner may what nothing denies"
        assert allows(rights, "s3:DeleteObject", key.replace("/content/", "/other/")) is False
        assert not allows(rights, "s3:PutObject", key.replace("/content/", "/other/"))
        assert not allows(rights, "s3:GetObject", key.replace("/content/", "/other/"))
    assert allows(rights, "s3:DeleteObject", f"{BUCKET}/content/locks/1")
    assert allows(rights, "s3:DeleteObject", f"{BUCKET}/{ARCHIVES}/db/2026/0000") is False


def test_nobody_on_a_machine_ends_versions() -> None:
    for rights in (saver(BUCKET, "content"), archiver(BUCKET, "db"), pruner(BUCKET)):
        for action in ENDS:
            assert action in ACTIONS, f"{action}: OVHcloud knows none of this name"
            assert allows(rights, action, BUCKET) is False
            assert allows(rights, action, f"{BUCKET}/content/config") is False


def test_an_archive_is_added_to_and_a_pruner_leaves_it() -> None:
    key = f"{BUCKET}/{ARCHIVES}/db/2026/0000"
    assert allows(archiver(BUCKET, "db"), "s3:PutObject", key)
    assert not allows(archiver(BUCKET, "other"), "s3:PutObject", key)
    for rights in (archiver(BUCKET, "db"), pruner(BUCKET)):
        assert allows(rights, "s3:DeleteObject", key) is False


Machine = Callable[..., subprocess.CompletedProcess[str]]


class Bucket:
    """The bucket, the programs of both machines below a folder, and the data."""

    def __init__(self, place: Path, s3: S3) -> None:
        self.place, self.s3, self.www = place, s3, place / "www"
        self.www.mkdir()
        registered = declared(paths=[str(self.www)], retention={"daily": 1})
        for name, user in (
            ("db-backup-content", "content"),
            ("watcher-backup-bucket", "pruner"),
            ("watcher-backup-of-content", "pruner"),
        ):
            secrets = {
                "repository": f"s3:{s3.url}/{BUCKET}/content",
                "endpoint": s3.url,
                "password": "p",
                "access_key": user,
                "secret_key": "secret",
            }
            for path, text in texts(role(registered, name)).items():
                self._put(path, with_secrets(text, secrets))

    def _put(self, path: str, text: str) -> None:
        moved = (
            ("/usr/local/bin:/usr/bin:/bin", os.environ["PATH"]),
            ("/usr/local/lib/casebook", f"{self.place}/usr/local/lib/casebook"),
            ("/etc/casebook", f"{self.place}/etc/casebook"),
            ("/var/lib/casebook-metrics", f"{self.place}/metrics"),
            ("/var/cache", f"{self.place}/cache"),
            ("/run/lock", str(self.place)),
            # Nobody waits here.
            ("--retry-lock=2h", "--retry-lock=1s"),
            ("--retry-lock=6h", "--retry-lock=1s"),
        )
        put(self.place, path, text, moved)

    def _run(self, program: str, *words: str, **given: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.place), **given}
        command = [str(self.place / "usr/local/sbin" / program), *words]
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)

    def machine(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return self._run("backup-content", *words, **environment)

    def keeper(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self._run("backup-bucket", *words)

    def save(self, text: str) -> None:
        (self.www / "index.html").write_text(text)
        done(self.machine("run"))

    def restored(self, folder: str) -> str:
        return (self.place / folder / self.www.relative_to("/") / "index.html").read_text()

    def snapshots(self) -> list[str]:
        return [one["short_id"] for one in json.loads(done(self.machine("restic", "snapshots", "--no-lock", "--json")))]


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[Bucket]:
    policies = {"content": {"Statement": saver(BUCKET, "content")}, "pruner": {"Statement": pruner(BUCKET)}}
    with serving(policies) as s3:
        yield Bucket(tmp_path, s3)


@pytest.mark.claim("SOF-8")
def test_one_machine_saves_another_prunes_and_verifies(bucket: Bucket) -> None:
    assert done(bucket.keeper("prune")) == "", "there is nothing to prune before the machine has come"
    done(bucket.keeper("admit", "content"))
    done(bucket.machine("setup"))
    for text in ("one", "two", "three"):
        bucket.save(text)
    assert len(bucket.snapshots()) == 3
    assert "content: 3 snapshots, the newest of 20" in done(bucket.keeper("list"))
    done(bucket.keeper("prune"))
    done(bucket.keeper("verify"))
    assert len(bucket.snapshots()) == 1
    done(bucket.machine("restore", str(bucket.place / "newest")))
    assert bucket.restored("newest") == "three"
    assert bucket.s3.refused == []
    figures = "".join(file.read_text() for file in sorted((bucket.place / "metrics").glob("backup-*-content.prom")))
    assert figures.count("_timestamp_seconds{") == 2


@pytest.mark.claim("SOF-8")
def test_what_root_on_the_machine_destroys_is_had_again(bucket: Bucket) -> None:
    """It deletes nothing; what it overwrites is as it was a moment before."""
    done(bucket.machine("setup"))
    bucket.save("what must not be lost")
    before = bucket.s3.current("content/")
    time.sleep(1.1)  # a moment is given by its second
    moment = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}"
    time.sleep(1.1)
    [snapshot] = bucket.snapshots()
    # restic would try for minutes what is refused.
    assert bucket.machine("restic", "forget", "--prune", snapshot, limit="6").returncode != 0
    assert {action for _, action, _ in bucket.s3.refused} == {"s3:DeleteObject"}
    assert bucket.s3.current("content/").items() >= before.items()

    for key in before:
        bucket.s3.put(key, b"gone")
    assert bucket.machine("list").returncode != 0
    assert bucket.keeper("restic", "content", "snapshots").returncode != 0
    words = ("restore", "latest", "--tag", "files", "--target", str(bucket.place / "then"))
    done(bucket.keeper("at", moment, "content", *words))
    assert bucket.restored("then") == "what must not be lost"

    (bucket.place / "cache/backup-bucket").mkdir(parents=True, exist_ok=True)
    done(bucket.keeper("undo", moment, "content"))
    assert bucket.s3.current("content/") == {key: content for key, content in before.items() if "/locks/" not in key}
    assert bucket.snapshots() == [snapshot]
    bucket.save("and what comes after")
    done(bucket.keeper("verify"))


def test_false_times_do_not_drive_out_true_ones(bucket: Bucket) -> None:
    done(bucket.machine("setup"))
    bucket.save("true")
    false = ("backup", "--quiet", "--tag", "files", "--time", "2099-01-01 00:00:00", "/etc/hosts")
    done(bucket.machine("restic", *false))
    refused = bucket.keeper("prune")
    assert refused.returncode != 0
    assert "claims 2099-01-01 00:00:00, arrived 20" in refused.stderr
    assert len(bucket.snapshots()) == 2
