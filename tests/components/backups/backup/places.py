"""A machine's files below a folder of a test."""

from collections.abc import Iterable
from pathlib import Path


def put(place: Path, path: str, text: str, moved: Iterable[tuple[str, str]]) -> None:
    """Write one, with what it names where that is here."""
    for old, new in moved:
        text = text.replace(old, new)
    target = place / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    target.chmod(0o755 if "sbin" in path else 0o600)
