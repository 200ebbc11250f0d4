"""python -m stacks.scale STACK: adds and removes hourly web servers when monitoring says so (SOF-6).

Listens for Alertmanager's webhooks at http://ADDRESS:PORT/TOKEN. While a web server's `Load` alert fires, one instance
is added, after a cool-down another; when no alert fires any more they leave again, one by one. Each step is the setting
`web_instances` in the stack's file and a `make up`, so that what runs is always what the file says, and a person may
do the same by hand. Off unless the stack's file has `scaling`, whose `webhook` names this listener.
"""

import argparse
import hmac
import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from stacks.__main__ import command, stack_file
from stacks.target import Stop

LINE = re.compile(r"^(\s*web_instances:\s*)(\d+)", re.MULTILINE)


def instances(file: Path) -> int:
    found = LINE.search(file.read_text())
    if not found:
        raise Stop(f"{file.name}: has no line web_instances; add one, so that it can be changed")
    return int(found[2])


def set_instances(file: Path, number: int) -> None:
    file.write_text(LINE.sub(rf"\g<1>{number}", file.read_text(), count=1))


@dataclass
class Scaler:
    """Decides from the alerts that fire now; `up` makes it so."""

    file: Path
    minimum: int
    maximum: int
    cooldown: float
    up: Callable[[], None]
    clock: Callable[[], float] = time.monotonic
    firing: set[str] = field(default_factory=set)
    last: float | None = None

    def heard(self, message: Mapping[str, Any]) -> None:
        """Note a webhook's alerts: those of a web server's load count, by machine."""
        for alert in message.get("alerts", []):
            labels = alert.get("labels", {})
            machine = str(labels.get("machine", ""))
            if labels.get("alertname") == "Load" and machine.startswith("web-"):
                (self.firing.add if alert.get("status") == "firing" else self.firing.discard)(machine)

    def step(self) -> int | None:
        """Take one step if it is due; the new number of instances, or None."""
        if self.last is not None and self.clock() - self.last < self.cooldown:
            return None
        now = instances(self.file)
        wanted = min(max(now + (1 if self.firing else -1), self.minimum), self.maximum)
        if wanted == now:
            return None
        self.last = self.clock()
        set_instances(self.file, wanted)
        print(f"scale: {now} to {wanted} instances ({', '.join(sorted(self.firing)) or 'no alert fires'})", flush=True)
        self.up()
        return wanted


def listener(address: tuple[str, int], token: str, scaler: Scaler) -> ThreadingHTTPServer:
    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            if not hmac.compare_digest(self.path, f"/{token}"):
                return self.answer(403)
            try:
                scaler.heard(json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0)))))
            except (ValueError, AttributeError):
                return self.answer(400)
            return self.answer(200)

        def answer(self, status: int) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the library's name)
            """Nothing: the path holds the token."""

    return ThreadingHTTPServer(address, Webhook)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m stacks.scale", description="Scale a stack when monitoring says so."
    )
    parser.add_argument("stack")
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9095)
    given = parser.parse_args()
    try:
        file = stack_file(given.stack)
        scaling = yaml.safe_load(file.read_text())["config"]["casebook:settings"].get("scaling")
        token = os.environ.get("CASEBOOK_SCALE_TOKEN")
        if not scaling:
            raise Stop(f"{file.name}: has no `scaling`; give it minimum, maximum and webhook")
        if not token:
            raise Stop("CASEBOOK_SCALE_TOKEN: not set; choose the last part of the webhook's URL and export it")
        scaler = Scaler(
            file,
            scaling["minimum"],
            scaling["maximum"],
            scaling.get("cooldown_seconds", 300),
            up=lambda: command("up", given.stack, [], []),
        )
        threading.Thread(target=listener((given.address, given.port), token, scaler).serve_forever, daemon=True).start()
        while True:
            try:
                scaler.step()
            except Stop as error:
                print(f"scale: {error}; tried again after the cool-down", file=sys.stderr, flush=True)
            time.sleep(5)
    except Stop as error:
        print(f"casebook: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
