"""Where the toolchain keeps what it made, and how it speaks."""

import hashlib
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from sandbox.building import write

SOURCE = Path(__file__).parent


class ToolchainError(RuntimeError):
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


def fingerprint(folder: Path) -> str:
    """A hash of every file of a source folder, names included."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:12]


def not_had(what: str, why: str) -> str:
    return (
        f"{what} cannot be had ({why}), and a real account is driven by what Pulumi and the vendors publish alone; "
        "install it by hand (pulumi.com/docs/install, `pulumi plugin install`), or unset the credentials to build in "
        "the sandbox"
    )


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

    @classmethod
    def none(cls) -> "Failures":
        """None that is known: everything is tried."""
        found = cls()
        found.known = {}
        return found

    def of(self, what: str) -> str | None:
        """Why it failed, if it did so lately."""
        return str(self.known[what]["why"]) if what in self.known else None

    def add(self, what: str, why: str) -> None:
        with self.lock:
            self.known[what] = {"at": time.time(), "why": why}
            write(self.path, json.dumps(self.known))
