"""Inventories: what each stack declares is what is committed, and data is not given up by accident."""

from pathlib import Path

import pytest

from sandbox.toolchain.standin import ovh, random_values
from stacks import inventory
from stacks.environment import Stop
from stacks.inventory_file import Inventory, Resources
from stacks.stack_files import names, stack_file

BUCKET = "ovh:CloudProject/storage:Storage backups"
RECORD = "ovh:Domain/zoneRecord:ZoneRecord www"
BEFORE = {BUCKET: {"name": "backups", "regionName": "GRA"}, RECORD: {"target": "192.0.2.1", "text": "one\ntwo\nthree"}}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "sandbox" not in request.keywords:
        monkeypatch.setattr(inventory, "FILES", tmp_path)


def changed(key: str, **inputs: str) -> Resources:
    return {**BEFORE, key: {**BEFORE[key], **inputs}}


def test_what_is_accepted_is_what_is_compared(tmp_path: Path) -> None:
    inventory.accept("some", BEFORE, [])
    inventory.compare("some", BEFORE)
    assert "\n      two\n" in (tmp_path / "some.yaml").read_text(), "a text of several lines is not one line a line"


def test_a_difference_shows_the_changed_line_and_the_command_that_accepts_it() -> None:
    inventory.accept("some", BEFORE, [])
    with pytest.raises(Stop) as stop:
        inventory.compare("some", changed(RECORD, text="one\n2\nthree"))
    message = str(stop.value)
    assert f"~ {RECORD}" in message
    assert "-      two" in message
    assert "+      2" in message
    assert message.endswith("make accept STACK=some")


@pytest.mark.parametrize(
    ("after", "why"),
    [
        ({RECORD: BEFORE[RECORD]}, "deleted: a bucket's objects go with it"),
        (changed(BUCKET, regionName="SBG"), "replaced, for regionName changed"),
    ],
)
def test_data_goes_only_by_name(after: Resources, why: str) -> None:
    inventory.accept("some", BEFORE, [])
    with pytest.raises(Stop, match=why):
        inventory.compare("some", after)
    for given_up in ([], ["www"]):
        with pytest.raises(Stop, match=f'{why}(.|\n)*LOSE="backups"'):
            inventory.accept("some", after, given_up)
    assert inventory.committed("some") == Inventory(BEFORE, {})
    inventory.accept("some", after, ["backups"])
    assert inventory.committed("some").losses[BUCKET].startswith(why)


def test_a_pull_request_cannot_give_up_data_by_editing_the_file() -> None:
    """`against` reads what is committed on both sides: only what was accepted by name is owned up to."""
    after = {RECORD: BEFORE[RECORD]}
    assert list(inventory.guard(Inventory(BEFORE, {}), Inventory(after, {}))) == [BUCKET]
    assert inventory.guard(Inventory(BEFORE, {}), Inventory(after, {BUCKET: "deleted"})) == {}
    assert inventory.guard(Inventory(BEFORE, {}), Inventory(changed(BUCKET, versioning="enabled"), {})) == {}


def test_labels_stand_for_what_differs_between_accounts() -> None:
    given = {"__defaults": [], "id": inventory.UNKNOWN, "image": "dea62b04-d41d-4d44-8d95-e005d22b7d7d", "key": "ssh-x"}
    labels = {inventory.UNKNOWN: inventory.AFTER, "ssh-x": "(the operator's key)"}
    expected = {"id": "(known after up)", "image": "(looked up)", "key": "(the operator's key)"}
    assert inventory._labelled(given, labels) == expected


def test_the_inputs_that_replace_are_those_of_the_provider() -> None:
    """A field that the provider would replace for is known here, but for those that the components ignore."""
    resources = {**ovh.provider("2.22.0").resources, **random_values.provider("4.18.0").resources}
    for kind, (_, fields) in inventory.HOLDS_DATA.items():
        if kind.startswith("openstack:"):
            continue
        replaces = resources[kind.split(":", 1)[1]].replace
        expected = None if replaces == "*" else frozenset(replaces) - {"os", "customizations"}
        assert fields == expected, kind


@pytest.mark.sandbox
@pytest.mark.parametrize("stack", names())
def test_a_stack_declares_what_is_committed(stack: str) -> None:
    inventory.compare(stack, inventory.preview(stack, stack_file(stack)))
