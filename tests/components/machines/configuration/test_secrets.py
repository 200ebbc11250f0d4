"""A secret in a file: whatever is in it, who reads the file reads the secret, and nothing else."""

import json
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pulumi_casebook import InputError
from pulumi_casebook.machines.configuration import File
from pulumi_casebook.machines.configuration.args import FORMS
from pulumi_casebook.machines.configuration.programs import apply
from pulumi_casebook.web.environment import quoted

# What ends a string, a word, a line or a comment somewhere, or begins a command.
HOSTILE = [
    "'",
    '"',
    "\\",
    "\n",
    "\r",
    "\t",
    "$(reboot)",
    "${HOME}",
    "`",
    ";",
    "#",
    "&",
    "<",
    ">",
    "%",
    "]]>",
    " ",
    "é",
    "=",
    "!",
]
secrets = st.lists(st.sampled_from(HOSTILE) | st.text("ab1", min_size=1, max_size=3), min_size=1, max_size=6).map(
    "".join
)


def as_json(line: str, _: Path) -> str:
    return str(json.loads(line))


def as_yaml(line: str, _: Path) -> str:
    return str(yaml.safe_load(line))


def as_xml(line: str, _: Path) -> str:
    return str(ElementTree.fromstring(line).get("value"))


def as_shell(line: str, folder: Path) -> str:
    (folder / "file").write_bytes(line.encode())
    script = '. "$0"; printf "%s." "$value"; [ -z "$other" ]'
    said = subprocess.run(["sh", "-c", script, folder / "file"], capture_output=True, check=True).stdout
    return said.decode().removesuffix(".")


def as_option(line: str, folder: Path) -> str:
    (folder / "my.cnf").write_bytes(f"[client]\n{line}".encode())
    command = ["my_print_defaults", f"--defaults-file={folder}/my.cnf", "client"]
    said = subprocess.run(command, capture_output=True, check=True).stdout
    return said.decode().removeprefix("--password=").removesuffix("\n")


@pytest.mark.parametrize(
    ("line", "read"),
    [
        ('"@secret(s:json)@"', as_json),
        ('"@secret(s:json)@"', as_yaml),
        ("value='@secret(s:shell)@'", as_shell),
        ('password = "@secret(s:cnf)@"', as_option),
        ('<at value="@secret(s:xml)@"/>', as_xml),
    ],
    ids=["json", "yaml", "shell", "cnf", "xml"],
)
@settings(max_examples=60, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(secret=secrets)
def test_it_is_read_as_it_was_given(line: str, read: Callable[[str, Path], str], secret: str, tmp_path: Path) -> None:
    text = apply.filled("/etc/x", [line], {"s": secret}).decode()
    assert read(text, tmp_path) == secret


@pytest.mark.parametrize(
    ("form", "taken", "refused"),
    [
        ("word", "{SHA}x=/+", ["two words", "a\nb", "", "é"]),
        ("line", "ssh-ed25519 AAAA one@host", ["a\nb", "a\rb", "", "\x1b[2J"]),
        ("quoted", quoted('a"b\\'), ['a"b', '"a"b"', '"a\nb"', '"a']),
    ],
)
def test_what_it_has_to_be_there(form: str, taken: str, refused: list[str]) -> None:
    assert apply.filled("/etc/x", [f"k: @secret(s:{form})@"], {"s": taken}).decode() == f"k: {taken}\n"
    for secret in refused:
        with pytest.raises(apply.Refused, match=r"/etc/x: the secret 's' is not"):
            apply.filled("/etc/x", [f"k: @secret(s:{form})@"], {"s": secret})


def test_a_file_says_how_a_secret_within_a_line_is_written() -> None:
    for line in (
        "password=@secret(a)@",
        "@secret(a)@ ",
        "@secret(a)@@secret(b)@",
        "x @secret(a:sql)@",
        "@secret(a:)@x",
    ):
        with pytest.raises(InputError, match=r"/etc/x: @secret\(a(:sql|:)?\)@ in a line: say how it is to be written"):
            File(path="/etc/x", content=f"one\n{line}\n", mode="0600")
    File(path="/etc/x", content="@secret(certificate)@\n@secret(key)@\n", mode="0600")


def test_the_model_and_the_machine_know_the_same_forms() -> None:
    assert {"", *FORMS} == apply.FORMS.keys()


def test_no_message_shows_a_secret_as_it_was_written() -> None:
    secret = 'it\'s "one" \\ of\n<those> & more'
    for form in ("json", "shell", "cnf", "xml"):
        shown = apply.without_secrets(f"daemon: bad line: {apply.FORMS[form](secret)}", {"s": secret})
        assert shown == "daemon: bad line: (secret s)", form
