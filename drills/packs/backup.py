"""Backup: restored on another machine than the one that made it, damaged, and how old."""

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from drills.drill import Figure, NotSeen
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
