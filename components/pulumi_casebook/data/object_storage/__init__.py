"""S3 buckets of OVHcloud's Public Cloud."""

from pulumi_casebook.data.object_storage.args import (
    BucketArgs,
    LifecycleArgs,
    ObjectLockArgs,
    ObjectStorageArgs,
    Region,
    ReplicationArgs,
)
from pulumi_casebook.data.object_storage.component import Bucket, BucketUser, ObjectStorage

__all__ = [
    "Bucket",
    "BucketArgs",
    "BucketUser",
    "LifecycleArgs",
    "ObjectLockArgs",
    "ObjectStorage",
    "ObjectStorageArgs",
    "Region",
    "ReplicationArgs",
]
