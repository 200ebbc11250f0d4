"""OVHcloud's API for a service account: what programs on machines import. Nothing but Python's own library."""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any


class Failed(Exception):
    """A sentence for the operator."""


class Api:
    """A token for an hour, and calls that bear it."""

    def __init__(self, url: str, token: str, client_id: str, client_secret: str) -> None:
        self.url, self.token_url = url, token
        form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": client_secret}
        self.form = urllib.parse.urlencode({**form, "scope": "all"}).encode()
        self.token, self.until = "", 0.0

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        if time.monotonic() > self.until:
            granted = ask(urllib.request.Request(self.token_url, self.form))
            self.token, self.until = granted["access_token"], time.monotonic() + granted["expires_in"] - 60
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        return ask(urllib.request.Request(self.url + path, data, headers, method=method))


def ask(request: urllib.request.Request) -> Any:
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            text = answer.read()
            return json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        raise Failed(
            f"{request.method} {request.full_url}: {error.code} {error.read().decode(errors='replace')}"
        ) from None
    except (OSError, ValueError) as error:
        raise Failed(f"{request.full_url}: {error}") from None
