"""What a backup declares, and what it puts on its machine."""

from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from casebook import Backup, InputError, ObjectStorage, Vps, ssh_key
from casebook.configuration.apply import parse
from tests.harness import Registered, declares_the_same, only

SECRETS = "db-backup-content-secrets"


def machine() -> Vps:
    return Vps("db", service_name="vps-1.vps.ovh.net", ssh_key=ssh_key(), admin_cidrs=["198.18.0.0/16"])


def backup(**values: Any) -> Backup:
    store = ObjectStorage(
        "store",
        project="0123456789abcdef0123456789abcdef",
        region="GRA",
        prefix="acme",
        buckets={"backups": {"writers": ["backup"]}},
    )
    given = {
        "machine": machine(),
        "bucket": store.buckets["backups"],
        "user": store.users["backup"],
        "paths": ["/srv/www"],
        "schedule": "*-*-* 03:15:00",
        "retention": {"daily": 7, "weekly": 4},
    }
    return Backup("content", **{**given, **values})


def declared(**values: Any) -> list[Registered]:
    def program() -> None:
        backup(**values)

    return declares_the_same(program)


def files(**values: Any) -> dict[str, str]:
    """Path to text of what the role puts on the machine."""
    role = parse(only(declared(**values), "Command", "db-backup-content").inputs["stdin"])
    return {path: "\n".join([*file["lines"], ""]) for path, file in role["files"].items()}


@pytest.mark.claim("SOF-8")
def test_database_and_static_content_go_to_a_repository_of_their_own(snapshot: SnapshotAssertion) -> None:
    values: dict[str, Any] = {"mysql": True, "exclude": ["*.tmp", "it's"], "run_first": True}
    assert only(declared(**values), "Command", "db-backup-content").inputs["stdin"] == snapshot
    secrets = only(declared(**values), "Command", SECRETS).inputs["stdin"]
    assert '"repository": "s3:https://s3.gra.io.cloud.ovh.net/acme-backups/content"' in secrets


def test_no_secret_is_readable_outside_its_own_resource() -> None:
    registered = declared()
    assert only(registered, "Command", SECRETS).secrets == {"connection", "stdin"}
    drawn = "drawn-content-repository"
    leaks = [r.name for r in registered if drawn in str(r.inputs) and r.name != SECRETS]
    assert not leaks
    role = parse(only(registered, "Command", "db-backup-content").inputs["stdin"])
    modes = {path: file["mode"] for path, file in role["files"].items() if "@secret(" in "".join(file["lines"])}
    assert modes == {"/etc/casebook/backup-content.env": 0o600}


def test_the_key_comes_with_its_rights() -> None:
    registered = declared()
    policy = only(registered, "S3Policy", "store-backup")
    assert policy.urn in only(registered, "Command", SECRETS).depends_on


def test_only_what_is_asked_for_is_on_the_machine() -> None:
    program = files()["/usr/local/sbin/backup-content"]
    assert "mariadb" not in program
    assert "systemctl" not in program
    assert "--keep-daily 7 --keep-weekly 4\n" in program


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"paths": []}, "nothing to save: give paths, mysql=True or both"),
        ({"paths": ["srv"]}, "'srv' is not an absolute path"),
        ({"schedule": "nightly"}, "schedule='nightly': not a calendar expression of systemd"),
        ({"retention": {}}, "retention={}: keeps nothing: give hourly, daily, weekly or monthly a number"),
        ({"retention": {"daily": -1}}, r"retention.daily=-1: Input should be greater than or equal to 0"),
        ({"machine": "db"}, "machine='db': Input should be an instance of Machine"),
        ({"compress": True}, "compress: no such field"),
    ],
)
def test_what_cannot_work_is_refused(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        declared(**values)
