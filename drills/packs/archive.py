"""Archive: copies in object storage, restored on another machine than the one that made them, and damaged."""

import contextlib
import functools
import time
from collections.abc import Iterator, Sequence

from drills.drill import Drill, Figure
from drills.packs.backup import NEVER, SCRATCH, database_restored, next_in, succeeds, taken_away
from stacks.deployed_stack import DeployedStack, WithAccount

SAVED = "databases, logs and git are saved in object storage, and can be restored"
# On the machine of an archive: change one bit of its newest copy; the same again makes it sound.
ROT = """
import json, sys
from importlib.machinery import SourceFileLoader
program = SourceFileLoader("archive", f"/usr/local/sbin/archive-{sys.argv[1]}").load_module()
storage = program.Storage(json.load(open(f"/etc/casebook/archive-{sys.argv[1]}.json")))
part = f"{storage.prefix}/{storage.copies()[-1]}/0000"
sound = storage.ask("GET", part)
rotten = sound[:-9] + bytes([sound[-9] ^ 1]) + sound[-8:]
storage.ask("PUT", part, rotten, len(rotten))
"""


def unarchived(stack: DeployedStack, machine: str, name: str, on: str) -> float:
    """Restore an archive's newest copy, into SCRATCH, on a machine that knows nothing of it; how long that took.

    What opens it, the operator has from the stack's state; it goes in on standard input.
    """
    settings = stack.on(machine, f"sudo cat /etc/casebook/archive-{name}.json")
    began = time.monotonic()
    own = stack.on(on, "basename $(ls /usr/local/sbin/archive-* | head -1)").strip()
    restore = f"sudo ARCHIVE_SETTINGS=/dev/stdin {own} restore {SCRATCH}/{name}"
    stack.on(on, restore, stdin=settings, timeout=600)
    return time.monotonic() - began


@contextlib.contextmanager
def rotten_archive(stack: DeployedStack, machine: str, name: str) -> Iterator[None]:
    """The newest copy, made for it, has one bit that is another; it has its own again in the end."""
    stack.on(machine, f"sudo archive-{name} run", timeout=300)
    stack.on(machine, f"sudo python3 - {name}", stdin=ROT)
    try:
        yield
    finally:
        stack.on(machine, f"sudo python3 - {name}", stdin=ROT)


def due(stack: DeployedStack, machine: str, name: str) -> Figure:
    return Figure("next copy in", round(next_in(stack, machine, f"archive-{name}") / 3600, 1), "h", goal=24)


def database(machine: str, on: str, stack: DeployedStack[WithAccount]) -> list[Figure]:
    """The copy that a machine has made, into a database that is new, on another."""
    label, name = f"drill {time.time()}", stack.outputs.database.name
    stack.on(machine, "sudo mariadb", stdin=f"CREATE OR REPLACE TABLE {name}.drill AS SELECT '{label}' AS label")

    def load(client: str) -> None:
        unarchived(stack, machine, "database", on=on)
        stack.on(on, f"sudo cat {SCRATCH}/database/database.sql | {client}", timeout=600)

    try:
        stack.on(machine, "sudo archive-database run", timeout=600)
        later = due(stack, machine, "database")
        return [*database_restored(stack, on, load, f"SELECT label FROM {name}.drill", label), later]  # noqa: S608
    finally:
        stack.on(machine, "sudo mariadb", stdin=f"DROP TABLE {name}.drill")


def files(machine: str, name: str, folder: str, on: str, stack: DeployedStack) -> list[Figure]:
    mark, label, there = f"{folder}/drill.txt", f"drill {time.time()}", f"{SCRATCH}/{name}"
    stack.on(machine, f"echo {label} | sudo tee {mark}")
    try:
        stack.on(machine, f"sudo archive-{name} run", timeout=600)
        later = due(stack, machine, name)
        took = unarchived(stack, machine, name, on=on)
        found = stack.on(on, f"sudo cat {there}{mark}").strip()
        number = int(stack.on(on, f"sudo find {there} -type f | wc -l"))
    finally:
        stack.on(on, f"sudo rm -rf {SCRATCH}")
        stack.on(machine, f"sudo rm {mark}")
    return [
        Figure("files restored", number),
        Figure("what was written at last is among them", int(found == label), goal=1, least=True),
        Figure("restored after", round(took, 1), "s"),
        later,
    ]


def rots(machine: str, stack: DeployedStack) -> list[Figure]:
    """The newest copy of the database is damaged; the one before it shares nothing with it."""
    restore = f"sudo archive-database restore {SCRATCH}"
    stack.on(machine, "sudo archive-database run", timeout=300)
    sound = stack.on(machine, "sudo archive-database list").splitlines()[-1].split()[0]
    time.sleep(1)  # copies are named by the second
    try:
        with rotten_archive(stack, machine, "database"):
            noticed = not succeeds(stack, machine, restore)
            before = succeeds(stack, machine, f"{restore} {sound}")
    finally:
        stack.on(machine, f"sudo rm -rf {SCRATCH}")
    return [
        Figure("rot noticed", int(noticed), goal=1, least=True),
        Figure("the copy before it is restored", int(before), goal=1, least=True),
    ]


def root_takes_archives(thief: str, machine: str, stack: DeployedStack[WithAccount]) -> list[Figure]:
    """Root on `thief` deletes; the database's machine restores. What is overwritten is the drill of a Backup."""
    stack.on(machine, "sudo archive-database run", timeout=600)
    taken = taken_away(stack, thief, overwritten=False)
    try:
        left = succeeds(stack, machine, f"sudo archive-database restore {SCRATCH}")
    finally:
        stack.on(machine, f"sudo rm -rf {SCRATCH}")
    return [
        Figure("objects deleted", taken["deleted"], goal=0),
        Figure("settings of the bucket changed", taken["changed"], goal=0),
        Figure("the database's newest copy is restored", int(left), goal=1, least=True),
    ]


def drills(machine: str, on: str, folders: Sequence[tuple[str, str, str, str]], claims: tuple[str, ...]) -> list[Drill]:
    """The database that a machine saves, restored on another; folders: machine, name, folder, where it is restored."""
    return [
        Drill(
            name="the database's archive is restored on another machine",
            claims=claims,
            promise=SAVED,
            limit="every night; the development server takes the part of the new one",
            run=functools.partial(database, machine, on),
        ),
        *(
            Drill(
                name=f"the archive of the {folder[1]} is restored on another machine",
                claims=claims,
                promise=SAVED,
                limit="every night",
                run=functools.partial(files, *folder),
            )
            for folder in folders
        ),
        *(
            Drill(
                name=f"root on {thief} deletes all archives it can",
                claims=claims,
                promise=NEVER,
                run=functools.partial(root_takes_archives, thief, machine),
            )
            for thief in dict.fromkeys((machine, *(folder[0] for folder in folders)))
        ),
        Drill(
            name="an archive rots",
            claims=claims,
            promise="a copy that is damaged is noticed, and spoils no other",
            limit="when it is restored: gpg finds a changed bit (Archive)",
            run=functools.partial(rots, machine),
        ),
    ]
