"""The passwords of this sandbox's control planes: generated once, readable by root only."""

import json
import pathlib
import secrets
from dataclasses import asdict, dataclass

from sandbox import STATE

FILE = STATE / "secrets.json"


@dataclass(frozen=True)
class Secrets:
    admin: str
    service: str
    customer: str
    customer_name: str
    authority: str
    encryption: str
    application_key: str
    application_secret: str
    consumer_key: str


def load() -> Secrets:
    return Secrets(**json.loads(FILE.read_text()))


def ensure() -> Secrets:
    if not FILE.exists():
        made = Secrets(
            admin=secrets.token_urlsafe(24),
            service=secrets.token_urlsafe(24),
            customer=secrets.token_urlsafe(24),
            customer_name=f"user-{secrets.token_hex(6)}",
            authority=secrets.token_urlsafe(24),
            encryption=secrets.token_hex(16),
            application_key=secrets.token_hex(8),
            application_secret=secrets.token_hex(16),
            consumer_key=secrets.token_hex(16),
        )
        write_private(json.dumps(asdict(made), indent=1), FILE)
    return load()


def write_private(text: str, path: pathlib.Path) -> None:
    """Write a file that only its owner reads, all of it or nothing."""
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    new.write_text(text)
    new.rename(path)
