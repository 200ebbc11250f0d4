"""What another stack holds is one sentence before anything is declared."""

from typing import Any

import pytest
from ovh.exceptions import ResourceNotFoundError

from stacks import commands
from stacks.clouds import Clouds
from stacks.environment import Stop
from stacks.neighbours import check_project
from stacks.stack_files import stack_file

PROJECT = "0123456789ab4cdef0123456789abcde"
ENVIRONMENT = {"OVH_CLOUD_PROJECT_SERVICE": PROJECT}


@pytest.fixture
def holder(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The vRack that the project is in, or none."""
    found: list[str] = []

    def answer(self: Clouds, path: str) -> Any:  # noqa: ARG001
        assert path == f"/cloud/project/{PROJECT}/vrack"
        if not found:
            raise ResourceNotFoundError("This project is not in a vRack")
        return {"id": found[0]}

    monkeypatch.setattr(Clouds, "ovh", answer)
    return found


@pytest.mark.parametrize("vrack", [None, "pn-1004"])
def test_a_project_in_no_vrack_or_in_the_stacks_own_is_well(holder: list[str], vrack: str | None) -> None:
    holder += [vrack] if vrack else []
    check_project("nextradiotv", stack_file("nextradiotv"), ENVIRONMENT)


def test_one_in_another_stacks_is_told_with_that_stack(holder: list[str]) -> None:
    holder += ["pn-1001"]
    with pytest.raises(Stop, match=rf"^vrack=pn-1004: the project {PROJECT}.* is in the vRack pn-1001.*destroy sofoot"):
        check_project("nextradiotv", stack_file("nextradiotv"), ENVIRONMENT)
    holder[:] = ["pn-9999"]
    with pytest.raises(Stop, match="destroy what put it there"):
        check_project("nextradiotv", stack_file("nextradiotv"), ENVIRONMENT)


def test_stacks_without_a_project_do_not_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Clouds, "ovh", lambda *_: pytest.fail("asked"))
    for stack in ("sextant-erp", "giroptic"):
        check_project(stack, stack_file(stack), ENVIRONMENT)


def test_with_an_account_up_is_not_begun_with_the_sandboxs_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_CLOUD", "theirs")
    monkeypatch.delenv("CASEBOOK_TARGET", raising=False)
    monkeypatch.setattr(commands, "prepare", lambda **_: ENVIRONMENT)
    monkeypatch.setattr(commands, "run", lambda *_, **__: None)
    monkeypatch.setattr(commands, "recover", lambda *_: pytest.fail("recovered"))
    for action in ("up", "preview"):
        with pytest.raises(Stop, match="an address of the sandbox"):
            commands.execute(action, "nextradiotv", [], [], [])


def test_up_is_not_begun(holder: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    holder += ["pn-1001"]
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(commands, "prepare", lambda **_: ENVIRONMENT)
    monkeypatch.setattr(commands, "run", lambda *words, **_: asked.append(words))
    monkeypatch.setattr(commands, "recover", lambda *_: pytest.fail("recovered"))
    for action in ("up", "preview"):
        with pytest.raises(Stop, match="pn-1001"):
            commands.execute(action, "nextradiotv", [], [], [])
    assert {words[0] for words in asked} == {"stack"}
