"""S3 buckets, and users who can do in them what they must and no more."""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

import pulumi
import pulumi_ovh as ovh

from pulumi_casebook.core.component import Component, takes
from pulumi_casebook.data.object_storage.args import BucketArgs, LifecycleArgs, ObjectStorageArgs, ReplicationArgs

# help.ovhcloud.com "Object Storage - Identity and access management": of buckets, and of their objects.
LIST = ("s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:GetBucketLocation")
READ = ("s3:GetObject", "s3:ListMultipartUploadParts")
ADD = (*READ, "s3:PutObject", "s3:AbortMultipartUpload")
DELETE = ("s3:DeleteObject",)
Statement = dict[str, Any]


class Bucket(NamedTuple):
    """Where a bucket is: what an S3 client needs beside a key."""

    name: str
    region: str
    # https://s3.<region>.io.cloud.ovh.net
    endpoint: pulumi.Output[str]


class BucketUser(NamedTuple):
    """The S3 key of a user; its second half is secret."""

    access_key: pulumi.Output[str]
    secret_key: pulumi.Output[str]


class ObjectStorage(Component[ObjectStorageArgs]):
    """S3 buckets of one region of a Public Cloud project.

    Declares per bucket `CloudProject.Storage` and, with `lifecycle`, its lifecycle configuration; per name among
    the readers and writers `CloudProject.User`, `S3Credential` and an `S3Policy` for their buckets alone.

    Attributes: `buckets` (label to `Bucket`), `users` (name to `BucketUser`), `signing_key(bucket, user)`.
    Sources: SOF-8, GIR-3, NRT-8, NRT-12; docs.ovh.com "Object Storage".
    """

    @takes(ObjectStorageArgs)
    def __init__(self, args: ObjectStorageArgs) -> None:
        self.buckets = {
            label: declare_bucket(self, args.project, args.region, label, args.bucket_name(label), wanted)
            for label, wanted in args.buckets.items()
        }
        named = {args.bucket_name(label): wanted for label, wanted in args.buckets.items()}
        users = {user for wanted in named.values() for user in (*wanted.readers, *wanted.writers)}
        self.users = {user: declare_user(self, args.project, user, _rights(user, named)) for user in sorted(users)}

    def signing_key(self, label: str, user: str) -> pulumi.Output[str]:
        """The key file of `casebook-signed-url`, secret: its URLs allow what the user may in this bucket, no more."""
        bucket, key = self.buckets[label], self.users[user]
        return pulumi.Output.json_dumps(
            {
                "endpoint": bucket.endpoint,
                "region": bucket.region.lower(),
                "bucket": bucket.name,
                "access_key": key.access_key,
                "secret_key": key.secret_key,
            }
        )


def declare_bucket(
    component: Component[Any], project: str, region: str, label: str, name: str, wanted: BucketArgs
) -> Bucket:
    """Declare one, as the component's child NAME-LABEL."""
    lock, copies = wanted.object_lock, wanted.replication
    storage = ovh.cloudproject.Storage(
        f"{component.name}-{label}",
        service_name=project,
        region_name=region,
        # Given in full, for the provider would add a random suffix.
        name=name,
        versioning={"status": "enabled" if wanted.versioning else "disabled"},
        encryption={"sse_algorithm": wanted.encryption},
        object_lock={"status": "enabled", "rule": {"mode": lock.mode, "period": f"P{lock.days}D"}} if lock else None,
        replication={"rules": [_replication(copies)]} if copies else None,
        # The state is no place for a bucket's list of objects.
        hide_objects=True,
        limit=1,
        # The API answers with an owner that was never given, and the next plan wants it gone.
        opts=component.child(ignore_changes=["owner_id"], protect=wanted.keep),
    )
    if wanted.lifecycle:
        ovh.CloudProjectStorageObjectBucketLifecycleConfiguration(
            f"{component.name}-{label}-lifecycle",
            service_name=project,
            region_name=region,
            container_name=storage.name,
            rules=[_lifecycle(rule, deletes) for rule, deletes in wanted.lifecycle.items()],
            opts=component.child(protect=wanted.keep),
        )
    return Bucket(name, region, storage.virtual_host.apply(lambda host: endpoint(host, name)))


def declare_user(component: Component[Any], project: str, user: str, statements: Iterable[Statement]) -> BucketUser:
    """Declare a user, as the component's child NAME-USER: whatever the statements do not allow is refused."""
    account = ovh.cloudproject.User(
        f"{component.name}-{user}",
        service_name=project,
        description=f"{component.name}-{user}",
        # S3 asks for it. Swift as well, where its password would open every container: nobody is given that.
        role_names=["objectstore_operator"],
        opts=component.child(),
    )
    key = ovh.cloudproject.S3Credential(
        f"{component.name}-{user}", service_name=project, user_id=account.id, opts=component.child()
    )
    rights = ovh.cloudproject.S3Policy(
        f"{component.name}-{user}",
        service_name=project,
        user_id=account.id,
        policy=json.dumps({"Statement": list(statements)}),
        opts=component.child(),
    )
    # Whoever waits for the key waits for its rights as well.
    access_key = pulumi.Output.all(key.access_key_id, rights.id).apply(lambda both: str(both[0]))
    return BucketUser(access_key, pulumi.Output.secret(key.secret_access_key))


def endpoint(virtual_host: str, bucket: str) -> str:
    """The S3 endpoint in a bucket's own address: https://BUCKET.s3.gra.io.cloud.ovh.net/ without the bucket."""
    host = virtual_host.removeprefix("https://").rstrip("/")
    return f"https://{host.removeprefix(f'{bucket}.')}"


def statement(what: str, actions: Iterable[str], *resources: str, effect: str = "Allow") -> Statement:
    """One of a policy's; resources are a bucket's name, or NAME/KEYS for objects of it."""
    found = [f"arn:aws:s3:::{resource}" for resource in resources]
    return {"Sid": what, "Effect": effect, "Action": list(actions), "Resource": found}


def _rights(user: str, buckets: dict[str, BucketArgs]) -> Iterable[Statement]:
    for name, wanted in buckets.items():
        for kind, users, actions in (("read", wanted.readers, READ), ("write", wanted.writers, (*ADD, *DELETE))):
            if user in users:
                yield statement(f"{kind}-{name}", (*LIST, *actions), name, f"{name}/*")


def _lifecycle(
    name: str, deletes: LifecycleArgs
) -> ovh.CloudProjectStorageObjectBucketLifecycleConfigurationRuleArgsDict:
    days, old = deletes.expire_days, deletes.noncurrent_days
    return {
        "id": name,
        "status": "enabled",
        "filter": {"prefix": deletes.prefix},
        **({"expiration": {"days": days}} if days else {}),
        **({"noncurrent_version_expiration": {"noncurrent_days": old}} if old else {}),
    }


def _replication(copies: ReplicationArgs) -> ovh.cloudproject.StorageReplicationRuleArgsDict:
    """Every field filled: the provider fails on what is left out (terraform-provider-ovh#1026)."""
    return {
        "id": copies.bucket,
        "priority": 1,
        "status": "enabled",
        "delete_marker_replication": "enabled" if copies.delete_markers else "disabled",
        "destination": {
            "name": copies.bucket,
            "region": copies.region,
            "storage_class": copies.storage_class,
            "remove_on_main_bucket_deletion": False,
        },
        "filter": {"prefix": copies.prefix, "tags": {}},
    }
