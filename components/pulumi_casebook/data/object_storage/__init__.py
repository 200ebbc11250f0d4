"""S3 buckets of OVHcloud's Public Cloud."""

from pulumi_casebook.data.object_storage.args import (
    BucketArgs,
    BucketName,
    Days,
    LifecycleArgs,
    ObjectLockArgs,
    ObjectStorageArgs,
    Region,
    ReplicationArgs,
)
from pulumi_casebook.data.object_storage.component import (
    ADD,
    DELETE,
    LIST,
    READ,
    Bucket,
    BucketUser,
    ObjectStorage,
    Statement,
    declare_bucket,
    declare_user,
    statement,
)

__all__ = [
    "ADD",
    "DELETE",
    "LIST",
    "READ",
    "Bucket",
    "BucketArgs",
    "BucketName",
    "BucketUser",
    "Days",
    "LifecycleArgs",
    "ObjectLockArgs",
    "ObjectStorage",
    "ObjectStorageArgs",
    "Region",
    "ReplicationArgs",
    "Statement",
    "declare_bucket",
    "declare_user",
    "statement",
]
