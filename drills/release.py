"""A later release of Casebook: every component's files differ a little, so every daemon is changed while it serves."""

import contextlib
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from drills.changes import serving
from drills.deployment import up
from drills.drill import Drill, Figure, NotSeen
from drills.faults import LOGINS
from stacks.deployed_stack import DeployedStack
from stacks.environment import CHECKOUT

MARK = "(a later release)"
COMMENT = re.compile(r"^[ \t]*(?:#|;|//) \w.*$", re.MULTILINE)
# A machine is born with files of this one: another file would be another machine.
BORN_WITH = "machine"
NOT_COPIED = shutil.ignore_patterns(".git", ".venv*", ".cache", ".*_cache", ".hypothesis", "__pycache__", "build")


@contextlib.contextmanager
def later() -> Iterator[Path]:
    """A checkout like this one, but for the first comment of each template."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "casebook"
        shutil.copytree(CHECKOUT, copy, symlinks=True, ignore=NOT_COPIED)
        (copy / ".venv").symlink_to(CHECKOUT / ".venv")
        for template in copy.glob("components/pulumi_casebook/*/*/templates/*"):
            if template.parts[-3] != BORN_WITH:
                template.write_text(COMMENT.sub(rf"\g<0> {MARK}", template.read_text(), count=1))
        yield copy


def marked(stack: DeployedStack) -> dict[str, int]:
    """How many files of each machine are of the later release."""
    look = f"sudo grep -rlIF '{MARK}' /etc /usr/local /srv 2>/dev/null | wc -l"

    def count(machine: str) -> int:
        return int(stack.on(machine, look))

    with ThreadPoolExecutor(LOGINS) as each:
        return dict(zip(stack.machines, each.map(count, stack.machines), strict=True))


def rolled_out(stack: DeployedStack, targets: Sequence[str], rate: int) -> list[Figure]:
    with later() as checkout, serving(targets, rate) as figures:
        try:
            up(stack.name, checkout=checkout)
            files = marked(stack)
        finally:
            up(stack.name)
        left = sum(marked(stack).values())
    if not any(files.values()):
        raise NotSeen("no machine has anything of the later release")
    return [
        Figure("machines", len(files)),
        Figure("of these changed", sum(map(bool, files.values()))),
        Figure("files changed", sum(files.values())),
        Figure("of these not changed back", left, goal=0),
        *figures,
    ]


def released(targets: Callable[[DeployedStack[Any]], Sequence[str]], rate: int) -> Drill:
    """The drill of a stack: with the requests of its visitors, so many a second."""
    return Drill(
        name="a later release of every component is rolled out, and taken back",
        claims=(),
        promise="a change reaches one machine of a tier after the other: visitors do not notice",
        limit="two runs of `up`; a comment in each component's files, so that each daemon is reloaded or restarted",
        run=lambda stack: rolled_out(stack, targets(stack), rate),
    )
