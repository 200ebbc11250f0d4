#!/usr/bin/python3
"""Keeps the backups of other machines, and takes from them what the retention no longer keeps.

backup-server, on the machine with the disks, or backup-bucket, on the one with the key of a bucket:

    list                  the backups, their newest snapshot and their size
    prune [NAME]          forget what the retention no longer keeps, and free its space (a timer does)
    verify [NAME]         read every byte of a repository and report damage (a timer does)
    restic NAME ...       anything else that restic can do, on a repository
    at TIME NAME ...      what restic can read of a bucket's repository as it was then (2026-11-30T08:00:00Z): what was
                          deleted or overwritten since
    undo TIME NAME        put a bucket's repository back as it was then; it passes through this machine's disk
    admit NAME            make the user and the folder of a backup on a server, or see that the key opens the bucket
                          (done at installation)
    serve NAME            what a machine gets of a server for its key: its repository, which it can only add to
"""

import argparse
import contextlib
import datetime
import fcntl
import json
import os
import pwd
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

KEEPER = Path(__file__).name
sys.path.append(f"/usr/local/lib/casebook/{KEEPER}")  # where its parts are on a machine
from pulumi_casebook.machines.configuration.programs.runtime import CommandLine, Refused, alone, show  # noqa: E402

ACCOUNTS = Path(f"/etc/casebook/{KEEPER}")
FIGURES = "/var/lib/casebook-metrics"
CACHE = f"/var/cache/{KEEPER}"
PATH = "/usr/local/bin:/usr/bin:/bin"
# How far the time that a snapshot claims may be from the time that it arrived: a clock's error, and a long run.
AHEAD, BEHIND = datetime.timedelta(hours=1), datetime.timedelta(days=2)


class Account:
    """One backup that is kept here."""

    # Of restic, wherever the repository is: always, when it takes dead runs' locks away, when it checks.
    options: tuple[str, ...] = ()
    unlocks: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()

    def __init__(self, name: str, settings: dict[str, Any]) -> None:
        self.name, self.settings = name, settings

    def environment(self) -> dict[str, str]:
        """What restic needs to open it."""
        raise NotImplementedError

    def owner(self) -> tuple[int, int] | None:
        """Whose its files are, where that is not root."""
        return None

    def admit(self) -> None:
        """Make what its machine needs to make it, or see that it could."""
        raise NotImplementedError

    def made(self) -> bool:
        """Whether its machine has made it yet."""
        raise NotImplementedError

    def alone(self, how: int = fcntl.LOCK_EX) -> AbstractContextManager[None]:
        """Wait until no machine writes, and let those that come wait: restic's own locks would fail one of the two."""
        raise NotImplementedError

    def arrivals(self) -> dict[str, datetime.datetime]:
        """When each snapshot came, by who keeps it."""
        raise NotImplementedError

    def size(self) -> str:
        raise NotImplementedError

    def run(self, *command: str, capture: bool = False, **environment: str) -> str:
        user, group = self.owner() or (None, None)
        done = subprocess.run(
            command,
            env={"PATH": PATH, **self.environment(), **environment},
            user=user,
            group=group,
            extra_groups=None if user is None else [],
            cwd="/",
            check=False,
            text=True,
            stdout=subprocess.PIPE if capture else None,
        )
        if done.returncode:
            raise Refused(f"{' '.join(command[:3])} failed on {self.name}")
        return done.stdout or ""

    def restic(self, *words: str, capture: bool = False) -> str:
        return self.run("restic", *self.options, *words, capture=capture)

    def snapshots(self) -> list[dict[str, Any]]:
        return json.loads(self.restic("snapshots", "--no-lock", "--json", capture=True)) or []


class OnDisk(Account):
    """A folder of this server, which is its machine's own account's."""

    # Nobody else is here then: whatever lock there is belongs to a run that is dead.
    unlocks = ("--remove-all",)
    # Machines may go on adding meanwhile.
    checks = ("--no-lock",)

    def __init__(self, name: str, settings: dict[str, Any]) -> None:
        super().__init__(name, settings)
        self.user, self.directory, self.lock = f"backup-{name}", Path(settings["directory"]), Path(settings["lock"])
        self.repository = self.directory / "repository"

    def environment(self) -> dict[str, str]:
        return {
            "RESTIC_REPOSITORY": str(self.repository),
            "RESTIC_PASSWORD": (ACCOUNTS / f"{self.name}.password").read_text().strip(),
            "RESTIC_CACHE_DIR": str(self.directory / "cache"),
        }

    def owner(self) -> tuple[int, int] | None:
        status = self.directory.stat()
        return status.st_uid, status.st_gid

    def admit(self) -> None:
        try:
            pwd.getpwnam(self.user)
        except KeyError:
            # A star: no password fits. Without one the account is locked, and sshd without PAM refuses its key.
            where = ["--home-dir", str(self.directory), "--shell", "/bin/sh", "--password", "*"]
            add = ["useradd", "--system", "--user-group", "--groups", "backup", *where, self.user]
            subprocess.run(add, check=True)
        person = pwd.getpwnam(self.user)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.directory.chmod(0o700)
        os.chown(self.directory, person.pw_uid, person.pw_gid)
        with self.alone():
            """The account may take the lock, and not make it."""

    def serve(self) -> None:
        rclone = ["rclone", "--config=/dev/null", "serve", "restic", "--stdio", "--append-only", str(self.repository)]
        os.execvp("flock", ["flock", "--shared", str(self.lock), *rclone])  # noqa: S606 (there is none)

    def made(self) -> bool:
        return (self.repository / "config").exists()

    def alone(self, how: int = fcntl.LOCK_EX) -> AbstractContextManager[None]:
        return alone(self.lock, how)

    def arrivals(self) -> dict[str, datetime.datetime]:
        files = (self.repository / "snapshots").iterdir()
        return {file.name: datetime.datetime.fromtimestamp(file.stat().st_mtime, datetime.UTC) for file in files}

    def size(self) -> str:
        done = subprocess.run(["du", "-sh", self.directory], stdout=subprocess.PIPE, text=True, check=True)
        return done.stdout.split()[0]


class InBucket(Account):
    """A prefix of a bucket, of which this machine has the key that deletes."""

    # restic's own locks: who comes second waits, here and on the machine.
    options = ("--retry-lock=6h",)

    def __init__(self, name: str, settings: dict[str, Any]) -> None:
        super().__init__(name, settings)
        self.bucket, self.prefix = settings["bucket"], settings["prefix"]

    def environment(self) -> dict[str, str]:
        return {
            "RESTIC_REPOSITORY": f"s3:{self.settings['endpoint']}/{self.bucket}/{self.prefix}",
            "RESTIC_PASSWORD": self.settings["password"],
            "RESTIC_CACHE_DIR": CACHE,
            "AWS_DEFAULT_REGION": self.settings["region"],
            "AWS_ACCESS_KEY_ID": self.settings["access_key"],
            "AWS_SECRET_ACCESS_KEY": self.settings["secret_key"],
            "RCLONE_CONFIG": "/dev/null",
            "RCLONE_S3_PROVIDER": "Other",
            "RCLONE_S3_ENV_AUTH": "true",
            "RCLONE_S3_ENDPOINT": self.settings["endpoint"],
            "RCLONE_S3_REGION": self.settings["region"],
            # When an object came, and not what its writer says of it.
            "RCLONE_USE_SERVER_MODTIME": "true",
            "RCLONE_S3_NO_CHECK_BUCKET": "true",
        }

    def listed(self, keys: str) -> list[dict[str, Any]]:
        only = f"/{self.prefix}/{keys}"
        words = ("lsjson", "--recursive", "--files-only", "--include", only, f":s3:{self.bucket}")
        found: list[dict[str, Any]] = json.loads(self.run("rclone", *words, capture=True))
        return found

    def admit(self) -> None:
        self.made()

    def made(self) -> bool:
        return bool(self.listed("config"))

    def alone(self, how: int = fcntl.LOCK_EX) -> AbstractContextManager[None]:  # noqa: ARG002
        return contextlib.nullcontext()

    def arrivals(self) -> dict[str, datetime.datetime]:
        return {one["Name"]: moment(one["ModTime"]) for one in self.listed("snapshots/*")}

    def size(self) -> str:
        return f"{sum(one['Size'] for one in self.listed('**')) >> 20} MiB"

    def as_it_was(self, at: str, *words: str) -> None:
        """What restic reads of the versions that were the current ones then. By SFTP, for rclone knows a version by its
        folder's list alone, which its own protocol for restic does not ask for."""
        serve = f"rclone serve sftp --stdio --read-only --log-level=ERROR :s3:{self.bucket}"
        place = ("-r", f"sftp:rclone:/{self.prefix}", "-o", f"sftp.command={serve}", "--no-lock", "--no-cache")
        self.run("restic", *words, *place, RCLONE_S3_VERSION_AT=at)

    def put_back(self, at: str) -> None:
        place = f":s3:{self.bucket}/{self.prefix}"
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            self.run("rclone", "copy", place, folder, RCLONE_S3_VERSION_AT=at)
            self.run("rclone", "sync", "--checksum", folder, place)


def moment(text: str) -> datetime.datetime:
    # Python 3.11 reads no nanoseconds.
    return datetime.datetime.fromisoformat(re.sub(r"\.\d+", "", text)).astimezone(datetime.UTC)


def accounts(name: str | None = None) -> list[Account]:
    found: list[Account] = []
    for path in sorted(ACCOUNTS.glob(f"{name or '*'}.json")):
        settings = json.loads(path.read_text())
        found.append((InBucket if "bucket" in settings else OnDisk)(path.stem, settings))
    if not found and name:
        raise Refused(f"no backup {name!r} is kept here")
    return found


def note(account: Account, figure: str) -> None:
    """The time of a success, for the exporter."""
    text = f'casebook_backup_{figure}_timestamp_seconds{{backup="{account.name}"}} {int(time.time())}\n'
    show(FIGURES, f"backup-{figure}-{account.name}", text)


def implausible(account: Account) -> list[str]:
    """Snapshots whose time is not that of their arrival.

    A machine that was broken into cannot delete. It could still send snapshots with false times, after which the
    retention would keep those and forget the true ones.
    """
    found = []
    snapshots, arrivals = account.snapshots(), account.arrivals()
    for snapshot in snapshots:
        claimed, arrived = moment(snapshot["time"]), arrivals[snapshot["id"]]
        if not -AHEAD <= arrived - claimed <= BEHIND:
            found.append(f"{snapshot['short_id']} claims {claimed:%F %T}, arrived {arrived:%F %T} UTC")
    return found


def prune(account: Account) -> None:
    with account.alone():
        account.restic("unlock", *account.unlocks)
        if strange := implausible(account):
            raise Refused(
                f"{account.name} is not pruned, for snapshots have false times: {'; '.join(strange)}. If the machine "
                f"was not broken into: {KEEPER} restic {account.name} forget ID"
            )
        account.restic("forget", "--quiet", "--group-by", "tags", "--prune", *account.settings["keep"])
    note(account, "pruned")


def verify(account: Account) -> None:
    with account.alone(fcntl.LOCK_SH):
        account.restic("check", "--read-data", *account.checks)
    note(account, "verified")


def each(action: Callable[[Account], None], name: str | None) -> None:
    """The action on each of them; one that fails does not keep the others from it."""
    failures = []
    for account in accounts(name):
        try:
            if account.made():
                action(account)
        except Refused as refusal:
            failures.append(str(refusal))
    if failures:
        raise Refused("\n".join(failures))


def shown() -> Iterator[str]:
    for account in accounts():
        newest = "no snapshot yet"
        if account.made() and (snapshots := account.snapshots()):
            newest = f"{len(snapshots)} snapshots, the newest of {max(s['time'] for s in snapshots)[:19]}"
        yield f"{account.name}: {newest}, {account.size()}"


def restic(name: str, words: list[str]) -> None:
    [account] = accounts(name)
    with account.alone():
        account.restic(*words)


def in_bucket(name: str) -> InBucket:
    [account] = accounts(name)
    if not isinstance(account, InBucket):
        raise Refused("only a bucket keeps what was deleted; on a server no machine can delete")
    return account


def admit(name: str) -> None:
    [account] = accounts(name)
    account.admit()
    # Its age is counted from here until there is a success.
    for figure in ("pruned", "verified"):
        if not Path(FIGURES, f"backup-{figure}-{name}.prom").exists():
            note(account, figure)


def serve(name: str) -> None:
    """Whatever the machine asks for, it gets this."""
    [account] = accounts(name)
    if isinstance(account, OnDisk):
        account.serve()


def main() -> None:
    line = CommandLine(KEEPER, __doc__)
    line.command("list", lambda _: "\n".join(shown()))
    line.command("prune", lambda given: each(prune, given.name)).add_argument("name", nargs="?")
    line.command("verify", lambda given: each(verify, given.name)).add_argument("name", nargs="?")
    line.command("admit", lambda given: admit(given.name)).add_argument("name")
    line.command("serve", lambda given: serve(given.name)).add_argument("name")
    ours = line.command("restic", lambda given: restic(given.name, given.words))
    then = line.command("at", lambda given: in_bucket(given.name).as_it_was(given.time, *given.words))
    back = line.command("undo", lambda given: in_bucket(given.name).put_back(given.time))
    for parser in (then, back):
        parser.add_argument("time")
    for parser in (ours, then, back):
        parser.add_argument("name")
    for parser in (ours, then):
        parser.add_argument("words", nargs=argparse.REMAINDER)
    line.obey()


if __name__ == "__main__":
    main()
