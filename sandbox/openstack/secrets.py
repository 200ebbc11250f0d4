"""The passwords of this sandbox's control planes: generated once, readable by root only."""

import json
import secrets
from dataclasses import asdict, dataclass

from sandbox import STATE
from sandbox.building import write

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
        write(FILE, json.dumps(asdict(made), indent=1), 0o600)
    return load()
