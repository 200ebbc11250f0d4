"""What a computer that cannot carry the sandbox is told."""

import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from sandbox import host, lifecycle

Usage = namedtuple("Usage", "total used free")


def test_who_is_not_root_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(RuntimeError, match="needs root: run it with sudo"):
        host.check_root()


def test_a_full_disk_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10 << 30, 9 << 30, 2 << 30))
    with pytest.raises(RuntimeError, match=r"2\.0 GiB are free .* needs 6; make space there, or set CASEBOOK_HOME"):
        host.check_space(first=True)
    host.check_space(first=False)


def test_the_environment_before_the_first_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(lifecycle, "PROJECT", tmp_path / "project.json")
    with pytest.raises(RuntimeError, match="never been started: run `python -m sandbox start`"):
        lifecycle.environment()
