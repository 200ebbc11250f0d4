"""Programs of several files: what goes to the machine, and how they answer to who types."""

import subprocess
from pathlib import Path

import pytest

from pulumi_casebook.data.galera_cluster import component as galera
from pulumi_casebook.data.mysql_pair import component as mysql_pair
from pulumi_casebook.machines.configuration import program
from pulumi_casebook.machines.configuration.programs import runtime
from tests.components.installed import installed

PROGRAMS = [(galera.PROGRAM, galera.INSTALLED), (mysql_pair.PROGRAM, mysql_pair.INSTALLED)]


def test_programs_share_no_file() -> None:
    first, second = ({file.path for file in program(*one)} for one in PROGRAMS)
    assert not first & second
    for paths in (first, second):
        assert [path.rpartition("/")[2] for path in paths].count("runtime.py") == 1


@pytest.mark.parametrize(("entry", "command"), PROGRAMS)
@pytest.mark.parametrize("words", [[], ["dance"], ["status", "now"], ["ready", "--form"], ["promote", "--other"]])
def test_who_is_wrong_is_told_all_commands(entry: Path, command: str, words: list[str], tmp_path: Path) -> None:
    run = [*installed(entry, command, tmp_path), *words]
    done = subprocess.run(run, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    asked = subprocess.run([*run[: -len(words) or None], "--help"], capture_output=True, text=True)
    assert asked.returncode == 0
    assert done.stderr.endswith(asked.stdout)
    assert f"    {Path(command).name} status " in asked.stdout


@pytest.mark.parametrize(("entry", "command"), PROGRAMS)
def test_a_refusal_is_a_sentence(entry: Path, command: str, tmp_path: Path) -> None:
    nowhere = ["env", "GALERA=/nowhere", "MYSQL_PAIR=/nowhere", *installed(entry, command, tmp_path), "status"]
    done = subprocess.run(nowhere, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == f"{Path(command).name}: [Errno 2] No such file or directory: '/nowhere'\n"


def test_root_writes_through_no_link_of_others(tmp_path: Path) -> None:
    """CWE-59: a service whose folder it is would choose what root overwrites, and whose that becomes."""
    (tmp_path / "secret").write_text("root's\n")
    (tmp_path / ".state.new").symlink_to(tmp_path / "secret")
    (tmp_path / "state").symlink_to(tmp_path / "secret")
    runtime.write(tmp_path / "state", "ready\n")
    assert (tmp_path / "secret").read_text() == "root's\n"
    assert (tmp_path / "state").read_text() == "ready\n"
    assert not (tmp_path / "state").is_symlink()
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o644
