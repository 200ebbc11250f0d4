"""What root does to copies, with the keys that a machine has: against an S3 that is held to policies."""

import json
from pathlib import Path
from typing import Any

import pytest

from drills.packs import backup
from drills.packs.thief import taken
from pulumi_casebook.backups.backup.bucket import archiver, saver
from sandbox.policies import ACTIONS
from tests.components.backups.s3 import BUCKET, serving
from tests.drills.stack import FakeStack

REPOSITORY = ("config", "data/00/1", "index/1", "keys/1", "snapshots/1", "locks/1")
ALL = [{"Effect": "Allow", "Action": sorted(ACTIONS), "Resource": "*"}]


def of_repository(folder: Path, url: str) -> None:
    lines = (f"RESTIC_REPOSITORY='s3:{url}/{BUCKET}/db'", "AWS_DEFAULT_REGION=gra")
    keys = ("AWS_ACCESS_KEY_ID='root'", "AWS_SECRET_ACCESS_KEY='s'")
    (folder / "backup-db.env").write_text("\n".join([*lines, *keys, ""]))


def of_archive(folder: Path, url: str) -> None:
    key = {"endpoint": url, "region": "gra", "bucket": BUCKET, "access_key": "root", "secret_key": "s"}
    (folder / "archive-db.json").write_text(json.dumps({**key, "source": "tar"}))


def test_root_deletes_nothing_of_a_repository_and_overwrites_its_own_alone(tmp_path: Path) -> None:
    with serving({"root": {"Statement": saver(BUCKET, "db")}}) as s3:
        of_repository(tmp_path, s3.url)
        for name in REPOSITORY:
            s3.put(f"db/{name}", b"kept")
            s3.put(f"other/{name}", b"kept")
        assert taken(tmp_path, overwrite=True) == {"deleted": 0, "overwritten": len(REPOSITORY), "changed": 0}
        assert set(s3.current("other/").values()) == {b"kept"}
        assert all(versions[0].content == b"kept" for versions in s3.objects.values()), "versions of all are there"


def test_root_deletes_nothing_of_an_archive(tmp_path: Path) -> None:
    with serving({"root": {"Statement": archiver(BUCKET, "db")}}) as s3:
        of_archive(tmp_path, s3.url)
        s3.put("archives/db/2026/0000", b"kept")
        assert taken(tmp_path, overwrite=False) == {"deleted": 0, "overwritten": 0, "changed": 0}
        assert {action for _, action, _ in s3.refused} >= {"s3:DeleteObject", "s3:ListBucketVersions"}
        assert set(s3.current().values()) == {b"kept"}


@pytest.mark.parametrize("write", [of_repository, of_archive])
def test_a_key_that_could_is_seen_to_take_all(write: object, tmp_path: Path) -> None:
    with serving({"root": {"Statement": ALL}}) as s3:
        assert callable(write)
        write(tmp_path, s3.url)
        for name in REPOSITORY:
            s3.put(f"db/{name}", b"kept")
        found = taken(tmp_path, overwrite=False)
        assert found["deleted"] >= 2 * (len(REPOSITORY) - 1), "once hidden, and then each version"
        assert not s3.current("db/data/")


def test_the_program_that_goes_to_a_machine_is_whole() -> None:
    sent: list[str] = []

    class Machine(FakeStack):
        def on(self, machine: str, command: str, **options: Any) -> str:  # noqa: ARG002
            sent.append(options["stdin"])
            return '{"deleted": 0}'

    assert backup.taken_away(Machine({"db": "10.0.0.3"}, {}), "db", overwritten=True) == {"deleted": 0}
    [program] = sent
    assert "import S3" not in program
    compile(program, "thief", "exec")
    assert program.index("class S3") < program.index("def taken(")
