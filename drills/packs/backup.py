"""Backup: restored on another machine than the one that made it, damaged, taken away by who has the machine."""

import contextlib
import functools
import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from drills.drill import Drill, Figure, NotSeen
from pulumi_casebook.data.swift_storage import SIGNER
from stacks.deployed_stack import CommandFailed, DeployedStack

SCRATCH = "/var/tmp/drill"  # noqa: S108 (a machine's own, made and removed by root)


def key(stack: DeployedStack, machine: str, name: str) -> str:
    """What opens a repository, as its machine holds it: the operator has it from the stack's state."""
    return stack.on(machine, f"sudo cat /etc/casebook/backup-{name}.env")


def restic(stack: DeployedStack, machine: str, opened: str, command: str) -> str:
    """Run restic on a machine that knows nothing of the repository; the key goes in on standard input."""
    script = f"set -a; . /dev/stdin; RESTIC_CACHE_DIR={SCRATCH}/cache restic --quiet --no-lock {command}"
    return stack.on(machine, f"sudo sh -c '{script}'", stdin=opened, timeout=600)


def next_in(stack: DeployedStack, machine: str, unit: str) -> float:
    """Seconds until the next one is due: what is written until then is in none."""
    elapses = stack.on(machine, f"systemctl show --value --property=NextElapseUSecRealtime {unit}.timer")
    return float(stack.on(machine, f"date --date='{elapses.strip()}' +%s")) - time.time()


@contextlib.contextmanager
def new_database(stack: DeployedStack, machine: str) -> Iterator[str]:
    """An empty MariaDB beside whatever runs on a machine; gives the client's command, which reads statements."""
    client = f"sudo mariadb --no-defaults --socket={SCRATCH}/socket"
    options = f"--no-defaults --user=mysql --datadir={SCRATCH}/data"
    stack.on(machine, f"sudo install -d -o mysql {SCRATCH}; sudo mariadb-install-db {options} >/dev/null")
    server = f"mariadbd {options} --skip-networking --socket={SCRATCH}/socket"
    try:
        stack.on(machine, f"sudo systemd-run --quiet --collect --unit=drill-database {server}")
        stack.on(machine, f"until {client} --execute 'SELECT 1' >/dev/null 2>&1; do sleep 0.2; done", timeout=60)
        yield client
    finally:
        stack.on(machine, f"sudo systemctl stop drill-database; sudo rm -rf {SCRATCH}")


@contextlib.contextmanager
def rot(stack: DeployedStack, machine: str, name: str) -> Iterator[None]:
    """One byte of a repository in a bucket is another while the block runs, written by the backup's own user."""
    s3 = f"""set -eu; . /etc/casebook/backup-{name}.env
        s3() {{
            printf 'user = "%s:%s"\\n' "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" |
                curl -fsS --aws-sigv4 "aws:amz:$AWS_DEFAULT_REGION:s3" --config - \\
                    --header 'x-amz-content-sha256: UNSIGNED-PAYLOAD' "$@"
        }}
        """
    pack = stack.on(machine, f"sudo backup-{name} restic --quiet --no-lock list packs").split()[0]
    url = f'"${{RESTIC_REPOSITORY#s3:}}/data/{pack[:2]}/{pack}"'
    damage = f"""install -d -m 0700 {SCRATCH}
        s3 -o {SCRATCH}/sound {url}
        cp {SCRATCH}/sound {SCRATCH}/rotten
        printf '\\125' | dd of={SCRATCH}/rotten bs=1 seek=40 conv=notrunc status=none
        ! cmp --silent {SCRATCH}/sound {SCRATCH}/rotten
        s3 -T {SCRATCH}/rotten {url}
        """
    stack.on(machine, "sudo sh", stdin=s3 + damage)
    try:
        yield
    finally:
        stack.on(machine, "sudo sh", stdin=f"{s3} s3 -T {SCRATCH}/sound {url}; rm -rf {SCRATCH}")


def succeeds(stack: DeployedStack, machine: str, command: str) -> bool:
    try:
        stack.on(machine, command, timeout=300)
    except CommandFailed:
        return False
    return True


def made(stack: DeployedStack, machine: str, name: str, every: int = 24) -> Figure:
    """A backup is made; what is written from now on is in the next one, `every` so many hours."""
    stack.on(machine, f"sudo systemctl start backup-{name}", timeout=300)
    return Figure("next backup in", round(next_in(stack, machine, f"backup-{name}") / 3600, 1), "h", goal=every)


def database_restored(
    stack: DeployedStack, on: str, load: Callable[[str], None], select: str, label: str
) -> list[Figure]:
    """A copy, into a database that is new, and whether the row with the label is in it.

    load  brings the copy there, by the client's command
    """
    began = time.monotonic()
    with new_database(stack, on) as client:
        load(client)
        took = time.monotonic() - began
        labels = stack.on(on, f"{client} --skip-column-names", stdin=select)
    return [
        Figure("the row is in it", labels.splitlines().count(label), goal=1, least=True),
        Figure("restored after", round(took, 1), "s"),
    ]


def rot_noticed(stack: DeployedStack, machine: str, verify: str, rotten: AbstractContextManager[None]) -> list[Figure]:
    with rotten:
        began = time.monotonic()
        noticed = not succeeds(stack, machine, verify)
        took = time.monotonic() - began
    if not succeeds(stack, machine, verify):
        raise NotSeen("the repository is not sound without the rot either")
    return [Figure("rot noticed", int(noticed), goal=1, least=True), Figure("noticed after", round(took, 1), "s")]


# Root on a machine that holds data takes away all it can

NEVER = "who writes a copy can never destroy one"


def taken_away(stack: DeployedStack, machine: str, overwritten: bool) -> dict[str, Any]:
    """What root did to the copies with every key of the machine's; its program knows S3 and reads what is there."""
    # What it imports comes along, without a command line of its own.
    signer = SIGNER.read_text().rpartition("if __name__")[0]
    thief = Path(__file__).with_name("thief.py").read_text()
    thief = signer + thief.replace("from pulumi_casebook.data.swift_storage.programs.signed_url import S3\n", "")
    words = "overwrite" if overwritten else ""
    found: dict[str, Any] = json.loads(stack.on(machine, f"sudo python3 - {words}", stdin=thief, timeout=900))
    return found


def removed_by_restic(stack: DeployedStack, machine: str, name: str) -> int:
    """How many snapshots are gone after restic was told to forget each; it would try for minutes what is refused."""

    def ids() -> set[str]:
        found = json.loads(stack.on(machine, f"sudo backup-{name} restic --no-lock snapshots --json"))
        return {one["id"] for one in found}

    before = ids()
    succeeds(stack, machine, f"sudo timeout 60 backup-{name} restic forget --prune {' '.join(sorted(before))}")
    return len(before - ids())


def root_forgets(machine: str, name: str, server: str, stack: DeployedStack) -> list[Figure]:
    """The copies of a machine on a server, of which the machine's key opens nothing but restic's protocol."""
    made(stack, machine, name)
    return [
        Figure("snapshots forgotten", removed_by_restic(stack, machine, name), goal=0),
        Figure(
            "all of it is read", int(succeeds(stack, server, f"sudo backup-server verify {name}")), goal=1, least=True
        ),
    ]


def root_takes_copies(machine: str, name: str, keeper: str, path: str, stack: DeployedStack) -> list[Figure]:
    """A repository in a bucket is made unreadable; what it held a moment before is restored, and it is put back."""
    made(stack, machine, name)
    time.sleep(2)  # a moment is given by its second
    moment = stack.on(keeper, "date --utc +%Y-%m-%dT%H:%M:%SZ").strip()
    time.sleep(2)
    removed = removed_by_restic(stack, machine, name)
    taken = taken_away(stack, machine, overwritten=True)
    if not taken["overwritten"]:
        raise NotSeen("nothing was overwritten, so nothing is proved")
    if succeeds(stack, machine, f"sudo backup-{name} list"):
        raise NotSeen("the repository can still be read")
    began = time.monotonic()
    try:
        stack.on(keeper, f"sudo backup-bucket at {moment} {name} restore latest --target {SCRATCH}/then", timeout=600)
        took = time.monotonic() - began
        whole = succeeds(stack, keeper, f"sudo find {SCRATCH}/then/{path} -type f -size +0 | grep -q .")
    finally:
        stack.on(keeper, f"sudo rm -rf {SCRATCH}")
        stack.on(keeper, f"sudo backup-bucket undo {moment} {name}", timeout=900)
    return [
        Figure("objects deleted", taken["deleted"] + removed, goal=0),
        Figure("settings of the bucket changed", taken["changed"], goal=0),
        Figure("objects overwritten", taken["overwritten"]),
        Figure("what was saved is restored", int(whole), goal=1, least=True),
        Figure("restored after", round(took, 1), "s"),
        Figure("the backup goes on", int(succeeds(stack, machine, f"sudo backup-{name} run")), goal=1, least=True),
    ]


def drills(keeper: str, saved: dict[str, tuple[str, str]], claims: tuple[str, ...]) -> list[Drill]:
    """saved: backup -> its machine, and what of it must be there again: `mysql.sql`, a folder."""
    return [
        Drill(
            name=f"root on {machine} takes the backup {name} away",
            claims=claims,
            promise=NEVER,
            limit="what was overwritten is had again from the versions that the bucket keeps",
            run=functools.partial(root_takes_copies, machine, name, keeper, path),
        )
        for name, (machine, path) in saved.items()
    ]
