"""What may be written down of a request or an object: everything but the secrets in it."""

from typing import Any

SECRETS = frozenset(
    {
        "password",
        "secret",
        "clientSecret",
        "key",
        "sshKey",
        "publicSshKey",
        "rescueSshKey",
        "configDriveUserData",
        "postInstallationScript",
        "content",
        "httpHeaders",
    }
)
HIDDEN = "[redacted]"


def redacted(value: Any) -> Any:
    """The same JSON value with every field named in SECRETS, at any depth, replaced."""
    if isinstance(value, dict):
        return {name: HIDDEN if name in SECRETS and item else redacted(item) for name, item in value.items()}
    if isinstance(value, list):
        return [redacted(item) for item in value]
    return value
