"""What S3 policies of OVHcloud's users say: the actions that they may name, and how they are judged.

Sources: help.ovhcloud.com "Object Storage - Identity and access management". There is no action for versions: who may
read, or delete, an object may do so with each version of it.
"""

import fnmatch
from typing import Any

NAMES = """
AbortMultipartUpload BypassGovernanceRetention CreateBucket DeleteBucket DeleteBucketTagging DeleteBucketWebsite
DeleteObject DeleteObjectTagging GetBucketAcl GetBucketCORS GetBucketLocation GetBucketLogging
GetBucketObjectLockConfiguration GetBucketTagging GetBucketVersioning GetBucketWebsite GetEncryptionConfiguration
GetIntelligentTieringConfiguration GetLifecycleConfiguration GetObject GetObjectAcl GetObjectLegalHold
GetObjectRetention GetObjectTagging GetReplicationConfiguration ListAllMyBuckets ListBucket
ListBucketMultipartUploads ListBucketVersions ListMultipartUploadParts PutBucketAcl PutBucketCORS PutBucketLogging
PutBucketObjectLockConfiguration PutBucketTagging PutBucketVersioning PutBucketWebsite PutEncryptionConfiguration
PutIntelligentTieringConfiguration PutLifecycleConfiguration PutObject PutObjectAcl PutObjectLegalHold
PutObjectRetention PutObjectTagging PutReplicationConfiguration
"""
ACTIONS = frozenset(f"s3:{name}" for name in NAMES.split())


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def named(pattern: str) -> bool:
    """Whether there are actions of this name."""
    return any(fnmatch.fnmatchcase(action, pattern) for action in ACTIONS)


def judged(policy: dict[str, Any], action: str, resource: str) -> bool | None:
    """Whether a policy allows an action on a bucket (its name) or an object (NAME/KEY). A denial wins; None: it is
    silent, and the bucket's access list decides, which lets its owner do all."""
    effects = {
        statement["Effect"]
        for statement in policy["Statement"]
        if any(fnmatch.fnmatchcase(action, pattern) for pattern in listed(statement["Action"]))
        and any(
            fnmatch.fnmatchcase(resource, pattern.removeprefix("arn:aws:s3:::"))
            for pattern in listed(statement["Resource"])
        )
    }
    if "Deny" in effects:
        return False
    return True if "Allow" in effects else None
