"""Python environments: this checkout's, for the Makefile, and the OpenStack services'.

python3 -m sandbox.venv
"""

import hashlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from sandbox import REPOSITORY, building, host
from sandbox.shell import run

VENV, LOCK, PROJECT = REPOSITORY / ".venv", REPOSITORY / "requirements.lock", REPOSITORY / "pyproject.toml"
COMPLETE = ".complete"  # holds what the environment was made from; for make its time counts


def fill(draft: Path, target: Path, what: str, *installed: tuple[object, ...]) -> None:
    """Make an environment that will be at `target`; `installed`: what pip is to install, one call after the other."""
    run(sys.executable, "-m", "venv", draft)
    for words in installed:
        command = [draft / "bin/pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", *words]
        done = subprocess.run([str(word) for word in command], check=False, capture_output=True, text=True)
        if done.returncode:
            said = done.stderr.strip().splitlines()
            raise RuntimeError(
                f"pip could not install {what}: {said[-1] if said else done.returncode}; the first time needs the "
                "package index: check the network, and run the same command again"
            )
    # Scripts name their interpreter by its path.
    for script in (draft / "bin").iterdir():
        if script.is_file() and not script.is_symlink() and (text := script.read_bytes()).startswith(b"#!"):
            script.write_bytes(text.replace(bytes(draft), bytes(target)))


def digest(*parts: bytes) -> str:
    """Of what an environment is made from, this interpreter included."""
    return hashlib.sha256(b"".join((*parts, sys.version.encode(), Path(__file__).read_bytes()))).hexdigest()[:12]


def checkout() -> None:
    """The locked versions, then this checkout as the package."""
    recipe = digest(LOCK.read_bytes(), PROJECT.read_bytes())
    what = "the Python environment"

    def make(draft: Path) -> None:
        print(f"casebook: making {what} ({VENV.name})", file=sys.stderr)
        if importlib.util.find_spec("ensurepip") is None:
            if os.geteuid() != 0:
                raise RuntimeError("python3-venv is missing; install it (apt-get install python3-venv)")
            host.install(["python3-venv"])
        editable = ("--no-deps", "--no-build-isolation", "--editable", REPOSITORY)
        fill(draft, VENV, what, ("--require-hashes", "--requirement", LOCK), editable)
        (draft / COMPLETE).write_text(recipe)

    def is_whole(venv: Path) -> bool:
        return (venv / COMPLETE).exists() and (venv / COMPLETE).read_text() == recipe

    building.built(VENV, make, what, 0.5, is_whole)
    (VENV / COMPLETE).touch()


def main() -> int:
    try:
        checkout()
    except (RuntimeError, OSError) as error:
        print(f"casebook: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
