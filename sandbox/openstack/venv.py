"""The virtual environment of the OpenStack services, made once per lock file."""

import hashlib
import pathlib
import shutil
import subprocess
import sys

from sandbox import STATE
from sandbox.shell import run

LOCK = pathlib.Path(__file__).with_name("requirements.lock")


def path() -> pathlib.Path:
    digest = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()[:12]
    return STATE / f"venv-{digest}"


def is_made() -> bool:
    return (path() / "complete").exists()


def make() -> None:
    """Make it anew; RuntimeError with pip's last words.

    A virtual environment cannot be renamed, so a file says that it is whole.
    """
    venv = path()
    shutil.rmtree(venv, ignore_errors=True)
    run(sys.executable, "-m", "venv", venv)
    command = [venv / "bin/pip", "install", "--quiet", "--no-input", "--require-hashes", "--requirement", LOCK]
    done = subprocess.run([str(word) for word in command], check=False, capture_output=True, text=True)
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise RuntimeError(
            f"pip could not install the OpenStack services: {said[-1] if said else done.returncode}; the first "
            "start needs the package index: check the network, then start again"
        )
    for old in STATE.glob("venv-*"):
        if old != venv:
            shutil.rmtree(old)
    (venv / "complete").touch()
