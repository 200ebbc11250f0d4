"""Add and remove hourly instances of a stack when monitoring says so.

    casebook-autoscaler STACK SETTINGS       e.g. casebook-autoscaler production casebook:settings

SETTINGS is the configuration key that holds the stack's settings; its `scaling` is read (AutoscalerArgs). At each look
it asks Alertmanager what fires now, whatever it was told before. While the alert fires for a machine that counts, one
instance is added, after the cool-down another; when for a while none has fired they leave, one by one. Each step
changes the setting in the stack's file and runs `up` through Pulumi's Automation API, so that what runs is what the
file says, and a person may do the same by hand.

It runs where `pulumi up` runs: beside the program, the state and the account's credentials.
"""

import http.client
import json
import signal
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pulumi import automation
from pydantic import ValidationError

from pulumi_casebook.core.args import InputError, explained
from pulumi_casebook.watching.autoscaler.args import AutoscalerArgs

PERIOD = 5  # seconds between two decisions
# Seconds without the alert before an instance leaves. Prometheus tells an Alertmanager that was started anew what fires
# within a minute, and not all of it at once.
QUIET = 120
# Fires as long as Prometheus works: where it does not, it is not known that nothing else fires.
HEARTBEAT = "Heartbeat"
# Also what is held back: an alert that nobody is told of fires all the same.
QUESTION = "/api/v2/alerts?active=true&silenced=true&inhibited=true&unprocessed=true"


class Unknown(Exception):
    """It is not known what fires, so that nothing is to be done."""


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
    last: float | None = None
    # Since when nothing is known to fire.
    quiet: float | None = None

    def firing(self) -> set[str]:
        """The machines for which the alert fires. Errors: Unknown."""
        try:
            with urllib.request.urlopen(self.args.alertmanager.rstrip("/") + QUESTION, timeout=10) as answer:  # noqa: S310 (loopback, or https)
                found = [alert["labels"] for alert in json.load(answer)]
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
            raise Unknown(f"Alertmanager does not tell what fires: {error}") from None
        if not any(labels["alertname"] == HEARTBEAT for labels in found):
            raise Unknown(f"{HEARTBEAT} does not fire: Prometheus does not work, or has not told Alertmanager yet")
        machines = {labels.get("machine", "") for labels in found if labels["alertname"] == self.args.alert}
        return {machine for machine in machines if machine.startswith(tuple(self.args.machines))}

    def step(self) -> int | None:
        """Take one step if it is due; the new number of instances, or None. Errors: Unknown."""
        try:
            firing = self.firing()
        except Unknown:
            self.quiet = None
            raise
        if firing:
            self.quiet = None
        elif self.quiet is None:
            self.quiet = self.clock()
        if self.last is not None and self.clock() - self.last < self.args.cooldown_seconds:
            return None
        if self.quiet is not None and self.clock() - self.quiet < QUIET:
            return None
        now = self.size.get()
        wanted = min(max(now + (1 if firing else -1), self.args.minimum), self.args.maximum)
        if wanted == now:
            return None
        print(f"{now} to {wanted} instances ({', '.join(sorted(firing)) or 'no alert fires'})", flush=True)
        try:
            self.size.set(wanted)
        finally:
            # From its end: an `up` may take longer than the cool-down.
            self.last = self.clock()
        return wanted

    def run(self) -> None:
        """Decide, for ever."""
        said = ""
        while True:
            try:
                self.step()
                said = ""
            except Unknown as error:
                if str(error) != said:
                    print(f"{error}; nothing is added or removed", file=sys.stderr, flush=True)
                said = str(error)
            except automation.CommandError as error:
                print(f"{error}\ntried again after the cool-down", file=sys.stderr, flush=True)
            time.sleep(PERIOD)


def serve(stack: PulumiStack) -> None:
    """Errors: KeyboardInterrupt once it is to end, also in the background of a shell, or by a service manager."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    Autoscaler(stack.scaling(), stack).run()


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
