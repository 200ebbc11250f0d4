"""Add and remove hourly instances of a stack when monitoring says so.

    casebook-autoscaler STACK SETTINGS       e.g. casebook-autoscaler production casebook:settings

SETTINGS is the configuration key that holds the stack's settings; its `scaling` is read (AutoscalerArgs). Listens for
Alertmanager's webhooks at http://ADDRESS:PORT/TOKEN, the last two from `scaling.webhook`. While the alert fires for a
machine that counts, one instance is added, after the cool-down another; when none fires any more they leave, one by
one. Each step changes the setting in the stack's file and runs `up` through Pulumi's Automation API, so that what runs
is what the file says, and a person may do the same by hand.

It runs where `pulumi up` runs: beside the program, the state and the account's credentials.
"""

import hmac
import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from pulumi import automation
from pydantic import ValidationError

from pulumi_casebook.core.args import InputError, explained
from pulumi_casebook.watching.autoscaler.args import AutoscalerArgs

PERIOD = 5  # seconds between two decisions


class Size(Protocol):
    """What is scaled."""

    def get(self) -> int: ...
    def set(self, number: int) -> None:
        """Change the number, and make it so."""


@dataclass
class PulumiStack:
    """A stack of a Pulumi project, with a number in its settings."""

    project: Path
    name: str
    settings: str
    setting: str = ""

    def __post_init__(self) -> None:
        self.stack = automation.select_stack(stack_name=self.name, work_dir=str(self.project))

    def scaling(self) -> AutoscalerArgs:
        """How it is to be scaled. Errors: a sentence for the operator."""
        settings = json.loads(self.stack.get_config(self.settings).value)
        if "scaling" not in settings:
            raise InputError(f"stack {self.name!r}: {self.settings} has no `scaling`; see AutoscalerArgs")
        try:
            found = AutoscalerArgs.model_validate_json(json.dumps(settings["scaling"]))
        except ValidationError as error:
            raise explained(f"{self.settings}.scaling of stack {self.name!r}", error, AutoscalerArgs) from None
        self.setting = f"{self.settings}.{found.setting}"
        return found

    def get(self) -> int:
        return int(self.stack.get_config(self.setting, path=True).value)

    def set(self, number: int) -> None:
        self.stack.set_config(self.setting, automation.ConfigValue(str(number)), path=True)
        self.up()

    def up(self) -> None:
        self.stack.up(on_output=lambda line: print(line, flush=True))


@dataclass
class Autoscaler:
    """Decides from the alerts that fire now."""

    args: AutoscalerArgs
    size: Size
    clock: Callable[[], float] = time.monotonic
    firing: set[str] = field(default_factory=set)
    last: float | None = None

    def heard(self, message: Mapping[str, Any]) -> None:
        """Note a webhook's alerts: those that count, by machine."""
        for alert in message.get("alerts", []):
            labels = alert.get("labels", {})
            machine = str(labels.get("machine", ""))
            if labels.get("alertname") == self.args.alert and machine.startswith(tuple(self.args.machines)):
                (self.firing.add if alert.get("status") == "firing" else self.firing.discard)(machine)

    def step(self) -> int | None:
        """Take one step if it is due; the new number of instances, or None."""
        if self.last is not None and self.clock() - self.last < self.args.cooldown_seconds:
            return None
        now = self.size.get()
        wanted = min(max(now + (1 if self.firing else -1), self.args.minimum), self.args.maximum)
        if wanted == now:
            return None
        print(f"{now} to {wanted} instances ({', '.join(sorted(self.firing)) or 'no alert fires'})", flush=True)
        try:
            self.size.set(wanted)
        finally:
            # From its end: an `up` may take longer than the cool-down.
            self.last = self.clock()
        return wanted

    def run(self, address: str) -> None:
        """Listen and decide, for ever."""
        webhook = urlsplit(self.args.webhook)
        port = webhook.port or (443 if webhook.scheme == "https" else 80)
        server = listener((address, port), webhook.path, self)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        while True:
            try:
                self.step()
            except automation.CommandError as error:
                print(f"{error}\ntried again after the cool-down", file=sys.stderr, flush=True)
            time.sleep(PERIOD)


def listener(address: tuple[str, int], path: str, scaler: Autoscaler) -> ThreadingHTTPServer:
    """The server of webhooks; who does not know the path is refused."""

    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            if not hmac.compare_digest(self.path.encode(), path.encode()):
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


def serve(stack: PulumiStack, address: str = "0.0.0.0") -> None:  # noqa: S104 (monitoring is another machine)
    """Errors: KeyboardInterrupt once it is to end, also in the background of a shell, or by a service manager."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    Autoscaler(stack.scaling(), stack).run(address)


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        serve(PulumiStack(Path.cwd(), sys.argv[1], sys.argv[2]))
    except (InputError, automation.CommandError) as error:
        sys.exit(f"casebook-autoscaler: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
