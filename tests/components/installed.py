"""A program, and a file with secrets, as casebook-apply puts them on a machine.

What was not put there cannot be imported.
"""

import sys
import sysconfig
from pathlib import Path

from pulumi_casebook.machines.configuration import program
from pulumi_casebook.machines.configuration.programs import apply


def installed(entry: Path, command: str, folder: Path) -> list[str]:
    """Put a program's files below a folder; how to start it there."""
    for file in program(entry, command):
        place = folder / file.path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(file.content)
    # Debian's packages, but not this checkout, which only Python's `site` finds.
    known = f"{folder}/usr/local/lib/casebook/{Path(command).name}:{sysconfig.get_path('purelib')}"
    return ["env", f"PYTHONPATH={known}", sys.executable, "-S", f"{folder}{command}"]


def with_secrets(text: str, secrets: dict[str, str]) -> str:
    """A file's text as it is on the machine."""
    return apply.filled("the file", text.removesuffix("\n").split("\n"), secrets).decode()
