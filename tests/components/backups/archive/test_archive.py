"""An archive: what is refused, what it declares, and its program against an S3 that is held to the declared policy."""

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pulumi_casebook import Archive, BackupBucket, InputError, Vps, ssh_key
from pulumi_casebook.backups.archive.component import PROGRAM
from pulumi_casebook.backups.archive.programs import archive as program
from pulumi_casebook.backups.backup.bucket import archiver
from tests.components.backups.s3 import BUCKET, S3, serving
from tests.harness import declares_the_same, only

VPS = "vps-0a1b2c01.vps.ovh.net"


def archive(**changes: Any) -> None:
    machine = Vps("db", service_name=VPS, ssh_key=ssh_key(), admin_cidrs=["198.18.0.1/32"])
    archives = changes.pop("archives", {"nightly": 21})
    bucket = BackupBucket("copies", project="0" * 32, region="GRA", bucket=BUCKET, archives=archives)
    given: dict[str, Any] = {"mysql": True, "schedule": "daily"} | changes
    Archive("nightly", machine=machine, to=bucket, **given)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mysql": False}, "paths or mysql"),
        ({"paths": ["/srv"]}, "paths or mysql"),
        ({"mysql": False, "paths": ["srv"]}, "'srv' is not an absolute path"),
        ({"archives": {"nightly": 0}}, "archives.nightly=0"),
        ({"archives": {"nigthly": 21}}, "archives there are nigthly; say in its archives for how many days"),
        ({"schedule": "at night"}, "not a calendar expression"),
    ],
)
def test_wrong_input_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        declares_the_same(lambda: archive(**changes))


@pytest.mark.claim("NRT-12")
def test_it_declares_a_copy_that_expires_and_no_secret_in_its_bundle() -> None:
    declared = declares_the_same(archive)
    bundle = only(declared, "command:remote:Command", "db-archive-nightly").inputs["stdin"]
    assert '"expire_days": 21' in bundle
    assert "@secret(passphrase:json)@" in bundle
    secrets = only(declared, "command:remote:Command", "db-archive-nightly-secrets")
    assert "stdin" in secrets.secrets
    rules = only(declared, "CloudProjectStorageObjectBucketLifecycleConfiguration", "copies-backups-lifecycle").inputs
    assert {rule["id"]: rule["filter"]["prefix"] for rule in rules["rules"]} == {
        "undo": "",
        "nightly": "archives/nightly/",
    }
    assert {one.name for one in declared if one.protect} == {
        "copies-backups",
        "copies-backups-lifecycle",
        "nightly-passphrase",
    }


@pytest.fixture(name="s3")
def _s3() -> Iterator[S3]:
    with serving({"archiver": {"Statement": archiver(BUCKET, "nightly")}}) as s3:
        yield s3


def run(s3: S3, folder: Path, *arguments: str, **changes: Any) -> subprocess.CompletedProcess[str]:
    settings = {
        "archive": "nightly",
        "bucket": BUCKET,
        "prefix": "archives/nightly",
        "region": "gra",
        "endpoint": s3.url,
        "access_key": "archiver",
        "secret_key": "secret",
        "passphrase": "four words and more",
        "source": f"tar --create --directory=/ -- {str(folder / 'data').lstrip('/')}",
        "expire_days": 21,
        "figures": str(folder / "metrics"),
    }
    command = [sys.executable, str(PROGRAM), *arguments]
    given = json.dumps(settings | changes)
    environment = {**os.environ, "ARCHIVE_SETTINGS": "/dev/stdin"}
    return subprocess.run(command, input=given, env=environment, text=True, capture_output=True, timeout=60)


@pytest.mark.claim("NRT-12")
def test_a_copy_is_encrypted_expires_and_is_restored(s3: S3, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/article").write_text("the match is over" * 1000)
    assert run(s3, tmp_path, "run").returncode == 0
    copies = s3.current("archives/nightly/")
    assert [name.split("/")[-1] for name in copies] == ["0000", "complete"]
    assert not any(b"match" in content for content in copies.values())
    day = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 21 * 86400))
    assert f" until {day}" in run(s3, tmp_path, "list").stdout
    assert " kept" in run(s3, tmp_path, "list", expire_days=None).stdout
    done = run(s3, tmp_path, "restore", str(tmp_path / "restored"))
    assert done.returncode == 0, done.stderr
    [file] = (tmp_path / "restored").rglob("article")
    assert file.read_text() == "the match is over" * 1000
    assert "casebook_backup_last_success" in (tmp_path / "metrics/archive-nightly.prom").read_text()
    assert s3.refused == [], "it needs no more than it may"


def test_a_copy_is_of_as_many_parts_as_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "PART", 3 << 20)
    data = os.urandom(8 << 20)
    parts = [part.read() for part, _ in program.parts(io.BytesIO(data))]
    assert [len(part) >> 20 for part in parts] == [3, 3, 2]
    assert b"".join(parts) == data


def test_a_copy_that_breaks_off_is_none_and_no_success(s3: S3, tmp_path: Path) -> None:
    done = run(s3, tmp_path, "run", source="head -c 3000000 /dev/urandom && false")
    assert done.returncode == 1
    assert "the source ended with status 1" in done.stderr
    assert [name.split("/")[-1] for name in s3.current()] == ["0000"], "which goes when its time comes"
    assert run(s3, tmp_path, "list").stdout.strip() == ""
    assert not (tmp_path / "metrics").exists()


def test_the_age_of_a_copy_counts_from_setup_until_there_is_one(s3: S3, tmp_path: Path) -> None:
    metric = tmp_path / "metrics/archive-nightly.prom"
    assert run(s3, tmp_path, "setup", access_key="stranger").returncode == 1
    assert not metric.exists()
    assert run(s3, tmp_path, "setup").returncode == 0
    assert abs(float(metric.read_text().split()[1]) - time.time()) < 60
    metric.write_text("as it was")
    assert run(s3, tmp_path, "setup").returncode == 0
    assert metric.read_text() == "as it was"


def test_a_damaged_copy_is_not_taken_for_the_data(s3: S3, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/article").write_text("text")
    run(s3, tmp_path, "run")
    for name, content in s3.current().items():
        s3.put(name, content[:-9] + b"damaged!!" if content else content)
    done = run(s3, tmp_path, "restore", str(tmp_path / "restored"))
    assert done.returncode == 1
    assert "could not be restored" in done.stderr


def test_a_key_that_is_refused_and_an_unknown_copy_are_sentences(s3: S3, tmp_path: Path) -> None:
    assert "403" in run(s3, tmp_path, "list", access_key="stranger").stderr
    done = run(s3, tmp_path, "restore", str(tmp_path), "2001")
    assert (done.returncode, "no such copy: 2001" in done.stderr) == (1, True)
