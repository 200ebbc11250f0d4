"""A machine more, and one less; a stack's autoscaler at work, told of an alert as Alertmanager tells it."""

import contextlib
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import yaml

from drills.deployment import up
from drills.drill import Figure
from drills.load import Load
from drills.patience import seconds_until
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
    """The stack with more settings, `scaling` among them, and its autoscaler.

    Gives what tells the autoscaler that an alert is `firing`, or `resolved`.
    """
    with changed(stack, settings):
        process = subprocess.Popen(
            [sys.executable, "-m", "stacks", "scale", stack], cwd=CHECKOUT, stdout=subprocess.DEVNULL
        )
        try:
            yield lambda status: tell(settings["scaling"]["webhook"], status)
        finally:
            process.terminate()
            process.wait(300)


def tell(webhook: str, status: str) -> None:
    """As soon as the autoscaler listens."""
    message = json.dumps({"alerts": [{"status": status, "labels": ALERT}]}).encode()

    def told() -> bool:
        try:
            with urllib.request.urlopen(webhook, message, timeout=5) as answer:  # noqa: S310 (http, see AutoscalerArgs)
                return bool(answer.status == 200)
        except urllib.error.URLError:
            return False

    seconds_until(told, "the autoscaler", 120)
