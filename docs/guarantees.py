"""What drills measured: the page docs/guarantees.md, and a line a stack in README.md, from drills/results."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from docs.claims import Check
from drills.results import RESULTS, load

BEGIN, END = "<!-- guarantees -->\n", "<!-- /guarantees -->\n"

HEAD = """\
# Guarantees

What each document promises, broken on purpose on a stack that is up (`make drill STACK=...`), and what was measured:
median and worst of the runs. Generated from [drills/results](../drills/results) by `python -m docs.generate`. Where
physics or a daemon sets a limit, that limit is promised, and stands with its source below the promise. A drill that
did not hold is printed like any other.

A machine of the sandbox that loses power loses every process and its network at once, but not what the kernel had yet
to write to its disk, for the kernel is the host's. Seconds are counted from the moment at which the fault was ordered
to happen, which is a little before it does.
"""
COLUMNS = ("what is broken", "claims", "promise, and its limit", "measured: median (worst; promised)", "held", "runs")
SHORT = ("stack", "claim", "says", "drills that held", "worst that was measured")
SUM = ("stack", "claims that drills hold", "drills that held", "last run")


def recorded() -> dict[str, dict[str, Any]]:
    """Stack to its drills' entries."""
    return {file.stem: load(file.stem) for file in sorted(RESULTS.glob("*.yaml"))}


def checks() -> set[Check]:
    """The drills that held, as checks of their claims."""
    return {
        Check(claim, "drill", f"drills/{stack.replace('-', '_')}.py", name)
        for stack, entries in recorded().items()
        for name, entry in entries.items()
        if entry["held"]
        for claim in entry["claims"]
    }


def pages(root: Path, systems: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    stacks = recorded()
    yield root / "docs/guarantees.md", page(stacks, systems)
    readme = root / "README.md"
    before, _, rest = readme.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise SystemExit(f"{readme}: {BEGIN.strip()} without {END.strip()}")
    yield readme, f"{before}{BEGIN}\n{sums(stacks)}\n{END}{after}"


def sums(stacks: Mapping[str, Mapping[str, Any]]) -> str:
    """A line a stack."""
    lines = list(header(SUM))
    for stack, entries in stacks.items():
        claims = {claim for entry in entries.values() if entry["held"] for claim in entry["claims"]}
        held = sum(entry["held"] for entry in entries.values())
        lines.append(
            line(stack, str(len(claims)), f"{held} of {len(entries)}", max(e["date"] for e in entries.values()))
        )
    return "\n".join(lines) + "\n"


def page(stacks: Mapping[str, Mapping[str, Any]], systems: Mapping[str, Any]) -> str:
    """Every claim, then every drill of every stack."""
    lines = [HEAD, "## By claim\n", summary(stacks, systems)]
    for stack, entries in stacks.items():
        held = sum(entry["held"] for entry in entries.values())
        lines += [f"## {stack}: {held} of {len(entries)} held\n", *header(COLUMNS)]
        for name, entry in entries.items():
            limit = f"<br>*{entry['limit']}*" if "limit" in entry else ""
            measured = "<br>".join(written(figure) for figure in entry["figures"])
            runs = f"{entry['runs']}, {entry['date']}, {entry['on']}"
            cells = (name, ", ".join(entry["claims"]), f"{entry['promise']}{limit}")
            lines.append(
                line(*cells, entry.get("proves nothing", measured), "yes" if entry["held"] else "**no**", runs)
            )
        lines.append("")
    return "\n".join(lines)


def summary(stacks: Mapping[str, Mapping[str, Any]], systems: Mapping[str, Any]) -> str:
    """A line a claim: how many of its drills held, and the worst of each figure that something is promised of."""
    lines = list(header(SHORT))
    for stack, entries in stacks.items():
        for claim, (_, says) in systems[stack]["claims"].items():
            drills = [entry for entry in entries.values() if claim in entry["claims"]]
            if drills:
                held = sum(entry["held"] for entry in drills)
                share = f"{held} of {len(drills)}"
                lines.append(line(stack, claim, says, share if held == len(drills) else f"**{share}**", worst(drills)))
    return "\n".join(lines) + "\n"


def worst(drills: list[dict[str, Any]]) -> str:
    """Of figures of one name, the one that was furthest from what is promised, and the promise."""
    found: dict[str, dict[str, Any]] = {}
    for figure in (figure for entry in drills for figure in entry["figures"] if "goal" in figure):
        known = found.setdefault(figure["name"], figure)
        if (
            (figure["worst"] < known["worst"])
            if figure["goal"].startswith("at least")
            else (figure["worst"] > known["worst"])
        ):
            found[figure["name"]] = figure
    return "<br>".join(f"{name}: {figure['worst']:g} {figure['unit']}".strip() for name, figure in found.items())


def written(figure: Mapping[str, Any]) -> str:
    more = [f"{figure['worst']:g}"] if figure["worst"] != figure["median"] else []
    more += [figure["goal"]] if "goal" in figure else []
    value = f"{figure['name']}: {figure['median']:g} {figure['unit']}".strip()
    return f"{value} ({'; '.join(more)})" if more else value


def header(columns: tuple[str, ...]) -> tuple[str, str]:
    return line(*columns), line(*("---" for _ in columns))


def line(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"
