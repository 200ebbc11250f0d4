"""The package's own programs (casebook-...), as the engine's shell calls them."""

import os
import sys
from pathlib import Path


def own_program(name: str) -> str:
    """How a local command calls a program of this package.

    The engine's own PATH need not have the programs of a virtual environment inside the project; the path is relative
    so that every checkout has the same state.
    """
    environment, project = Path(sys.prefix).absolute(), Path.cwd()
    if not environment.is_relative_to(project) or not (environment / "pyvenv.cfg").exists():
        return name
    return f"PATH={os.path.relpath(environment / 'bin', project)}:$PATH {name}"
