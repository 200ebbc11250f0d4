#!/usr/bin/python3
"""Takes Alertmanager's webhook and has each message sent to every telephone by the first operator that takes it.

An operator gets POST {"to": "+33...", "message": "..."} with "Authorization: Bearer TOKEN", and answers with 2xx.
When none does, Alertmanager gets an error, and tries again by itself.
"""

import http.server
import json
import os
import sys
import urllib.error
import urllib.request
from http import HTTPStatus
from pathlib import Path
from typing import Any

SETTINGS = Path(os.environ.get("SMS_SETTINGS", "/etc/casebook/sms"))
# Three text messages: what a telephone shows as one.
LONGEST = 459


def message(notice: dict[str, Any]) -> str:
    """What the person reads: whether it is over, what it is, and of whom."""
    kind = notice.get("groupLabels", {}).get("alertname") or notice.get("commonLabels", {}).get("alertname", "alert")
    now = [alert for alert in notice["alerts"] if alert["status"] == notice["status"]]
    details = "; ".join(alert.get("annotations", {}).get("summary") or str(alert.get("labels")) for alert in now)
    text = f"{'RESOLVED' if notice['status'] == 'resolved' else 'ALERT'} {kind}: {details}"
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def send(to: str, text: str, urls: list[str]) -> None:
    """By the first operator that takes it; the last one's error if none does."""
    for number, url in enumerate(urls):
        request = urllib.request.Request(  # noqa: S310 (an operator's own configuration)
            url,
            json.dumps({"to": to, "message": text}).encode(),
            {
                "Authorization": f"Bearer {(SETTINGS / f'token-{number}').read_text().strip()}",
                "Content-Type": "application/json",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=10):  # noqa: S310
                return
        except OSError as error:
            print(f"operator {number + 1} of {len(urls)} did not take a message to {to}: {error}", file=sys.stderr)
            failure = error
    raise failure


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        settings = json.loads((SETTINGS / "settings.json").read_text())
        try:
            text = message(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            for to in settings["to"]:
                send(to, text, settings["urls"])
        except (KeyError, TypeError, ValueError) as error:
            self.send_error(HTTPStatus.BAD_REQUEST, repr(error))
        except OSError as error:
            self.send_error(HTTPStatus.BAD_GATEWAY, str(error))
        else:
            self.send_response(HTTPStatus.NO_CONTENT)
            self.end_headers()


if __name__ == "__main__":
    port = json.loads((SETTINGS / "settings.json").read_text())["port"]
    http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
