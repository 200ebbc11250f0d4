"""Where the toolchain keeps what it made, and how it speaks."""

import hashlib
import os
import sys
from pathlib import Path

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
