"""What is made once and kept: two builders at once, one that is killed half-way, a disk that is full."""

import ast
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import REPOSITORY, building, venv
from tests.waiting import until

# Every call of a builder (file: function), and what runs it.
BUILDERS = {
    "drills/load.py: vegeta": "from drills import load; load.shutil.which = lambda _: None; load.vegeta()",
    "sandbox/authority.py: ensure": "from sandbox import authority; authority.ensure()",
    "sandbox/lifecycle.py: _customers_key": "from sandbox import lifecycle; lifecycle._customers_key()",
    "sandbox/openstack/setup.py: first": "from sandbox.openstack import setup; setup.first(None, print)",
    "sandbox/openstack/setup.py: restore": "from sandbox.openstack import setup; setup.restore()",
    "sandbox/openstack/venv.py: make": "from sandbox.openstack import venv; venv.make()",
    "sandbox/rootfs.py: keep": "from sandbox import rootfs; rootfs.keep(Path('/root'), 'image')",
    "sandbox/rootfs.py: make": "from sandbox import rootfs; rootfs.make('authority')",
    "sandbox/shelf/opensearch.py: package": "from sandbox.shelf import opensearch; opensearch.package()",
    "sandbox/toolchain/__main__.py: passphrase_file": (
        "from sandbox.toolchain import __main__ as command; command.passphrase_file()"
    ),
    "sandbox/toolchain/engine.py: build": "from sandbox.toolchain import engine; engine.build('')",
    "sandbox/toolchain/golang.py: built": (
        "from sandbox.toolchain import golang, home; golang.built(home.SOURCE / 'cli', 'pulumi', '.', '', 'pulumi', 4)"
    ),
    "sandbox/toolchain/plugins.py: adopt": (
        "from sandbox.toolchain import plugins; wanted = plugins.wanted('random');"
        "there = Path('~/.pulumi/plugins').expanduser() / wanted.folder.name; there.mkdir(parents=True, exist_ok=True);"
        "(there / wanted.program.name).touch(); plugins.adopt(wanted)"
    ),
    "sandbox/toolchain/plugins.py: place_bridge": (
        "from sandbox.toolchain import plugins; plugins.place_bridge(plugins.wanted('openstack'))"
    ),
    "tests/debian.py: make": "from tests import debian; debian.host.missing_packages = list; debian.make()",
    "sandbox/venv.py: checkout": "from sandbox import HOME, venv; venv.VENV = HOME / '.venv'; venv.checkout()",
}
# Locks, moves and removals by hand: what they are for, since it is not to build something that is kept.
BY_HAND = {
    "sandbox/lifecycle.py: _forget": "a reset removes what machines have",
    "sandbox/lifecycle.py: exclusive": "one command of the sandbox at a time",
    "sandbox/machine.py: destroy": "a machine's end",
    "sandbox/openstack/balancer.py: forget": "a load balancer's end",
    "sandbox/openstack/setup.py: _fill": "in the body of a builder",
    "sandbox/openstack/setup.py: first": "snapshots of earlier releases",
    "sandbox/openstack/venv.py: make": "environments of earlier locks",
    "sandbox/ovhcloud/nas.py: converge": "a partition's end",
    "sandbox/rootfs.py: keep": "in the body of a builder",
    "sandbox/shelf/opensearch.py: _make": "in the body of a builder",
    "sandbox/wires.py: _lock": "plugs one after the other",
    "sandbox/world.py: gate": "one after the other comes or goes",
    "sandbox/world.py: run": "the last who leaves takes it away",
    "tests/components/data/galera_cluster/cluster.py: kill": "a node of one check",
    "tests/components/data/galera_cluster/cluster.py: lose_data": "the same",
    "tests/components/data/mysql_pair/pair.py: kill": "the same",
    "tests/components/data/mysql_pair/pair.py: lose_data": "the same",
    "tests/components/data/opensearch/node.py: __init__": "the same",
    "tests/components/data/opensearch/node.py: engine": "of one run",
}
HANDS = {"rename", "rmtree", "flock", "lockf", "mkdtemp"}


def calls() -> Iterator[tuple[str, ast.Call, str]]:
    """(file: function, call, name of what is called) of all programs but the helper, and of what checks share."""
    for folder in ("benchmarks", "docs", "drills", "sandbox", "stacks", "tests"):
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            if path == Path(building.__file__) or path.name.startswith("test_"):
                continue
            tree = ast.parse(path.read_text())
            classes = [part for part in tree.body if isinstance(part, ast.ClassDef)]
            parts = [*tree.body, *(part for owner in classes for part in owner.body)]
            functions = [part for part in parts if isinstance(part, ast.FunctionDef)]
            for function in functions:
                for call in ast.walk(function):
                    if isinstance(call, ast.Call):
                        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
                        yield f"{path.relative_to(REPOSITORY)}: {function.name}", call, name


def test_every_builder_is_known_here() -> None:
    assert {where for where, _, name in calls() if name == "built"} == set(BUILDERS)


def test_nobody_builds_by_hand() -> None:
    def is_move(call: ast.Call, name: str) -> bool:
        return name == "replace" and len(call.args) == 1 and not call.keywords

    found = {where for where, call, name in calls() if name in HANDS or is_move(call, name)}
    assert found == set(BY_HAND), "use sandbox.building; what is no builder is listed here with its reason"


class Builders:
    """Processes that run one builder, with a CASEBOOK_HOME of their own."""

    def __init__(self, folder: Path, statement: str) -> None:
        self.home, self.signals, self.statement = folder / "home", folder / "signals", statement
        self.home.mkdir()
        self.signals.mkdir()
        self.environment = {**os.environ, "CASEBOOK_HOME": str(self.home), "HOME": str(folder)}

    def command(self, *more: str) -> list[str]:
        return [sys.executable, "-m", "tests.sandbox.builders", self.statement, str(self.signals), *more]

    def start(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(self.command(), cwd=REPOSITORY, env=self.environment, stderr=subprocess.PIPE, text=True)

    def begun(self) -> list[Path]:
        """The targets that were begun, in order."""
        note = self.signals / "begun"
        return [Path(line) for line in note.read_text().splitlines()] if note.exists() else []

    def drafts(self) -> list[Path]:
        return list(self.home.rglob(".*.draft-*"))


@pytest.fixture(params=BUILDERS)
def builders(request: pytest.FixtureRequest, tmp_path: Path) -> Builders:
    return Builders(tmp_path, BUILDERS[request.param])


def test_two_at_once_make_it_once_and_one_that_is_killed_leaves_nothing(builders: Builders) -> None:
    killed = builders.start()
    [target] = until(builders.begun)
    second = builders.start()
    assert second.stderr
    assert re.fullmatch(r"casebook: waits for another builder of .+\n", second.stderr.readline())
    assert not os.path.lexists(target), "half of it has the name already"
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    until(lambda: len(builders.begun()) == 2, "the second does not begin")
    third = builders.start()
    assert third.stderr
    assert "waits for another builder" in third.stderr.readline()
    (builders.signals / "go").touch()
    for one in (second, third):
        assert (one.wait(), one.stderr and one.stderr.read()) == (0, "")
    assert builders.begun() == [target, target], "it was made twice"
    assert {path.name for path in target.iterdir()} == {"half", "whole"}
    assert builders.drafts() == [], "the draft of the one that was killed is there"


def test_a_full_disk_is_told_and_leaves_nothing(builders: Builders) -> None:
    """In advance, where little is free; else by the failure. Then, with more space, it is built."""
    (builders.signals / "go").touch()
    script = """
        mount -t tmpfs -o size=1m small "$0"
        "$@"
        mount -o remount,size=70m "$0"
        "$@" 80000000
        find "$0" -name '*.draft-*' -o -name half
        mount -o remount,size=8G "$0"
        "$@" 80000000
        find "$0" -name whole
    """
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, str(builders.home), *builders.command()],
        cwd=REPOSITORY,
        env=builders.environment,
        capture_output=True,
        text=True,
    )
    target = builders.begun()[-1]
    assert done.stdout == f"{target}/whole\n"
    early, late = [line for line in done.stderr.splitlines() if not line.startswith("toolchain: ")]
    free = (
        rf"and below {target.parent} 0\.\d GiB are free; make space there, or set CASEBOOK_HOME to a folder on another"
    )
    end = rf"{free} disk, and run the same command again"
    assert re.fullmatch(rf".+ needs [0-9.]+ GiB of disk, {end}", early)
    assert re.fullmatch(rf".+ needs 0 GiB of disk \(some program failed\), {end}", late)


CHILDREN = """
import subprocess, sys, time
from pathlib import Path
from sandbox import building

def make(draft):
    child = subprocess.Popen(["sh", "-c", 'while :; do mkdir -p "$0" && touch "$0/half"; sleep 0.01; done', draft])
    print(child.pid, flush=True)
    time.sleep(600)

building.built(Path(sys.argv[1]), make, "it", 0)
"""


def test_the_children_of_one_that_was_killed_write_elsewhere(tmp_path: Path) -> None:
    target = tmp_path / "it"
    killed = subprocess.Popen([sys.executable, "-c", CHILDREN, target], cwd=REPOSITORY, stdout=subprocess.PIPE)
    assert killed.stdout
    child = int(killed.stdout.readline())
    try:
        until(lambda: list(tmp_path.glob(".it.draft-*/it/half")))
        killed.kill()
        killed.wait()

        def make(draft: Path) -> None:
            draft.mkdir()
            time.sleep(0.2)

        assert list(building.built(target, make, "it", 0).iterdir()) == []
    finally:
        os.kill(child, signal.SIGKILL)


def test_what_is_not_whole_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "it"
    target.mkdir()
    building.built(target, lambda draft: draft.write_text("new"), "it", 0, Path.is_file)
    assert target.read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".it.lock", "it"]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("write /cache/go: no space left on device", r"it needs 9 GiB of disk \(write /cache/go: no space .*\), and"),
        ("the package index does not answer", "the package index does not answer"),
    ],
)
def test_a_failure_is_told_and_leaves_nothing(tmp_path: Path, said: str, told: str) -> None:
    def make(draft: Path) -> None:
        draft.touch()
        raise RuntimeError(said)

    with pytest.raises(RuntimeError, match=f"^{told}"):
        building.built(tmp_path / "it", make, "it", 9)
    assert [path.name for path in tmp_path.iterdir()] == [".it.lock"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "HOME", tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(RuntimeError, match=r"file cannot be written \(Not a directory|File exists\); .* CASEBOOK_HOME"):
        building.built(tmp_path / "file/it", Path.mkdir, "it", 0)


def test_a_file_is_replaced_at_once(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    building.write(file, "first", 0o666)
    assert file.stat().st_mode & 0o777 == 0o666
    with file.open() as reader:
        building.write(file, "second", 0o600)
        assert reader.read() == "first", "it was written over"
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("second", 0o600)
    assert list(tmp_path.iterdir()) == [file]


def test_scripts_of_an_environment_find_its_interpreter(tmp_path: Path) -> None:
    target = tmp_path / "venv"
    building.built(target, lambda draft: venv.fill(draft, target, "nothing"), "it", 0)
    done = subprocess.run([target / "bin/pip", "--version"], capture_output=True, text=True)
    assert f"from {target}/lib" in done.stdout, done.stderr
