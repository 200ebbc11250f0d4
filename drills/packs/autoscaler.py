"""A machine more, and one less; a stack's autoscaler at work, and an alert that Alertmanager knows."""

import contextlib
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import yaml

from drills.deployment import up
from drills.drill import Figure
from drills.load import Load
from drills.patience import seconds_until
from stacks.deployed_stack import DeployedStack, ssh_client
from stacks.environment import CHECKOUT
from stacks.stack_files import stack_file

ALERT = {"alertname": "Load", "machine": "drill"}


def came_and_went(seen: Load, came: float, moment: float, went: float) -> list[Figure]:
    """Under a load: seconds until the new machine served, when it was to go, and seconds until it was gone."""
    return [
        Figure("requests sent", len(seen.requests)),
        Figure("the new machine serves after", round(came, 1), "s", goal=60),
        Figure("requests failed while it came", sum(one.began < moment for one in seen.failed), goal=0),
        Figure("it is gone after", round(went, 1), "s"),
        Figure("requests failed while it went", sum(one.began >= moment for one in seen.failed), goal=0),
    ]


@contextlib.contextmanager
def changed(stack: str, settings: Mapping[str, Any]) -> Iterator[None]:
    """The stack with more settings; file and stack are as before after it."""
    file, committed = stack_file(stack), stack_file(stack).read_text()
    content = yaml.safe_load(committed)
    content["config"]["casebook:settings"] |= settings
    try:
        file.write_text(yaml.safe_dump(content))
        up(stack)
        yield
    finally:
        file.write_text(committed)
        up(stack)


@contextlib.contextmanager
def autoscaler(stack: str, settings: Mapping[str, Any]) -> Iterator[Callable[[str], None]]:
    """The stack with more settings, `scaling` among them, and its autoscaler, which asks through an SSH tunnel.

    Gives what makes Alertmanager know an alert as `firing`, or `resolved`.
    """
    with changed(stack, settings), contextlib.ExitStack() as running:
        watcher = DeployedStack.named(stack).machines["monitoring"]
        port = urlsplit(settings["scaling"]["alertmanager"]).port
        tunnel = [*ssh_client(watcher.via, "-N", "-L", f"{port}:127.0.0.1:9093"), f"debian@{watcher.public}"]
        for command in (tunnel, [sys.executable, "-m", "stacks", "scale", stack]):
            process = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.DEVNULL)
            running.callback(process.wait, 300)
            running.callback(process.terminate)
        yield lambda status: tell(settings["scaling"]["alertmanager"], status)


def tell(alertmanager: str, status: str) -> None:
    """As Prometheus does, as soon as the tunnel is open."""
    end = datetime.now(UTC) + timedelta(hours=1 if status == "firing" else 0)
    message = json.dumps([{"labels": ALERT, "endsAt": end.isoformat()}]).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{alertmanager}/api/v2/alerts", message, headers)  # noqa: S310 (http)

    def told() -> bool:
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
                return bool(answer.status == 200)
        except urllib.error.URLError:
            return False

    seconds_until(told, "Alertmanager", 120)
