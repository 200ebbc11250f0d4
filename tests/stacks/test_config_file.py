"""The copy of a stack's file that Pulumi writes into, and what it may hold."""

from pathlib import Path

import pytest

from stacks import __main__ as stacks
from stacks.target import Stop


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "FILES", tmp_path)
    monkeypatch.setattr(stacks, "HOME", tmp_path / "home")
    monkeypatch.setattr(stacks, "is_account", lambda: False)
    (tmp_path / "Pulumi.some.yaml").write_text("config:\n  casebook:architecture: some\n")


def test_the_committed_files_hold_no_salt() -> None:
    for file in (Path(__file__).parents[2] / "stacks").glob("Pulumi.*.yaml"):
        assert stacks.SALT not in file.read_text(), f"{file.name}: take the line {stacks.SALT} out"


def test_the_sandboxs_salt_is_kept_and_an_accounts_is_not_for_it(tmp_path: Path) -> None:
    copy = stacks.config_file("some")
    assert copy.read_text() == (tmp_path / "Pulumi.some.yaml").read_text()
    copy.write_text(f"{copy.read_text()}{stacks.SALT} own\n")
    file = tmp_path / "Pulumi.some.yaml"
    file.write_text(f"{file.read_text()}{stacks.SALT} of an account\n")
    assert stacks.config_file("some").read_text() == f"{stacks.SALT} own\nconfig:\n  casebook:architecture: some\n"


def test_an_account_keeps_the_salt_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "is_account", lambda: True)
    file = tmp_path / "Pulumi.some.yaml"
    file.write_text(f"{file.read_text()}{stacks.SALT} of an account\n")
    assert stacks.config_file("some").read_text() == file.read_text()


def test_an_unknown_stack_names_the_known_ones() -> None:
    with pytest.raises(Stop, match=r"STACK=sme: no such stack; there are: some"):
        stacks.stack_file("sme")
