"""What a stand-in knows of one resource type, with the behaviour most of them share."""

# The methods take what a kind of resource may need.
# ruff: noqa: ARG002

import functools
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from sandbox.toolchain.standin import shapes
from sandbox.toolchain.standin.plan import Diff, diff
from sandbox.toolchain.standin.shapes import Mistake, Reader, Shape
from sandbox.toolchain.standin.values import UNKNOWN, Values, without_marks

# What is nearly done when the user presses Ctrl-C may still be finished, and stays known.
GRACE_SECONDS = 5


class Cancelled(Exception):
    """The engine asked to stop what is under way."""


class InitFailed(Exception):
    """Something was made and then went wrong. What there is of it must not be lost."""

    def __init__(self, number: str, outputs: Values, reason: str) -> None:
        super().__init__(reason)
        self.number, self.outputs, self.reason = number, outputs, reason


@dataclass
class Call:
    """One request of the engine, beside its values: whose it is, how to tell the user something, when to stop.

    log   takes a severity ("status", "warning") and a text
    """

    urn: str
    log: Callable[[str, str], None]
    cancelled: threading.Event = field(default_factory=threading.Event)
    end: float | None = None

    @property
    def name(self) -> str:
        return self.urn.rpartition("::")[2]

    def pause(self, seconds: float) -> None:
        """Wait between two looks at something under way. Once cancelled, a little time is left for it to end well."""
        if not self.cancelled.wait(seconds):
            return
        self.end = self.end or time.monotonic() + GRACE_SECONDS
        if time.monotonic() >= self.end:
            raise Cancelled("the wait was given up because the update was cancelled")
        time.sleep(seconds)


class Resource:
    """A resource type.

    module, name   the SDK class
    defaults       what the provider takes for absent inputs
    secret         outputs that are secret whatever the inputs are
    replace        inputs whose change makes a new resource ("*": all of them)
    """

    module: str
    name: str
    defaults: Mapping[str, Any] = MappingProxyType({})
    secret: tuple[str, ...] = ()
    replace: tuple[str, ...] | str = ()

    @functools.cached_property
    def shapes(self) -> tuple[Shape, Shape]:
        return shapes.load(self.module, self.name)

    @property
    def inputs(self) -> Shape:
        return self.shapes[0]

    @property
    def outputs(self) -> Shape:
        return self.shapes[1]

    def check(self, given: Values, old: Values, call: Call, seed: bytes) -> tuple[Values, list[Mistake]]:
        """The inputs as the provider takes them, and what is wrong with them."""
        reader = self.reader()
        inputs = reader.object(given, self.inputs)
        return inputs, reader.mistakes or self.rules({**self.defaults, **inputs})

    def reader(self) -> Reader:
        return Reader()

    def failure(self, name: str, mistake: Mistake) -> tuple[str, str]:
        """(property, reason) of a mistake, as the bridge words it."""
        return "", f"{mistake.reason.rstrip('.')}. Examine values at '{name}.{mistake.path}'."

    def rules(self, wanted: Values) -> list[Mistake]:
        """What is wrong with values whose names and types are right. Unknown ones are to be passed over."""
        return []

    def diff(self, old: Values, new: Values, ignored: list[str]) -> Diff:
        """What a change from state `old` to inputs `new` means."""
        return diff(old, {**self.defaults, **new}, self.inputs, self.replaces, ignored)

    def replaces(self, name: str) -> bool:
        return self.replace == "*" or name in self.replace

    def planned(self, inputs: Values) -> Values:
        """The outputs of a resource not yet made: what is computed is unknown."""
        result = {**self.defaults, **without_marks(inputs)}
        return {**{name: UNKNOWN for name in self.outputs.properties if name not in self.inputs.properties}, **result}

    def planned_update(self, old: Values, inputs: Values) -> Values:
        kept = {k: v for k, v in old.items() if k not in self.inputs.properties}
        return {**kept, **self.defaults, **without_marks(inputs)}

    def create(self, inputs: Values, call: Call) -> tuple[str, Values]:
        """(id, outputs)"""
        raise NotImplementedError

    def update(self, number: str, old: Values, inputs: Values, call: Call) -> Values:
        """The outputs afterwards. Unless told otherwise nothing is done: the new inputs are taken over."""
        return self.planned_update(old, inputs)

    def read(self, number: str, state: Values, inputs: Values, call: Call) -> tuple[str, Values, Values] | None:
        """(id, outputs, inputs) as they are now, or None when there is no such thing. Without a state: an import."""
        if not state:
            raise ValueError(
                f"{self.module.removeprefix('pulumi_')} {self.name} cannot be imported by the stand-in plugin"
            )
        return number, state, inputs

    def delete(self, number: str, state: Values, call: Call) -> None:
        """Remove it. Unless told otherwise there is nothing to remove outside the state."""


Function = Callable[[Values, Call], Any]


@dataclass(frozen=True)
class Invokable:
    """A function of a provider: needed and other inputs, and what computes the outputs."""

    compute: Function
    needed: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
