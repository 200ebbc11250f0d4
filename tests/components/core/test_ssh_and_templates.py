"""The operator's key, and templates."""

from pathlib import Path

import jinja2
import pulumi
import pytest

from pulumi_casebook import InputError, ssh_key
from pulumi_casebook.core.templates import render
from tests.harness import declare


def test_the_key_is_the_operator_s(ssh_key_file: Path) -> None:
    def program() -> None:
        pulumi.export("halves", ssh_key())

    stack = declare(program, preview=False)[0]
    assert stack.outputs["halves"] == [
        ssh_key_file.with_name("id_ed25519.pub").read_text().strip(),
        ssh_key_file.read_text(),
    ]
    assert stack.secret_outputs


def test_a_missing_key_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CASEBOOK_SSH_KEY_FILE", str(tmp_path / "none"))
    with pytest.raises(InputError, match=r"none does not exist; .*ssh-keygen -t ed25519"):
        ssh_key()
    (tmp_path / "none").touch()
    with pytest.raises(InputError, match=r"none\.pub does not exist"):
        ssh_key()


def test_a_template_stands_beside_its_component_and_wants_every_value(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates/a.j2").write_text("{% if on %}\nport {{ port }}\n{% endif %}\n")
    beside = str(tmp_path / "component.py")
    assert render(beside, "a.j2", on=True, port=80) == "port 80\n"
    with pytest.raises(jinja2.UndefinedError):
        render(beside, "a.j2", on=True)
