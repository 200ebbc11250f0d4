"""What a drill is: a promise of a document, a way to break it, and the figures that tell whether it held."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from stacks.deployed_stack import DeployedStack


class NotSeen(Exception):
    """The fault did not happen, or nothing can be measured: the drill proves nothing. Says what was looked for."""


class Figure(NamedTuple):
    """One thing that a drill measures.

    name   what, e.g. `requests failed`
    value  how much
    unit   of what; empty for a count
    goal   the largest value that keeps the promise; None where the figure is only told
    least  `goal` is the smallest value instead
    """

    name: str
    value: float
    unit: str = ""
    goal: float | None = None
    least: bool = False

    @property
    def held(self) -> bool:
        if self.goal is None:
            return True
        return self.value >= self.goal if self.least else self.value <= self.goal


@dataclass(frozen=True, kw_only=True)
class Drill:
    """One fault or load on one stack.

    name     unique in its stack, as the table has it: `web-1 loses power`
    claims   what it measures, ids of docs/claims.yaml
    promise  what the document says, or Casebook where physics or a daemon sets a limit
    limit    that limit, and where it is documented
    run      breaks, measures and mends; raises NotSeen where the fault did not happen
    """

    name: str
    claims: tuple[str, ...]
    promise: str
    run: Callable[[DeployedStack[Any]], Sequence[Figure]]
    limit: str = ""
