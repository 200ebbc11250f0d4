"""Faults, ledgers and pauses that take no time."""

import contextlib
import functools
from collections.abc import Sequence
from typing import Any

import pytest

from drills import faults, ledger, outage
from drills.ledger import Ledger, Write
from drills.packs import galera_cluster
from stacks.deployed_stack import DeployedStack


class Book(Ledger):
    def go_on(self) -> None:
        """There is nothing to wait for."""


@pytest.fixture(name="events")
def _events(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What happened, in order: machines that were broken, and ledgers that were kept."""
    found: list[str] = []

    @contextlib.contextmanager
    def broken(
        name: str, _: DeployedStack, machine: str | Sequence[str] = (), machines: Sequence[str] = (), **__: Any
    ) -> Any:
        found.append(" ".join((name, *([machine] if isinstance(machine, str) else machine), *machines)).rstrip())
        yield 100.0
        found.append("back")

    @contextlib.contextmanager
    def kept(_: DeployedStack, *, over: str, write: str, read: str, table: str = "", settled: float = 0) -> Any:
        found.append(f"ledger over {over}: {write} {read} {table} {settled:g}".strip())
        writes = [Write(n, 90 + n, 90.5 + n, "db-1" if n < 20 else "db-2") for n in range(40)]
        yield Book(began=90, ended=131, writes=writes, rows=list(range(40)))

    monkeypatch.setattr("time.sleep", lambda _: None)
    for name in ("killed", "power_loss", "frozen", "cut_off", "full_disk", "power_loss_of_all"):
        monkeypatch.setattr(faults, name, functools.partial(broken, name))
    for module in (ledger, outage, galera_cluster):
        monkeypatch.setattr(module, "ledger", kept)
    return found


@pytest.fixture(name="clock", autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patience ends at once."""
    ticks = iter(range(10**6))
    monkeypatch.setattr("time.monotonic", lambda: 100.0 * next(ticks))
    monkeypatch.setattr("time.time", lambda: 120.0)
