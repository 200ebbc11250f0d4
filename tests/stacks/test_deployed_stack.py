"""A stack that is up, as its architecture's own outputs."""

import subprocess
from typing import Any

import pytest
from pydantic import ValidationError

from architectures.sofoot import SoFootOutputs
from stacks.deployed_stack import DeployedStack

LOCATION = '{"public": "192.0.2.9", "private": null, "site": "GRA", "via": null, "kind": "vps", "service": "vps-1"}'
PRINTED = f"""{{
  "url": "http://192.0.2.1",
  "back_office": {{"url": "https://192.0.2.2", "user": "editor", "password": "secret"}},
  "database": {{"address": "10.8.0.137:3306", "name": "sofoot", "user": "sofoot", "password": "secret"}},
  "machines": {{"monitoring": {LOCATION}}},
  "exposure": {{"monitoring": {{"0.0.0.0/0": ["22/tcp"]}}}}
}}"""


def printing(monkeypatch: pytest.MonkeyPatch, text: str) -> list[list[str]]:
    asked = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        return subprocess.CompletedProcess(command, 0, text)

    monkeypatch.setattr(subprocess, "run", run)
    return asked


def test_what_make_prints_is_read_as_the_outputs_of_the_architecture(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = printing(monkeypatch, PRINTED)
    stack = DeployedStack.named("sofoot")
    assert asked[0][-3:] == ["outputs", "sofoot", "--show-secrets"]
    assert isinstance(stack.outputs, SoFootOutputs)
    assert stack.outputs.database.address == "10.8.0.137:3306"
    assert (stack.machines["monitoring"].public, stack.machines["monitoring"].private) == ("192.0.2.9", None)


@pytest.mark.parametrize(("good", "bad"), [('"url": "http://192.0.2.1",', ""), ('"machines"', '"nonsense"')])
def test_another_architecture_s_outputs_are_refused(good: str, bad: str, monkeypatch: pytest.MonkeyPatch) -> None:
    printing(monkeypatch, PRINTED.replace(good, bad, 1))
    with pytest.raises(ValidationError):
        DeployedStack.named("sofoot")


def test_a_stack_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    printing(monkeypatch, PRINTED)
    stack = DeployedStack.named("sofoot")
    printing(monkeypatch, PRINTED.replace('"password": "secret"}', '"password": "rotated"}'))
    assert stack.again().outputs.database.password == "rotated"
    assert stack.outputs.database.password == "secret"
