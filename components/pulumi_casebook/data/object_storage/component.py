"""S3 buckets, and users who can do in them what they must and no more."""

import json
from typing import NamedTuple

import pulumi
import pulumi_ovh as ovh

from pulumi_casebook.core.component import Component, takes
from pulumi_casebook.data.object_storage.args import BucketArgs, LifecycleArgs, ObjectStorageArgs, ReplicationArgs

# docs.ovh.com "Object Storage - Identity and access management": its read-only and read-write examples.
_LIST = ("s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:ListMultipartUploadParts", "s3:GetBucketLocation")
_READ = ("s3:GetObject", *_LIST)
_WRITE = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", *_LIST)


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
        self.buckets = {label: self._bucket(args, label) for label in args.buckets}
        users = {user for bucket in args.buckets.values() for user in (*bucket.readers, *bucket.writers)}
        self.users = {user: self._user(args, user) for user in sorted(users)}

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

    def _bucket(self, args: ObjectStorageArgs, label: str) -> Bucket:
        wanted, name = args.buckets[label], args.bucket_name(label)
        lock, copies = wanted.object_lock, wanted.replication
        storage = ovh.cloudproject.Storage(
            f"{self.name}-{label}",
            service_name=args.project,
            region_name=args.region,
            # Given in full, for the provider would add a random suffix.
            name=name,
            versioning={"status": "enabled" if wanted.versioning else "disabled"},
            encryption={"sse_algorithm": wanted.encryption},
            object_lock={"status": "enabled", "rule": {"mode": lock.mode, "period": f"P{lock.days}D"}}
            if lock
            else None,
            replication={"rules": [_replication(copies)]} if copies else None,
            # The state is no place for a bucket's list of objects.
            hide_objects=True,
            limit=1,
            # The API answers with an owner that was never given, and the next plan wants it gone.
            opts=self.child(ignore_changes=["owner_id"], retain_on_delete=wanted.keep),
        )
        if wanted.lifecycle:
            ovh.CloudProjectStorageObjectBucketLifecycleConfiguration(
                f"{self.name}-{label}-lifecycle",
                service_name=args.project,
                region_name=args.region,
                container_name=storage.name,
                rules=[_lifecycle(rule, deletes) for rule, deletes in wanted.lifecycle.items()],
                opts=self.child(retain_on_delete=wanted.keep),
            )
        return Bucket(name, args.region, storage.virtual_host.apply(lambda host: endpoint(host, name)))

    def _user(self, args: ObjectStorageArgs, user: str) -> BucketUser:
        account = ovh.cloudproject.User(
            f"{self.name}-{user}",
            service_name=args.project,
            description=f"{self.name}-{user}",
            role_names=["objectstore_operator"],
            opts=self.child(),
        )
        key = ovh.cloudproject.S3Credential(
            f"{self.name}-{user}", service_name=args.project, user_id=account.id, opts=self.child()
        )
        rights = ovh.cloudproject.S3Policy(
            f"{self.name}-{user}",
            service_name=args.project,
            user_id=account.id,
            policy=policy(user, {args.bucket_name(label): bucket for label, bucket in args.buckets.items()}),
            opts=self.child(),
        )
        # Whoever waits for the key waits for its rights as well.
        access_key = pulumi.Output.all(key.access_key_id, rights.id).apply(lambda both: str(both[0]))
        return BucketUser(access_key, pulumi.Output.secret(key.secret_access_key))


def endpoint(virtual_host: str, bucket: str) -> str:
    """The S3 endpoint in a bucket's own address: https://BUCKET.s3.gra.io.cloud.ovh.net/ without the bucket."""
    host = virtual_host.removeprefix("https://").rstrip("/")
    return f"https://{host.removeprefix(f'{bucket}.')}"


def policy(user: str, buckets: dict[str, BucketArgs]) -> str:
    """The S3 policy of one user, as JSON: whatever it does not allow is refused."""
    statements = [
        {
            "Sid": f"{kind}-{name}",
            "Effect": "Allow",
            "Action": list(actions),
            "Resource": [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"],
        }
        for name, bucket in buckets.items()
        for kind, users, actions in (("read", bucket.readers, _READ), ("write", bucket.writers, _WRITE))
        if user in users
    ]
    return json.dumps({"Statement": statements})


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
