#!/usr/bin/python3
"""The storage server of backups: what it does for the machines, and what an operator does with it.

backup-server list             the backups, their newest snapshot and their size
backup-server prune [NAME]     forget what the retention no longer keeps, and free its space (a timer does)
backup-server verify [NAME]    read every byte of a repository and report damage (a timer does)
backup-server restic NAME ...  anything else that restic can do, on a repository
backup-server admit NAME       make the user and the folder of a backup (done at installation)
backup-server serve            what a machine gets for its key: its repository, which it can only add to
"""

import datetime
import fcntl
import json
import os
import pwd
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ACCOUNTS = Path(os.environ.get("BACKUP_ACCOUNTS", "/etc/casebook/backup-server"))
METRICS = Path(os.environ.get("BACKUP_METRICS", "/var/lib/casebook-metrics"))
# How far the time that a snapshot claims may be from the time that it arrived: a clock's error, and a long run.
AHEAD, BEHIND = datetime.timedelta(hours=1), datetime.timedelta(days=2)


class Refused(Exception):
    """A sentence for the operator."""


class Account(NamedTuple):
    """One backup that is kept here."""

    name: str
    directory: Path
    keep: list[str]

    @property
    def user(self) -> str:
        return f"backup-{self.name}"

    @property
    def repository(self) -> Path:
        return self.directory / "repository"


def accounts(name: str = "*") -> list[Account]:
    found = []
    for path in sorted(ACCOUNTS.glob(f"{name}.json")):
        settings = json.loads(path.read_text())
        found.append(Account(path.stem, Path(settings["directory"]), settings["keep"]))
    if not found and name != "*":
        raise Refused(f"no backup {name!r} is kept here")
    return found


@contextmanager
def alone(account: Account, how: int = fcntl.LOCK_EX) -> Iterator[None]:
    """Wait until no machine writes, and let those that come wait: restic's own locks would fail one of the two."""
    # The folder is the machine's own account's, which could have put a link there.
    place = os.open(account.directory / "lock", os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    with os.fdopen(place, "w") as lock:
        fcntl.flock(lock, how)
        yield


def restic(account: Account, *words: str, capture: bool = False) -> str:
    """restic on a repository, as the user whose files these are."""
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "RESTIC_REPOSITORY": str(account.repository),
        "RESTIC_PASSWORD": (ACCOUNTS / f"{account.name}.password").read_text().strip(),
        "RESTIC_CACHE_DIR": str(account.directory / "cache"),
    }
    owner = account.directory.stat()
    done = subprocess.run(
        ["restic", *words],
        env=environment,
        user=owner.st_uid,
        group=owner.st_gid,
        extra_groups=[],
        cwd="/",
        check=False,
        text=True,
        stdout=subprocess.PIPE if capture else None,
    )
    if done.returncode:
        raise Refused(f"restic {words[0]} failed on {account.name}")
    return done.stdout or ""


def note(account: Account, figure: str) -> None:
    """The time of a success, for the exporter."""
    METRICS.mkdir(parents=True, exist_ok=True)
    new = METRICS / f".backup-{figure}-{account.name}"
    new.write_text(f'casebook_backup_{figure}_timestamp_seconds{{backup="{account.name}"}} {int(time.time())}\n')
    new.chmod(0o644)
    new.replace(METRICS / f"backup-{figure}-{account.name}.prom")


def implausible(account: Account) -> list[str]:
    """Snapshots whose time is not that of their arrival.

    A machine that was broken into cannot delete. It could still send snapshots with false times, after which the
    retention would keep those and forget the true ones.
    """
    found = []
    for snapshot in json.loads(restic(account, "snapshots", "--json", capture=True)) or []:
        # Python 3.11 reads no nanoseconds.
        claimed = datetime.datetime.fromisoformat(re.sub(r"\.\d+", "", snapshot["time"])).astimezone(datetime.UTC)
        arrived = datetime.datetime.fromtimestamp(
            (account.repository / "snapshots" / snapshot["id"]).stat().st_mtime, datetime.UTC
        )
        if not -AHEAD <= arrived - claimed <= BEHIND:
            found.append(f"{snapshot['short_id']} claims {claimed:%F %T}, arrived {arrived:%F %T} UTC")
    return found


def prune(account: Account) -> None:
    if not (account.repository / "config").exists():
        return  # the machine has not made it yet
    with alone(account):
        # Nobody else is here: whatever lock there is belongs to a run that is dead.
        restic(account, "unlock", "--remove-all")
        if strange := implausible(account):
            raise Refused(
                f"{account.name} is not pruned, for snapshots have false times: {'; '.join(strange)}. If the machine "
                f"was not broken into: backup-server restic {account.name} forget ID"
            )
        restic(account, "forget", "--quiet", "--group-by", "tags", "--prune", *account.keep)
    note(account, "pruned")


def verify(account: Account) -> None:
    if not (account.repository / "config").exists():
        return
    # Machines may go on adding meanwhile.
    with alone(account, fcntl.LOCK_SH):
        restic(account, "check", "--no-lock", "--read-data")
    note(account, "verified")


def each(action: str, wanted: list[Account]) -> None:
    """The action on each of them; one that fails does not keep the others from it."""
    failures = []
    for account in wanted:
        try:
            {"prune": prune, "verify": verify}[action](account)
        except Refused as refusal:
            failures.append(str(refusal))
    if failures:
        raise Refused("\n".join(failures))


def show(account: Account) -> None:
    newest = "no snapshot yet"
    if (account.repository / "config").exists():
        snapshots = json.loads(restic(account, "--no-lock", "snapshots", "--json", capture=True)) or []
        if snapshots:
            newest = f"{len(snapshots)} snapshots, the newest of {max(s['time'] for s in snapshots)[:19]}"
    size = subprocess.run(["du", "-sh", account.directory], stdout=subprocess.PIPE, text=True, check=True).stdout
    print(f"{account.name}: {newest}, {size.split()[0]}")


def admit(account: Account) -> None:
    """The user of a backup and its folder."""
    try:
        pwd.getpwnam(account.user)
    except KeyError:
        # A star: no password fits. Without one the account is locked, and sshd without PAM refuses a locked one's key.
        where = ["--home-dir", str(account.directory), "--shell", "/bin/sh", "--password", "*"]
        subprocess.run(["useradd", "--system", "--user-group", "--groups", "backup", *where, account.user], check=True)
    person = pwd.getpwnam(account.user)
    account.directory.mkdir(parents=True, exist_ok=True)
    account.directory.chmod(0o700)
    os.chown(account.directory, person.pw_uid, person.pw_gid)
    # Their age is counted from here until there is a success.
    for figure in ("pruned", "verified"):
        if not (METRICS / f"backup-{figure}-{account.name}.prom").exists():
            note(account, figure)


def serve(account: Account) -> None:
    """Whatever the machine asks for, it gets this."""
    rclone = ["rclone", "--config=/dev/null", "serve", "restic", "--stdio", "--append-only", str(account.repository)]
    os.execvp("flock", ["flock", "--shared", str(account.directory / "lock"), *rclone])  # noqa: S606 (there is none)


def main(words: list[str]) -> None:
    match words:
        case ["list"]:
            for account in accounts():
                show(account)
        case [("prune" | "verify") as action]:
            each(action, accounts())
        case [("prune" | "verify") as action, name]:
            each(action, accounts(name))
        case ["restic", name, _, *_]:
            with alone(accounts(name)[0]):
                restic(accounts(name)[0], *words[2:])
        case ["admit", name]:
            admit(accounts(name)[0])
        case ["serve", name]:
            serve(accounts(name)[0])
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Refused as refusal:
        sys.exit(f"backup-server: {refusal}")
