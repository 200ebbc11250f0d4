"""python -m tests.mutants [FILE ...] [--base REVISION] [--sample N]: what `make mutants` calls.

Cosmic Ray makes one slip after the other in Python files, and the checks that belong to the file run on each: a slip
that no check sees is printed, and is the next check to write. Without a FILE, slips are made in the lines that differ
from a revision. A copy of the checkout is worked on. No slips are made in templates.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cosmic_ray.tools.filters.git import GitFilter
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import TestOutcome, WorkerOutcome, WorkResult

from stacks.environment import CHECKOUT
from tests.selection import git

SECONDS = 300  # that the checks of one folder may take
# Where code is, and where below tests/ its checks are.
CHECKS = {
    "components/pulumi_casebook": "components",
    "sandbox/toolchain": "toolchain",
    "sandbox/ovhcloud": "ovhcloud",
    **{folder: folder for folder in ("architectures", "docs", "drills", "sandbox", "stacks")},
}
CONFIG = """\
[cosmic-ray]
module-path = "{file}"
timeout = {seconds}
excluded-modules = []
test-command = "{command}"
[cosmic-ray.distributor]
name = "local"
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description="Slips that no check sees.")
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="whole files; none: the lines that changed")
    parser.add_argument("--base", default="HEAD~1", metavar="REVISION", help="what lines are compared with")
    parser.add_argument(
        "--sample", type=int, default=30, metavar="N", help="how many slips a file, at most; always the same"
    )
    given = parser.parse_args()
    files = given.files or list(map(Path, git("diff", "--name-only", given.base).split()))
    seen: Counter[str] = Counter()
    with copy() as folder:
        for file in files:
            if checks := checks_of(file):
                seen += tried(folder, file, checks, given.base if not given.files else None, given.sample)
    made, unseen = seen.total(), seen[TestOutcome.SURVIVED]
    print(f"{made} slips, {made - unseen} seen" + (f" ({100 * (made - unseen) / made:.0f} %)" if made else ""))
    return 1 if unseen else 0


@contextmanager
def copy() -> Iterator[Path]:
    """The checkout as it is, changes that are not committed included."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "copy"
        git("worktree", "add", "--detach", str(folder), "HEAD")
        try:
            changes = subprocess.run(["git", "diff", "--binary", "HEAD"], cwd=CHECKOUT, capture_output=True, check=True)
            subprocess.run(["git", "apply", "--allow-empty"], cwd=folder, input=changes.stdout, check=True)
            yield folder
        finally:
            git("worktree", "remove", "--force", str(folder))


def checks_of(file: Path) -> str | None:
    """The closest checks of a file: of its module, else its folder's; None for what is no code of the project's."""
    for code, checks in CHECKS.items():
        if file.suffix == ".py" and file.is_relative_to(code):
            place = Path("tests", checks, *file.relative_to(code).parent.parts)
            closest = (place / f"test_{file.stem}.py", place, *place.parents)
            return next(str(one) for one in closest if (CHECKOUT / one).exists())
    return None


def tried(folder: Path, file: Path, checks: str, base: str | None, sample: int) -> Counter[str]:
    """What became of the slips in a file; prints those that no check saw."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n0", "-m 'not sandbox'", checks]
    config, session = folder.parent / "config.toml", folder.parent / f"{file.stem}.sqlite"
    config.write_text(CONFIG.format(file=file, seconds=SECONDS, command=" ".join(command)))
    environment = {**os.environ, "PYTHONPATH": f"{folder}/components:{folder}"}

    def cosmic_ray(*words: str) -> None:
        program = [sys.executable, "-m", "cosmic_ray.cli", *words]
        done = subprocess.run(program, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise SystemExit(
                f"{file}: {words[0]} failed; {checks} must pass within {SECONDS} s:\n{done.stdout[-3000:]}"
            )

    print(f"{file}: do {checks} pass as it is?", file=sys.stderr, flush=True)
    cosmic_ray("baseline", str(config))
    cosmic_ray("init", str(config), str(session))
    with use_db(str(session)) as slips:
        if base:
            GitFilter()._skip_filtered(slips, base)
        leave_out(slips, sample)
        print(f"{file}: {len(list(slips.pending_work_items))} slips", file=sys.stderr, flush=True)
    cosmic_ray("exec", str(config), str(session))
    found: Counter[str] = Counter()
    with use_db(str(session), WorkDB.Mode.open) as slips:
        for _, result in slips.completed_work_items:
            if result.worker_outcome is not WorkerOutcome.SKIPPED:
                found[result.test_outcome] += 1
            if result.test_outcome is TestOutcome.SURVIVED:
                print(f"{result.diff}\n")
    session.unlink()
    return found


def leave_out(slips: WorkDB, sample: int) -> None:
    # In the order of a slip's text, not of its number, which is another one each time.
    waiting = [item.job_id for item in sorted(slips.pending_work_items, key=lambda item: str(item.mutations))]
    chosen = random.Random(0).sample(waiting, min(sample, len(waiting)))
    if left := set(waiting).difference(chosen):
        slips.set_multiple_results(list(left), WorkResult(WorkerOutcome.SKIPPED, output="not in the sample"))


if __name__ == "__main__":
    sys.exit(main())
