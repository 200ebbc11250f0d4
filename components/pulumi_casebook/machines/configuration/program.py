"""A program of several files on a machine."""

from pathlib import Path

from pulumi_casebook.machines.configuration.args import File

PACKAGES = Path(__file__).parents[3]
RUNTIME = Path(__file__).with_name("programs") / "runtime.py"


def program(entry: Path, installed: str) -> tuple[File, ...]:
    """The entry, as the command `installed`, and the parts beside it, which it imports by their full names from
    /usr/local/lib/casebook/NAME; the runtime of programs is one of them.

    Each program has a runtime of its own: a file of two roles would change under a service that only the first
    one's bundle restarts, and go with whichever role leaves.
    """
    library = f"/usr/local/lib/casebook/{Path(installed).name}"
    parts = [part for part in sorted(entry.parent.glob("*.py")) if part != entry]
    return (
        File(path=installed, content=entry.read_text(), mode="0755"),
        *(File(path=f"{library}/{part.relative_to(PACKAGES)}", content=part.read_text()) for part in [*parts, RUNTIME]),
    )
