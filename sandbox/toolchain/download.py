"""Reaching Pulumi's own servers, or finding out within seconds that they cannot be reached."""

import threading
import urllib.error
import urllib.request
from urllib.parse import urlsplit

PATIENCE_SECONDS = 5
_answers: dict[str, str | None] = {}


def fetched(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310 (https, and ours)
        content: bytes = answer.read()
        return content


def unreachable(address: str) -> str | None:
    """Why a server cannot be reached, or nothing. Any HTTP answer counts as reached; each server is asked once."""
    host = urlsplit(address).hostname or address
    if host not in _answers:
        _answers[host] = _probe(f"https://{host}/", host)
    return _answers[host]


def _probe(address: str, host: str) -> str | None:
    outcome: list[str | None] = [f"{host} did not answer within {PATIENCE_SECONDS} s"]

    def look() -> None:
        try:
            fetched(address)
        except urllib.error.HTTPError:
            pass
        except OSError as error:
            outcome[0] = f"{host} cannot be reached ({getattr(error, 'reason', error)})"
            return
        outcome[0] = None

    # Name resolution knows no timeout: a thread does, and it must not keep the process alive.
    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(PATIENCE_SECONDS + 1)
    return outcome[0]
