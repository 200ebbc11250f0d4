"""The command that runs drills, before it breaks anything."""

import shutil

import pytest

from drills.runner import TOOLS, check_tools
from stacks.environment import Stop


def test_a_program_that_drills_need_is_missed_before_anything_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda tool: None if tool in ("dig", "nmap") else f"/usr/bin/{tool}")
    with pytest.raises(Stop, match=r"^dig, nmap: not on PATH.*: apt-get install bind9-dnsutils nmap$"):
        check_tools()
    monkeypatch.setattr(shutil, "which", lambda tool: f"/usr/bin/{tool}" if tool in TOOLS else None)
    check_tools()
