"""Which checks are made, and side by side with which.

Which stacks are brought up in a run: `--stacks=touched` (So Foot and what the change touches), `all`, or names.

A stack is touched by a change of its own files, of its inventory, or of a program that its inventory names. A changed
component changes the inventory of every stack that it is in, since the inventory holds what is put on machines.
The example in a component's README is touched by a change of the component; names bring up no example.

There is one sandbox, so what needs it runs in one worker, and begins first. All other files go to whichever is free.
"""

import os
import re
import subprocess

import pytest

from stacks.environment import CHECKOUT
from stacks.inventory import SHIPPED, file_of
from stacks.stack_files import names

ALWAYS = {"sofoot"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--stacks", default="all", help=f"touched, all, or some of: {', '.join(names())}")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "stack(name): the stack that this check brings up, where no file name says so")
    config.addinivalue_line("markers", "example(component): this check brings up the example of its README")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    option = config.getoption("--stacks")
    wanted = chosen(option)
    changed = changed_files() if option == "touched" else set()

    def stays(item: pytest.Item) -> bool:
        if example := item.get_closest_marker("example"):
            folder = f"components/pulumi_casebook/{example.args[0]}/"
            return option == "all" or any(file.startswith(folder) for file in changed)
        return (stack := stack_of(item)) is None or stack in wanted

    kept = [item for item in items if stays(item)]
    if len(kept) < len(items):
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept
    items.sort(key=lambda item: item.get_closest_marker("sandbox") is None)
    for item in items:
        group = "sandbox" if item.get_closest_marker("sandbox") else str(item.path.relative_to(CHECKOUT))
        item.add_marker(pytest.mark.xdist_group(group))


def pytest_collection_finish(session: pytest.Session) -> None:
    """A pytest that hides the groups from pytest-xdist would have two workers use the one sandbox."""
    if session.config.getoption("loadgroup", False):
        ungrouped = [item.nodeid for item in session.items if "@" not in item.nodeid]
        assert not ungrouped, f"pytest-xdist does not see the groups of {len(ungrouped)} checks: {ungrouped[0]}"


def stack_of(item: pytest.Item) -> str | None:
    """The stack that a check brings up, which its file names, or its marker."""
    if marker := item.get_closest_marker("stack"):
        return str(marker.args[0])
    found = re.fullmatch(r"test_(\w+)\.py", item.path.name)
    stack = found[1].replace("_", "-") if found and item.path.parent.name == "stacks" else None
    return stack if stack in names() else None


def chosen(option: str) -> set[str]:
    if option == "all":
        return set(names())
    if option == "touched":
        return ALWAYS | touched(changed_files())
    wanted = set(option.split(","))
    if unknown := wanted - set(names()):
        raise pytest.UsageError(
            f"--stacks={option}: no such stack: {', '.join(unknown)}; there are {', '.join(names())}"
        )
    return wanted


def changed_files() -> set[str]:
    """Since CASEBOOK_BASE, a revision; without it, by the last commit and in the working tree."""
    base = os.environ.get("CASEBOOK_BASE", "HEAD~1")
    return {*git("diff", "--name-only", base).split(), *git("ls-files", "--others", "--exclude-standard").split()}


def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=CHECKOUT, text=True, capture_output=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def touched(files: set[str]) -> set[str]:
    programs = {str(path.relative_to(CHECKOUT)) for path in SHIPPED} & files
    found = set()
    for stack in names():
        module = stack.replace("-", "_")
        own = {f"architectures/{module}.py", f"stacks/Pulumi.{stack}.yaml", f"tests/stacks/test_{module}.py"}
        text = file_of(stack).read_text() if file_of(stack).exists() else ""
        if own & files or str(file_of(stack).relative_to(CHECKOUT)) in files or any(path in text for path in programs):
            found.add(stack)
    return found
