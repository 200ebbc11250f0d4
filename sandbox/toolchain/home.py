"""Where the toolchain keeps what it made, and how it speaks."""

import contextlib
import fcntl
import hashlib
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).parent


class ToolchainError(Exception):
    """What went wrong, and what the reader can do next, in one sentence."""


def casebook_home() -> Path:
    """The folder that survives between runs: $CASEBOOK_HOME, or one in the user's cache."""
    return Path(os.environ.get("CASEBOOK_HOME") or "~/.cache/casebook").expanduser().absolute()


def toolchain_home() -> Path:
    return casebook_home() / "toolchain"


def pulumi_home() -> Path:
    """PULUMI_HOME of every command: the user's own when one is set, else ours."""
    return Path(os.environ.get("PULUMI_HOME") or casebook_home() / "pulumi").expanduser().absolute()


def say(text: str) -> None:
    print(f"toolchain: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """Hold the machine's one toolchain lock; whoever comes second waits and finds the work done."""
    folder = toolchain_home()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = (folder / "lock").open("w")
    except OSError as error:
        raise ToolchainError(
            f"{folder} cannot be written ({error.strerror}); set CASEBOOK_HOME to a folder that can"
        ) from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another prepare is at work; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace a file at once, so that no reader ever sees half of it. Does nothing when it is right already."""
    if path.is_file() and path.read_text() == text and path.stat().st_mode & 0o777 == mode:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as file:
        file.write(text)
    draft.chmod(mode)
    draft.replace(path)


def fingerprint(folder: Path) -> str:
    """A hash of every file of a source folder, names included."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:12]


class Failures:
    """Downloads that failed lately. For some hours they are not tried again: a warm run never waits for them."""

    KEPT_SECONDS = 6 * 3600

    def __init__(self) -> None:
        self.path = toolchain_home() / "failures.json"
        self.lock = threading.Lock()
        try:
            found: dict[str, dict[str, Any]] = json.loads(self.path.read_text())
            self.known = {
                what: entry for what, entry in found.items() if 0 <= time.time() - entry["at"] < self.KEPT_SECONDS
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            self.known = {}

    def of(self, what: str) -> str | None:
        """Why it failed, if it did so lately."""
        return str(self.known[what]["why"]) if what in self.known else None

    def add(self, what: str, why: str) -> None:
        with self.lock:
            self.known[what] = {"at": time.time(), "why": why}
            write(self.path, json.dumps(self.known))
