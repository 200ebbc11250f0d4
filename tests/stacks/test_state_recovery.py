"""What a killed `up` leaves behind is taken away, and nothing else is."""

import json
import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from stacks import state_recovery
from stacks.cloud_resources import LISTINGS, S3_KEY, USER, CloudResource
from stacks.clouds import Clouds
from stacks.environment import Stop, prepare
from stacks.state_recovery import failed_operations, make_readable, pulumi, reconcile, release_dead_lock, rotations


def lock(folder: Path, stack: str, pid: int, host: str | None = None) -> Path:
    """A lock as pulumi's file backend writes it."""
    file = folder / ".pulumi/locks/organization/casebook" / stack / "5d0c.json"
    file.parent.mkdir(parents=True)
    owner = {"pid": pid, "username": "root", "hostname": host or socket.gethostname(), "timestamp": "2026-01-01"}
    file.write_text(json.dumps(owner))
    return file


def test_the_lock_of_a_dead_pulumi_is_removed(tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    file = lock(tmp_path, "sofoot", ended.pid)
    release_dead_lock("sofoot", {"PULUMI_BACKEND_URL": f"file://{tmp_path}"})
    assert not file.exists()


def test_a_process_number_that_somebody_else_has_now_is_dead_too(tmp_path: Path) -> None:
    file = lock(tmp_path, "sofoot", os.getpid())
    release_dead_lock("sofoot", {"PULUMI_BACKEND_URL": f"file://{tmp_path}"})
    assert not file.exists()


def test_a_pulumi_that_works_keeps_its_lock(tmp_path: Path) -> None:
    program = tmp_path / "pulumi"
    shutil.copy("/bin/sleep", program)
    with subprocess.Popen([program, "60"]) as working:
        file = lock(tmp_path, "sofoot", working.pid)
        with pytest.raises(Stop, match=f"process {working.pid}.*wait"):
            release_dead_lock("sofoot", {"PULUMI_BACKEND_URL": f"file://{tmp_path}"})
        working.kill()
    assert file.exists()


def test_a_state_that_was_being_written_is_readable_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"file://{tmp_path}")  # the sandbox's may not be there yet
    given = prepare(cloud=False)
    pulumi("stack", "init", "sofoot", environment=given)
    [state] = (tmp_path / ".pulumi/stacks").rglob("sofoot.json")
    note, begun = state.with_suffix(".json.attrs"), state.with_suffix(".json.18ea23.tmp")
    note.write_text("")
    begun.write_text("{")
    with pytest.raises(Stop, match="EOF"):
        pulumi("stack", "export", "--stack", "sofoot", environment=given)
    make_readable("sofoot", given)
    assert "deployment" in pulumi("stack", "export", "--stack", "sofoot", environment=given)
    assert not begun.exists()


def test_other_stacks_and_other_computers_keep_theirs(tmp_path: Path) -> None:
    other = lock(tmp_path / "a", "giroptic", 1)
    release_dead_lock("sofoot", {"PULUMI_BACKEND_URL": f"file://{tmp_path / 'a'}"})
    assert other.exists()
    far = lock(tmp_path / "b", "sofoot", 1, host="far-away")
    with pytest.raises(Stop, match="far-away"):
        release_dead_lock("sofoot", {"PULUMI_BACKEND_URL": f"file://{tmp_path / 'b'}"})
    assert far.exists()


def test_a_backend_that_is_no_folder_has_no_such_locks() -> None:
    release_dead_lock("sofoot", {"PULUMI_BACKEND_URL": "s3://bucket"})
    release_dead_lock("sofoot", {})


URN = "urn:pulumi:sofoot::casebook::"


def resource(kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {"urn": f"{URN}{kind}::{name}", "type": kind, **more}


def failure(op: str, one: dict[str, Any], message: str) -> str:
    """What pulumi's event log has of a failed operation."""
    side = {"old": one, "new": None} if op.startswith("delete") else {"old": None, "new": one}
    events = (
        {"diagnosticEvent": {"urn": one["urn"], "message": message, "severity": "error"}},
        {"resOpFailedEvent": {"metadata": {"op": op, "urn": one["urn"], "type": one["type"], **side}}},
    )
    return "".join(f"{json.dumps(event)}\n" for event in events)


def test_a_failed_creation_counts_unless_it_was_refused(tmp_path: Path) -> None:
    lost, refused, gone = (resource(USER, name, id="1") for name in ("lost", "refused", "gone"))
    log = tmp_path / "events.jsonl"
    assert failed_operations(log) == []
    log.write_text(
        failure("create", lost, "Failed to decode API response")
        + failure("create", refused, "OVHcloud API error (status code 409): there is one")
        + failure("update", refused, "OVHcloud API error (status code 500): no")
        + failure("delete", gone, "OVHcloud API error (status code 503): no")
        + '{"diagnosticEvent": {"mess'  # here it was killed
    )
    assert failed_operations(log) == [{"resource": lost, "type": "creating"}, {"resource": gone, "type": "deleting"}]


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> list[CloudResource]:
    """An account that has these users."""
    existing: list[CloudResource] = []
    monkeypatch.setitem(LISTINGS, USER, lambda *_: iter(existing))
    monkeypatch.setattr(state_recovery, "Clouds", lambda _: object.__new__(Clouds))
    return existing


def test_what_was_made_without_an_answer_is_taken_over_once(account: list[CloudResource]) -> None:
    account += [
        CloudResource("7", {"description": "web"}),
        CloudResource("8", {"description": "web"}),
        CloudResource("9", {}),
    ]
    held = resource(USER, "web", id="7", inputs={"description": "web"})
    lost = resource(USER, "web", id="", inputs={"description": "web"})
    whole = {"deployment": {"resources": [held], "pending_operations": ["..."]}}
    [made] = reconcile(whole, [{"resource": lost, "type": "creating"}], {})
    assert (made["id"], made["outputs"]) == ("8", {"description": "web"})
    assert whole["deployment"] == {"resources": [held, made], "pending_operations": []}


def test_what_was_never_made_is_not_in_the_state(account: list[CloudResource]) -> None:
    account += [CloudResource("7", {"description": "another"})]
    whole: dict[str, Any] = {"deployment": {}}
    lost = resource(USER, "web", inputs={"description": "web"})
    assert reconcile(whole, [{"resource": lost, "type": "creating"}], {}) == []
    assert whole["deployment"]["resources"] == []


def test_what_was_deleted_without_an_answer_leaves_the_state(account: list[CloudResource]) -> None:
    gone, left = (resource(USER, name, id=name, inputs={"description": name}) for name in ("gone", "left"))
    account += [CloudResource("left", {"description": "left"})]
    whole = {"deployment": {"resources": [gone, left]}}
    reconcile(whole, [{"resource": one, "type": "deleting"} for one in (gone, left)], {})
    assert whole["deployment"]["resources"] == [left]


def test_secrets_are_rotated_by_name() -> None:
    key = resource(S3_KEY, "storage-backup")
    state = {"deployment": {"resources": [key, resource(USER, "storage-backup")]}}
    assert rotations(state, ["storage-backup"]) == [f"--replace={key['urn']}"]
    assert rotations({}, []) == []
    with pytest.raises(Stop, match=r"--rotate=database: no secret.*storage-backup"):
        rotations(state, ["database"])
