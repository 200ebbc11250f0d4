"""The virtual environment of the OpenStack services, made once per lock file."""

import pathlib
import shutil

from sandbox import STATE, building, venv

LOCK = pathlib.Path(__file__).with_name("requirements.lock")
WHAT = "the OpenStack services"


def path() -> pathlib.Path:
    return STATE / f"venv-{venv.digest(LOCK.read_bytes())}"


def is_made() -> bool:
    return path().exists()


def make() -> None:
    """Make it, and remove those of earlier locks; RuntimeError with pip's last words."""
    target = path()
    locked = ("--require-hashes", "--requirement", LOCK)
    building.built(target, lambda draft: venv.fill(draft, target, WHAT, locked), WHAT, 1)
    for old in STATE.glob("venv-*"):
        if old != target:
            shutil.rmtree(old)
