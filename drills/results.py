"""What drills measured: a file per stack, which the table of guarantees is generated from."""

import datetime
import os
import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from drills.drill import Drill, Figure
from stacks.environment import is_account

RESULTS = Path(__file__).parent / "results"


@dataclass
class Result:
    """What the runs of a drill measured; `broken` says why the last of them proves nothing."""

    drill: Drill
    runs: list[list[Figure]] = field(default_factory=list)
    broken: str = ""

    @property
    def held(self) -> bool:
        return not self.broken and all(figure.held for run in self.runs for figure in run)

    def summary(self) -> str:
        if self.broken:
            return f"proves nothing: {self.broken}"
        return ", ".join(
            f"{figure.name} {figure.value:g}{figure.unit and ' '}{figure.unit}{'' if figure.held else ' (not held)'}"
            for figure in self.runs[-1]
        )

    def entry(self) -> dict[str, Any]:
        """The drill in its stack's file."""
        return {
            "claims": list(self.drill.claims),
            "promise": self.drill.promise,
            **({"limit": self.drill.limit} if self.drill.limit else {}),
            "held": self.held,
            **({"proves nothing": self.broken} if self.broken else {}),
            "runs": len(self.runs),
            "date": datetime.date.today().isoformat(),
            "on": where(),
            "figures": [merged([run[number] for run in self.runs]) for number in range(len(self.runs[0]))]
            if self.runs
            else [],
        }


def merged(seen: list[Figure]) -> dict[str, Any]:
    """One figure of all runs: median and worst."""
    first, values = seen[0], [figure.value for figure in seen]
    return {
        "name": first.name,
        "unit": first.unit,
        "median": round(statistics.median(values), 2),
        "worst": round(min(values) if first.least else max(values), 2),
        **({"goal": f"{'at least' if first.least else 'at most'} {first.goal:g}"} if first.goal is not None else {}),
    }


def where() -> str:
    """The machine that the figures are of."""
    if is_account():
        return "an account"
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return f"the sandbox, {os.cpu_count()} cores, {memory:.0f} GiB"


def file_of(stack: str) -> Path:
    return RESULTS / f"{stack}.yaml"


def load(stack: str) -> dict[str, Any]:
    """Drill to its entry, as last recorded."""
    file = file_of(stack)
    found: dict[str, Any] = (yaml.safe_load(file.read_text()) or {}) if file.exists() else {}
    return found


def record(stack: str, result: Result) -> None:
    """Put a drill's figures into the file of its stack; the other drills keep theirs."""
    known = load(stack) | {result.drill.name: result.entry()}
    RESULTS.mkdir(exist_ok=True)
    file_of(stack).write_text(yaml.safe_dump(known, sort_keys=True, allow_unicode=True, width=120))
