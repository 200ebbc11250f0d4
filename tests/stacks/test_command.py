"""The command line: what each action is given, and what it does not take."""

from typing import Any

import pytest

from stacks import __main__ as command
from stacks import commands, inventory


@pytest.fixture(name="called")
def _called(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    monkeypatch.setattr(commands, "execute", lambda *given: found.append(given))
    for name in ("check", "take", "against"):
        monkeypatch.setattr(inventory, name, lambda *given, name=name: found.append((name, *given)))
    return found


def run(monkeypatch: pytest.MonkeyPatch, line: str) -> int:
    monkeypatch.setattr("sys.argv", ["stacks", *line.split()])
    return command.main()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "up sofoot --set web_instances=6 --rotate site --rotate storage-backup --expect-no-changes",
            ("up", "sofoot", ["web_instances=6"], ["site", "storage-backup"], ["--expect-no-changes"]),
        ),
        ("outputs keyzee --show-secrets", ("outputs", "keyzee", [], [], ["--show-secrets"])),
        ("destroy keyzee --re", ("destroy", "keyzee", [], [], ["--re"])),
        ("inventory sofoot", ("check", ["sofoot"])),
        ("accept sofoot --lose backups data", ("take", ["sofoot"], ["backups", "data"])),
    ],
)
def test_each_action_gets_what_was_given(
    line: str, expected: tuple[Any, ...], called: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(monkeypatch, line) == 0
    assert called == [expected]


@pytest.mark.usefixtures("called")
@pytest.mark.parametrize("line", ["inventory sofoot --expect-no-changes", "scale sofoot --set x=1", "mend sofoot", ""])
def test_what_an_action_does_not_take_is_refused(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit):
        run(monkeypatch, line)


def test_an_unknown_stack_is_a_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(commands, "prepare", lambda **_: pytest.fail("the sandbox is started for nothing"))
    assert run(monkeypatch, "up nosuch") == 1
    assert "no such stack; there are: " in capsys.readouterr().err
