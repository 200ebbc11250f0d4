"""Arguments of object storage."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from pulumi_casebook.core.args import Args, Label, Line, Project, Unique
from pulumi_casebook.core.component import Claim, ComponentArgs

# help.ovhcloud.com "Object Storage - Endpoints and Object Storage geoavailability". Not the names of compute regions.
REGIONS = (
    *("BHS", "CA-EAST-TOR", "DE", "EU-SOUTH-MIL", "EU-WEST-PAR", "GRA", "RBX"),
    *("SBG", "SGP", "SYD", "UK", "US-EAST-VA", "US-WEST-OR", "WAW"),
)


def _region(value: str) -> str:
    if value not in REGIONS:
        raise ValueError(
            f"not a region of object storage; it has {', '.join(REGIONS)} (a compute region such as GRA11 is not one)"
        )
    return value


def _bucket_name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", value) or ".." in value:
        raise ValueError(
            "S3 wants 3 to 63 lower-case letters, digits, dashes and single dots, a letter or digit at both ends"
        )
    if re.fullmatch(r"[0-9]+(\.[0-9]+){3}", value):
        raise ValueError("S3 refuses a name that looks like an IPv4 address")
    return value


Region = Annotated[str, AfterValidator(_region)]
BucketName = Annotated[str, AfterValidator(_bucket_name)]
Days = Annotated[int, Field(ge=1)]


class LifecycleArgs(Args):
    """What the platform deletes by itself."""

    # Only keys that begin with this; all of them by default.
    prefix: Line = ""
    # Days after which an object is deleted.
    expire_days: Days | None = None
    # Days after which a version that is no longer the current one is deleted.
    noncurrent_days: Days | None = None

    @model_validator(mode="after")
    def _deletes_something(self) -> "LifecycleArgs":
        if not (self.expire_days or self.noncurrent_days):
            raise ValueError("give expire_days, noncurrent_days or both: a rule without either deletes nothing")
        return self


class ObjectLockArgs(Args):
    """Write once, read many: no object can be deleted before its time. It cannot be switched off again."""

    # compliance: nobody can lift it; governance: users with a special right can.
    mode: Literal["governance", "compliance"] = "governance"
    # Days for which a new object cannot be deleted.
    days: Days


class ReplicationArgs(Args):
    """Copies of all objects in a bucket of another region, made by the platform."""

    # A bucket that exists and has versioning.
    bucket: BucketName
    # Where that bucket is.
    region: Region
    # How its copies are kept.
    storage_class: Literal["STANDARD", "STANDARD_IA", "HIGH_PERF"] = "STANDARD"
    # Only keys that begin with this; all of them by default.
    prefix: Line = ""
    # Whether a deletion is copied as well.
    delete_markers: bool = True


class BucketArgs(Args):
    """One bucket and who may use it."""

    # Bucket names are OVHcloud's, not yours: no two customers have the same. Without one: "<prefix>-<label>".
    name: BucketName | None = None
    # Keep what is overwritten or deleted as an older version.
    versioning: bool = False
    # At rest, with the platform's keys.
    encryption: Literal["AES256", "plaintext"] = "AES256"
    # Rule's name -> what it deletes.
    lifecycle: Mapping[Label, LifecycleArgs] = {}
    # For how long nobody can delete.
    object_lock: ObjectLockArgs | None = None
    # Copies in another region.
    replication: ReplicationArgs | None = None
    # Users who may list and read.
    readers: Unique[Label] = ()
    # Users who may list, read, write and delete.
    writers: Unique[Label] = ()
    # Refuse to delete the bucket and its objects, also when the stack is destroyed (Pulumi's `protect`). Otherwise the
    # provider empties and deletes it.
    keep: bool = False

    @model_validator(mode="after")
    def _versions(self) -> "BucketArgs":
        for field in ("object_lock", "replication"):
            if getattr(self, field) and not self.versioning:
                raise ValueError(f"{field}: needs versioning=True, for it works on versions of objects")
        if any(rule.noncurrent_days for rule in self.lifecycle.values()) and not self.versioning:
            raise ValueError(
                "lifecycle: noncurrent_days needs versioning=True, else there is no version but the current"
            )
        both = sorted({*self.readers} & {*self.writers})
        if both:
            raise ValueError(f"readers and writers: {', '.join(both)} is both; a writer reads as well")
        return self


class ObjectStorageArgs(ComponentArgs):
    """Buckets of one region."""

    # The Public Cloud project, which is adopted.
    project: Project
    # A region of object storage: GRA, RBX, SBG, BHS, ...
    region: Region
    # Put before the label of every bucket that has no name of its own.
    prefix: Label | None = None
    # Label, which programs use, -> bucket.
    buckets: Mapping[Label, BucketArgs] = Field(min_length=1)

    @field_validator("buckets")
    @classmethod
    def _distinct(cls, value: Mapping[str, BucketArgs]) -> Mapping[str, BucketArgs]:
        names = [bucket.name for bucket in value.values() if bucket.name]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"the name {name!r} is given twice")
        return value

    @model_validator(mode="after")
    def _named(self) -> "ObjectStorageArgs":
        for label, bucket in self.buckets.items():
            if not bucket.name and not self.prefix:
                raise ValueError(
                    f"buckets.{label}.name: missing; bucket names are shared by all of OVHcloud's customers: "
                    "give it a name, or all of them a prefix that is yours"
                )
            _bucket_name(self.bucket_name(label))
        return self

    def claims(self, name: str) -> Iterator[Claim]:  # noqa: ARG002
        for label in self.buckets:
            yield Claim("bucket", bucket := self.bucket_name(label), f"buckets.{label}={bucket}")

    def bucket_name(self, label: str) -> str:
        """The name in OVHcloud of the bucket with this label."""
        return self.buckets[label].name or f"{self.prefix}-{label}"
