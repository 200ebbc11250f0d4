"""What a backup declares, and what it puts on its machine."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from pulumi_casebook import (
    Backup,
    BackupBucket,
    BackupServer,
    DedicatedServer,
    InputError,
    InstanceGroup,
    RetentionArgs,
    Vps,
    VrackNetwork,
    ssh_key,
)
from pulumi_casebook.machines.configuration.programs.apply import Role, parse
from tests.harness import Registered, comes_after, declares_the_same, only

SECRETS = "db-backup-content-secrets"


def machine() -> Vps:
    return Vps("db", service_name="vps-1.vps.ovh.net", ssh_key=ssh_key(), admin_cidrs=["198.18.0.0/16"])


def watcher() -> Vps:
    return Vps("watcher", service_name="vps-2.vps.ovh.net", ssh_key=ssh_key(), admin_cidrs=["198.18.0.0/16"])


def bucket(**values: Any) -> BackupBucket:
    given = {"project": "0123456789abcdef0123456789abcdef", "region": "GRA", "bucket": "acme-backups"}
    if "pruner" not in values:
        values["pruner"] = watcher()
    return BackupBucket("store", **{**given, **values})


def backup(**values: Any) -> Backup:
    given = {
        "machine": values.pop("machine", None) or machine(),
        "to": values.pop("to", None) or bucket(),
        "paths": ["/srv/www"],
        "schedule": "*-*-* 03:15:00",
        "retention": {"daily": 7, "weekly": 4},
    }
    return Backup("content", **{**given, **values})


# "the 24 hourly backups of the previous day ... hourly for the past seven days and weekly for the previous month":
# the seven days hold the 24 hours.
PRINTED = {"hourly_days": 7, "weekly_days": 31}


def declared(**values: Any) -> list[Registered]:
    def program() -> None:
        to = values.get("to")
        backup(**{**values, "to": to() if callable(to) else to})

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
    holders = [r.name for r in registered if drawn in str(r.inputs)]
    assert holders == ["watcher-backup-of-content-secrets", SECRETS]
    role = parse(only(registered, "Command", "db-backup-content").inputs["stdin"])
    modes = {path: file["mode"] for path, file in role["files"].items() if "@secret(" in "".join(file["lines"])}
    assert modes == {"/etc/casebook/backup-content.env": 0o600}


def test_the_key_comes_with_its_rights() -> None:
    registered = declared()
    policy = only(registered, "S3Policy", "store-content")
    assert policy.urn in only(registered, "Command", SECRETS).depends_on


def test_only_what_is_asked_for_is_on_the_machine() -> None:
    program = files()["/usr/local/sbin/backup-content"]
    assert "mariadb" not in program
    assert "systemctl" not in program


def test_another_machine_prunes_a_bucket_by_a_key_of_its_own() -> None:
    registered = declared(retention={"hourly": 24, "daily": 7, "monthly_days": 36500})
    settings = json.loads(
        texts(role(registered, "watcher-backup-of-content"))["/etc/casebook/backup-bucket/content.json"]
    )
    assert settings["keep"] == ["--keep-hourly=24", "--keep-daily=7", "--keep-within-monthly=36500d"]
    for program in texts(role(registered, "db-backup-content")).values():
        assert "forget" not in program
    assert comes_after(
        registered,
        only(registered, "Command", "db-backup-content"),
        only(registered, "Command", "watcher-backup-bucket"),
    )


def test_what_backups_go_to_and_what_opens_them_stays_when_the_stack_is_destroyed() -> None:
    protected = {r.name for r in declared() if r.protect}
    assert protected == {"store-backups", "store-backups-lifecycle", "content-repository"}
    assert only(declared(to=bucket), "Storage", "store-backups").inputs["versioning"] == {"status": "enabled"}


def test_it_takes_the_place_of_an_earlier_releases_bucket() -> None:
    assert only(declared(), "BackupBucket", "store").former_types == ("casebook:index:ObjectStorage",)


def to_server(**values: Any) -> list[Registered]:
    """A backup to a storage server, beside the machine in the private network unless `private` is False."""
    private = values.pop("private", True)

    def program() -> None:
        access: dict[str, Any] = {"ssh_key": ssh_key(), "admin_cidrs": ["198.18.0.0/16"]}
        network = VrackNetwork("private", vrack="pn-1001", vlan=8, cidr="10.8.0.0/24") if private else None
        store, db = (
            DedicatedServer(
                name,
                service_name=f"ns300{number}.ip-198-18-16.eu",
                network=network,
                address=f"10.8.0.{number}" if private else None,
                **access,
            )
            for name, number in (("store", 9), ("db", 10))
        )
        server = BackupServer("backups", machine=store)
        given = {"machine": db, "to": server, "paths": ["/srv/www"], "schedule": "hourly", "retention": PRINTED}
        Backup(values.pop("name", "content"), **{**given, **values})

    return declares_the_same(program)


def role(registered: list[Registered], name: str) -> Role:
    return parse(only(registered, "Command", name).inputs["stdin"])


def texts(role: Role) -> dict[str, str]:
    return {path: "\n".join([*file["lines"], ""]) for path, file in role["files"].items()}


@pytest.mark.claim("ERP-7")
def test_a_storage_server_takes_it_over_the_private_network(snapshot: SnapshotAssertion) -> None:
    registered = to_server()
    for name in ("store-backup-server", "store-backup-of-content"):
        assert only(registered, "Command", name).inputs["stdin"] == snapshot(name=name)
    files = texts(role(registered, "db-backup-content"))
    assert "HostName 10.8.0.9\n    Port 2222\n    User backup-content\n" in files["/etc/casebook/backup-content.ssh"]
    assert "OnCalendar=hourly\n" in files["/etc/systemd/system/backup-content.timer"]
    firewall = texts(role(registered, "store-backup-of-content"))["/etc/nftables.d/backup-of-content.nft"]
    assert "ip saddr { 10.8.0.10/32 } tcp dport 2222 accept" in firewall


@pytest.mark.claim("ERP-7")
def test_a_storage_server_outside_the_network_takes_it_over_the_public_one() -> None:
    files = texts(role(to_server(private=False), "db-backup-content"))
    assert re.search(r"HostName 198\.18\.\d+\.\d+\n", files["/etc/casebook/backup-content.ssh"])


@pytest.mark.claim("ERP-7")
def test_what_is_kept_is_what_is_printed() -> None:
    settings = texts(role(to_server(), "store-backup-of-content"))["/etc/casebook/backup-server/content.json"]
    keep = ["--keep-within-hourly=7d", "--keep-within-weekly=31d"]
    lock = "/srv/backup/content.lock"
    assert json.loads(settings) == {"directory": "/srv/backup/content", "lock": lock, "keep": keep}
    # The machine itself can forget nothing.
    assert "forget" not in texts(role(to_server(), "db-backup-content"))["/usr/local/sbin/backup-content"]


def test_the_server_lets_a_machine_in_before_it_comes() -> None:
    registered = to_server()
    mine, server = (only(registered, "Command", name) for name in ("db-backup-content", "store-backup-of-content"))
    assert comes_after(registered, mine, server)
    assert comes_after(registered, server, only(registered, "Command", "store-backup-server"))


def test_a_machine_has_its_key_alone_and_the_server_none() -> None:
    registered = to_server()
    holders = {
        word: {r.name for r in registered if word in str(r.inputs)}
        for word in ("private-key-of-content-key", "private-key-of-backups-host", "drawn-content-repository")
    }
    assert holders == {
        "private-key-of-content-key": {"db-backup-content-secrets"},
        "private-key-of-backups-host": {"store-backup-server-secrets"},
        # Pruning reads what it prunes.
        "drawn-content-repository": {"db-backup-content-secrets", "store-backup-of-content-secrets"},
    }


def test_a_password_of_an_earlier_stack_is_taken() -> None:
    registered = declared(password="earlier")
    assert '"password": "earlier"' in only(registered, "Command", SECRETS).inputs["stdin"]
    assert not [r for r in registered if r.type.endswith("RandomPassword")]


def test_an_instance_is_let_in_by_its_planned_address_or_not_at_all() -> None:
    def program() -> None:
        access: dict[str, Any] = {"ssh_key": ssh_key(), "admin_cidrs": ["198.18.0.0/16"]}
        network = VrackNetwork(
            "private", vrack="pn-1001", vlan=8, cidr="10.8.0.0/24", project="0" * 32, regions=["GRA11"]
        )
        group = InstanceGroup(
            "web", region="GRA11", flavor="b3-8", network=network, addresses={"web-1": "10.8.0.21"}, **access
        )
        server = BackupServer("backups", machine=machine())
        Backup(
            "content",
            machine=group.machines[0],
            to=server,
            paths=["/srv"],
            schedule="daily",
            retention=RetentionArgs(daily=1),
        )

    with pytest.raises(InputError, match="db and web-1 have no private network in common"):
        declares_the_same(program)


def test_a_name_too_long_for_a_user_is_refused() -> None:
    with pytest.raises(InputError, match="25 characters at most"):
        to_server(name="a" * 26)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"paths": []}, "nothing to save: give paths, mysql=True or both"),
        ({"paths": ["srv"]}, "'srv' is not an absolute path"),
        ({"schedule": "nightly"}, "schedule='nightly': not a calendar expression of systemd"),
        (
            {"retention": {}},
            "retention={}: keeps nothing: give hourly, daily, weekly or monthly, or one of their _days, a number",
        ),
        ({"retention": {"daily": -1}}, r"retention.daily=-1: Input should be greater than or equal to 0"),
        ({"machine": "db"}, "machine='db': Input should be an instance of Machine"),
        ({"compress": True}, "compress: no such field"),
        ({"to": "/mnt"}, "='/mnt': Input should be an instance of BackupServer"),
        ({"to": lambda: bucket(pruner=None)}, "to=store: nobody prunes there; give it a machine as its pruner"),
    ],
)
def test_what_cannot_work_is_refused(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        declared(**values)


def test_a_machine_does_not_keep_its_own_backup() -> None:
    def program() -> None:
        db = machine()
        Backup(
            "content",
            machine=db,
            to=BackupServer("backups", machine=db),
            paths=["/srv"],
            schedule="daily",
            retention=RetentionArgs(daily=1),
        )

    with pytest.raises(InputError, match="db cannot keep its own backup"):
        declares_the_same(program)


def test_a_machine_does_not_prune_its_own_backup() -> None:
    def program() -> None:
        db = machine()
        backup(machine=db, to=bucket(pruner=db))

    with pytest.raises(InputError, match="pruner=db: it saves content here"):
        declares_the_same(program)


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    registered = to_server()
    for name in ("store-backup-server", "db-backup-content"):
        for path, text in texts(role(registered, name)).items():
            if re.fullmatch("/etc/systemd/system/[^/]+", path):
                (tmp_path / Path(path).name).write_text(re.sub(r"/usr/local/sbin/backup\S+", "/bin/true", text))
    units = [str(unit) for unit in tmp_path.iterdir()]
    assert len(units) == 9
    checked = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True)
    # What it says of other units of this machine is no concern of ours.
    assert [line for line in checked.stderr.splitlines() if "backup" in line] == []
