"""What a killed `up` leaves behind is taken away, and nothing else is."""

import json
import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from stacks.mend import release_dead_lock
from stacks.target import Stop


def lock(folder: Path, stack: str, pid: int, host: str | None = None) -> Path:
    """A lock as pulumi's file backend writes it."""
    file = folder / ".pulumi/locks/organization/casebook" / stack / "5d0c.json"
    file.parent.mkdir(parents=True)
    owner = {"pid": pid, "username": "root", "hostname": host or socket.gethostname(), "timestamp": "2026-01-01"}
    file.write_text(json.dumps(owner))
    return file


def test_the_lock_of_a_dead_pulumi_is_removed(tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    file = lock(tmp_path, "sofoot", ended.pid)
    release_dead_lock("sofoot", {"PULUMI_BACKEND_URL": f"file://{tmp_path}"})
    assert not file.exists()


def test_a_process_number_that_somebody_else_has_now_is_dead_too(tmp_path: Path) -> None:
    file = lock(tmp_path, "sofoot", os.getpid())
    release_dead_lock("sofoot", {"PULUMI_BACKEND_URL": f"file://{tmp_path}"})
    assert not file.exists()


def test_a_pulumi_that_works_keeps_its_lock(tmp_path: Path) -> None:
    program = tmp_path / "pulumi"
    shutil.copy("/bin/sleep", program)
    with subprocess.Popen([program, "60"]) as working:
        file = lock(tmp_path, "sofoot", working.pid)
        with pytest.raises(Stop, match=f"process {working.pid}.*wait"):
            release_dead_lock("sofoot", {"PULUMI_BACKEND_URL": f"file://{tmp_path}"})
        working.kill()
    assert file.exists()


def test_other_stacks_and_other_computers_keep_theirs(tmp_path: Path) -> None:
    other = lock(tmp_path / "a", "giroptic", 1)
    release_dead_lock("sofoot", {"PULUMI_BACKEND_URL": f"file://{tmp_path / 'a'}"})
    assert other.exists()
    far = lock(tmp_path / "b", "sofoot", 1, host="far-away")
    with pytest.raises(Stop, match="far-away"):
        release_dead_lock("sofoot", {"PULUMI_BACKEND_URL": f"file://{tmp_path / 'b'}"})
    assert far.exists()


def test_a_backend_that_is_no_folder_has_no_such_locks() -> None:
    release_dead_lock("sofoot", {"PULUMI_BACKEND_URL": "s3://bucket"})
    release_dead_lock("sofoot", {})
