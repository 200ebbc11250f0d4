"""Buckets, their users' rights, and the provider's traps."""

import json
from typing import Any

import pulumi
import pytest

from pulumi_casebook import InputError, ObjectStorage
from pulumi_casebook.data.object_storage.component import endpoint
from tests.harness import declare, declares_the_same, only

LIFECYCLE = "CloudProjectStorageObjectBucketLifecycleConfiguration"
PROJECT = "0123456789abcdef0123456789abcdef"


def storage(**values: Any) -> ObjectStorage:
    given = {"project": PROJECT, "region": "GRA", "prefix": "acme", "buckets": {"backups": {}}}
    return ObjectStorage("store", **{**given, **values})


def declared(type_: str, name: str, **values: Any) -> Any:
    def program() -> None:
        storage(**values)

    return only(declares_the_same(program), type_, name)


@pytest.mark.claim("SOF-8")
def test_a_user_may_write_to_its_bucket_alone() -> None:
    buckets = {"backups": {"writers": ["backup"]}, "photos": {"readers": ["web"]}}
    policy = json.loads(declared("S3Policy", "store-backup", buckets=buckets).inputs["policy"])
    (statement,) = policy["Statement"]
    assert statement["Effect"] == "Allow"
    assert statement["Resource"] == ["arn:aws:s3:::acme-backups", "arn:aws:s3:::acme-backups/*"]
    assert {"s3:PutObject", "s3:GetObject", "s3:DeleteObject", "s3:ListBucket"} <= set(statement["Action"])


def test_a_reader_writes_nothing() -> None:
    policy = json.loads(declared("S3Policy", "store-web", buckets={"photos": {"readers": ["web"]}}).inputs["policy"])
    assert not [action for action in policy["Statement"][0]["Action"] if "Put" in action or "Delete" in action]


def test_a_user_has_the_role_that_s3_asks_for_and_no_other() -> None:
    user = declared("User", "store-web", buckets={"photos": {"readers": ["web"]}})
    assert user.inputs["roleNames"] == ["objectstore_operator"]


def test_where_a_bucket_is_and_its_users_secret_key() -> None:
    def program() -> None:
        store = storage(buckets={"backups": {"writers": ["backup"]}})
        assert store.buckets["backups"].name == "acme-backups"
        pulumi.export("endpoint", store.buckets["backups"].endpoint)
        pulumi.export("secret", store.users["backup"].secret_key)

    stack = declare(program, preview=False)[0]
    assert stack.outputs["endpoint"] == "https://s3.gra.io.cloud.ovh.net"
    assert stack.secret_outputs == {"secret"}


@pytest.mark.parametrize(
    ("virtual_host", "expected"),
    [
        ("https://media.s3.gra.io.cloud.ovh.net/", "https://s3.gra.io.cloud.ovh.net"),
        ("media.s3.us-east-va.io.cloud.ovh.us", "https://s3.us-east-va.io.cloud.ovh.us"),
    ],
)
def test_endpoint_is_the_bucket_s_own_address_without_the_bucket(virtual_host: str, expected: str) -> None:
    assert endpoint(virtual_host, "media") == expected


def test_a_bucket_is_encrypted_and_its_objects_stay_out_of_the_state() -> None:
    bucket = declared("Storage", "store-backups")
    assert bucket.inputs["encryption"] == {"sseAlgorithm": "AES256"}
    assert (bucket.inputs["hideObjects"], bucket.inputs["limit"]) == (True, 1)
    assert bucket.inputs["name"] == "acme-backups"


def test_the_owner_that_the_api_invents_is_no_difference() -> None:
    assert declared("Storage", "store-backups").ignore_changes == ("ownerId",)


@pytest.mark.parametrize("keep", [True, False])
def test_destroy_empties_a_bucket_unless_it_is_kept(keep: bool) -> None:
    rules = {"old": {"expire_days": 1}}
    buckets = {"backups": {"keep": keep, "lifecycle": rules}}
    kinds = ("Storage", "store-backups"), (LIFECYCLE, "store-backups-lifecycle")
    assert [declared(kind, name, buckets=buckets).protect for kind, name in kinds] == [keep, keep]


def test_replication_leaves_no_field_to_the_provider() -> None:
    copies = {"bucket": "acme-copies", "region": "SBG"}
    bucket = declared("Storage", "store-photos", buckets={"photos": {"versioning": True, "replication": copies}})
    assert bucket.inputs["replication"]["rules"] == [
        {
            "id": "acme-copies",
            "priority": 1,
            "status": "enabled",
            "deleteMarkerReplication": "enabled",
            "destination": {
                "name": "acme-copies",
                "region": "SBG",
                "storageClass": "STANDARD",
                "removeOnMainBucketDeletion": False,
            },
            "filter": {"prefix": "", "tags": {}},
        }
    ]


def test_lifecycle_and_lock() -> None:
    logs = {
        "versioning": True,
        "lifecycle": {"old": {"prefix": "logs/", "expire_days": 21, "noncurrent_days": 7}},
        "object_lock": {"mode": "compliance", "days": 14},
    }
    lifecycle = declared(LIFECYCLE, "store-logs-lifecycle", buckets={"logs": logs})
    assert lifecycle.inputs["rules"] == [
        {
            "id": "old",
            "status": "enabled",
            "filter": {"prefix": "logs/"},
            "expiration": {"days": 21},
            "noncurrentVersionExpiration": {"noncurrentDays": 7},
        }
    ]
    bucket = declared("Storage", "store-logs", buckets={"logs": logs})
    assert bucket.inputs["objectLock"] == {"status": "enabled", "rule": {"mode": "compliance", "period": "P14D"}}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"region": "GRA11"}, r"region='GRA11': not a region of object storage; it has BHS, .*GRA, "),
        ({"project": "acme"}, r"project='acme': a Public Cloud project's id: "),
        ({"buckets": {}}, r"buckets=\{\}: Dictionary should have at least 1 item"),
        ({"prefix": None}, r"buckets\.backups\.name: missing; bucket names are shared by all"),
        ({"buckets": {"a": {"name": "Photos"}}}, r"buckets\.a\.name='Photos': S3 wants 3 to 63 lower-case"),
        ({"buckets": {"a": {"name": "10.0.0.1"}}}, r"looks like an IPv4 address"),
        ({"buckets": {"a": {"name": "same"}, "b": {"name": "same"}}}, r"the name 'same' is given twice"),
        ({"prefix": "x" * 40, "buckets": {"y" * 40: {}}}, r"S3 wants 3 to 63"),
        ({"buckets": {"a": {"object_lock": {"days": 1}}}}, r"object_lock: needs versioning=True"),
        ({"buckets": {"a": {"replication": {"bucket": "copy", "region": "SBG"}}}}, r"replication: needs versioning"),
        ({"buckets": {"a": {"lifecycle": {"r": {}}}}}, r"a rule without either deletes nothing"),
        ({"buckets": {"a": {"lifecycle": {"r": {"noncurrent_days": 1}}}}}, r"noncurrent_days needs versioning"),
        ({"buckets": {"a": {"readers": ["u"], "writers": ["u"]}}}, r"u is both; a writer reads as well"),
        ({"buckets": {"a": {"public": True}}}, r"buckets\.a\.public: no such field"),
    ],
)
def test_what_cannot_be_built_is_refused(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        storage(**values)
