"""Who writes a copy can never destroy one: over all stacks, every credential that stands on a machine is held against
the policies that are declared, and every place that copies go to."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from sandbox.policies import judged
from tests.architectures.test_every_stack import SECRETS, _stack, roles_of
from tests.harness import Registered

__all__ = ["_stack"]  # a fixture
BUCKET = "ovh:CloudProject/storage:Storage"
CONTAINER = "openstack:objectstorage/container:Container"
# Of a repository, and of an archive.
COPIES = ("config", "data/00/1", "index/1", "keys/1", "snapshots/1"), ("2026-11-30T031500Z/0000",)
# What ends versions, or a bucket, or lets them be ended.
ENDS = (
    *("s3:DeleteBucket", "s3:PutBucketAcl", "s3:PutBucketVersioning", "s3:PutLifecycleConfiguration"),
    *("s3:PutReplicationConfiguration", "s3:PutBucketObjectLockConfiguration", "s3:BypassGovernanceRetention"),
)
# Roles by which a machine saves what it holds.
SAVES = re.compile(r"(backup|archive)-(?!of-|server$|bucket$)")


class Key(NamedTuple):
    """An S3 key, where it stands, and what it is for."""

    machine: str
    role: str
    user: str
    policy: dict[str, Any]


def keys_of(stack: list[Registered]) -> Iterator[Key]:
    """By what the roles' secrets hold."""
    policies = {one.name: json.loads(one.inputs["policy"]) for one in stack if one.type.endswith(":S3Policy")}
    users = {str(one.inputs["userId"]): one.name for one in stack if one.type.endswith(":S3Policy")}
    for one in stack:
        if one.type == "command:remote:Command" and (role := SECRETS.match(str(one.inputs.get("create")))):
            machine = one.name.removesuffix(f"-{role[1]}-secrets")
            for other in stack:
                if other.type.endswith(":S3Credential") and other.urn in one.depends_on:
                    user = users[str(other.inputs["userId"])]
                    yield Key(machine, role[1], user, policies[user])


def copies_of(stack: list[Registered]) -> list[str]:
    """An object of each kind of each copy that the stack's roles make: BUCKET/KEY."""
    found = []
    for role in roles_of(stack):
        if SAVES.match(role.name):
            name = role.name.partition("-")[2]
            archive = role.name.startswith("archive-")
            place = f"archives/{name}" if archive else name
            for bucket in buckets_of(stack):
                found += [f"{bucket}/{place}/{key}" for key in COPIES[archive]]
    return found


def buckets_of(stack: list[Registered]) -> dict[str, Registered]:
    return {one.inputs["name"]: one for one in stack if one.type == BUCKET}


def test_a_key_that_deletes_copies_stands_where_no_data_is(stack: list[Registered]) -> None:
    saving = {role.machine for role in roles_of(stack) if SAVES.match(role.name)}
    wrong = []
    for key in keys_of(stack):
        for copy in copies_of(stack):
            if judged(key.policy, "s3:DeleteObject", copy) is not False and key.machine in saving:
                wrong.append(f"{key.machine}: {key.user} is not denied to delete {copy}")
    assert not wrong, "\n".join(wrong)


def test_no_key_on_a_machine_ends_what_undoes_a_deletion(stack: list[Registered]) -> None:
    wrong = [
        f"{key.machine}: {key.user} is not denied {action} of {bucket}"
        for key in keys_of(stack)
        for bucket in buckets_of(stack)
        for action in ENDS
        if judged(key.policy, action, bucket) is not False
    ]
    assert not wrong, "\n".join(wrong)


def test_who_saves_reaches_its_own_copies_alone(stack: list[Registered]) -> None:
    wrong = []
    for key in keys_of(stack):
        if SAVES.match(key.role):
            name = key.role.partition("-")[2]
            own = f"archives/{name}/" if key.role.startswith("archive-") else f"{name}/"
            for copy in copies_of(stack):
                for action in ("s3:GetObject", "s3:PutObject"):
                    may, is_own = judged(key.policy, action, copy), copy.partition("/")[2].startswith(own)
                    if bool(may) != is_own:
                        wrong.append(f"{key.machine}: {key.user}: {action} of {copy}: {may}")
    assert not wrong, "\n".join(wrong)


def test_where_copies_go_has_versions_for_a_time_and_is_kept(stack: list[Registered]) -> None:
    rules = {one.inputs["containerName"]: one for one in stack if one.type.endswith("LifecycleConfiguration")}
    for name, bucket in buckets_of(stack).items():
        assert bucket.inputs["versioning"] == {"status": "enabled"}, name
        undo = [rule["noncurrentVersionExpiration"] for rule in rules[name].inputs["rules"] if rule["id"] == "undo"]
        assert undo
        assert undo[0]["noncurrentDays"] >= 14, f"{name}: who was broken into sees it later than that"
        assert bucket.protect, name
        assert rules[name].protect, f"{name}: what expires must go on expiring"


def test_what_opens_a_copy_is_kept_with_it(stack: list[Registered]) -> None:
    saved = {role.name.partition("-")[2]: role.name for role in roles_of(stack) if SAVES.match(role.name)}
    words = {one.name: one for one in stack if one.type.endswith(":RandomPassword")}
    for name, role in saved.items():
        word = words[f"{name}-passphrase" if role.startswith("archive-") else f"{name}-repository"]
        assert word.protect, word.name


def test_no_login_of_swift_stands_on_a_machine(stack: list[Registered]) -> None:
    """Whoever may write to a container may delete from it. A key that signs URLs may, too: there versions are kept."""
    logins = {one.urn: one.name for one in stack if one.type == "ovh:CloudProject/user:User"}
    s3 = {str(one.inputs["userId"]) for one in stack if one.type.endswith(":S3Credential")}
    for one in stack:
        if one.type == "command:remote:Command" and SECRETS.match(str(one.inputs.get("create"))):
            assert not [logins[urn] for urn in one.depends_on if urn in logins], one.name
    assert s3 or not buckets_of(stack)
    for one in stack:
        if one.type == CONTAINER and "Temp-Url-Key" in (one.inputs.get("metadata") or {}):
            assert one.inputs["versioning"], f"{one.name}: its key signs deletions"
            assert one.protect, one.name


@pytest.mark.parametrize("name", ["sofoot", "nextradiotv", "keyzee"])
def test_the_rules_find_keys(name: str, stack: list[Registered]) -> None:
    """Of the stacks that save into a bucket, and of the others none."""
    architecture = next(
        one for one in stack if one.type.startswith("casebook:") and one.parent.endswith("casebook-test")
    )
    if architecture.type.lower().endswith(name):
        assert {key.role for key in keys_of(stack)} >= {role.name for role in roles_of(stack) if SAVES.match(role.name)}
        assert copies_of(stack)
