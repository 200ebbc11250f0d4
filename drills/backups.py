"""Backups and archives, away from the machine that made them: restored on another, damaged, and how old."""

import contextlib
import time
from collections.abc import Iterator

from stacks.deployed_stack import CommandFailed, DeployedStack

SCRATCH = "/var/tmp/drill"  # noqa: S108 (a machine's own, made and removed by root)
# On the machine of an archive: damage its newest copy, or delete it.
ROT = """
import json, sys
sys.path.insert(0, "/usr/local/lib/casebook")
from archive import Storage
storage = Storage(json.load(open(f"/etc/casebook/archive-{sys.argv[2]}.json")))
folder = f"{sys.argv[2]}/{storage.copies()[-1]}"
if sys.argv[1] == "damage":
    _, sound = storage.ask("GET", f"{folder}/0000")
    storage.ask("PUT", f"{folder}/0000", sound[:-9] + bytes([sound[-9] ^ 1]) + sound[-8:], {"X-Delete-After": "86400"})
else:
    for part in ("complete", "0000"):
        storage.ask("DELETE", f"{folder}/{part}")
"""


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


def unarchived(stack: DeployedStack, machine: str, name: str, on: str) -> float:
    """Restore an archive's newest copy, into SCRATCH, on a machine that knows nothing of it; how long that took.

    What opens it, the operator has from the stack's state; it goes in on standard input.
    """
    settings = stack.on(machine, f"sudo cat /etc/casebook/archive-{name}.json")
    began = time.monotonic()
    restore = f"/usr/local/lib/casebook/archive.py /dev/stdin restore {SCRATCH}/{name}"
    stack.on(on, f"sudo python3 {restore}", stdin=settings, timeout=600)
    return time.monotonic() - began


@contextlib.contextmanager
def rotten_archive(stack: DeployedStack, machine: str, name: str) -> Iterator[None]:
    """The newest copy, made for it, has one bit that is another; it is deleted in the end."""
    stack.on(machine, f"sudo archive-{name} run", timeout=300)
    stack.on(machine, f"sudo python3 - damage {name}", stdin=ROT)
    try:
        yield
    finally:
        stack.on(machine, f"sudo python3 - delete {name}", stdin=ROT)
