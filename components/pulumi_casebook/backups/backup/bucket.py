"""A bucket that backups and archives go to, out of which no machine that saves can take them away."""

import json
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

import pulumi

from pulumi_casebook.backups.backup.calendar import Calendar
from pulumi_casebook.backups.backup.keeper import Keeper, figures_of, keeper
from pulumi_casebook.core.args import InputError, Label, Project
from pulumi_casebook.core.component import Component, takes
from pulumi_casebook.data.object_storage import (
    ADD,
    DELETE,
    LIST,
    BucketArgs,
    BucketName,
    BucketUser,
    Days,
    LifecycleArgs,
    Region,
    Statement,
    declare_bucket,
    declare_user,
    statement,
)
from pulumi_casebook.machines.configuration import Configuration, Directory, File, Ready
from pulumi_casebook.machines.machine import Machine
from pulumi_casebook.machines.site import Monitored

PROGRAM = "backup-bucket"
ACCOUNTS = f"/etc/casebook/{PROGRAM}"
# Where archives are: ARCHIVES/NAME/TIME. Repositories are at NAME.
ARCHIVES = "archives"
# What ends versions, or lets them be ended. It is denied, and not merely never allowed: where a policy is silent
# OVHcloud goes on to the bucket's access list, and that lets its owner do all.
ENDS = (
    *("s3:DeleteBucket", "s3:PutBucketAcl", "s3:PutBucketVersioning", "s3:PutLifecycleConfiguration"),
    *("s3:PutReplicationConfiguration", "s3:PutBucketObjectLockConfiguration", "s3:BypassGovernanceRetention"),
    *("s3:PutObjectRetention", "s3:PutObjectLegalHold", "s3:PutObjectAcl"),
)
# All that restic makes but its locks, of any repository.
OF_RESTIC = ("config", "data/*", "index/*", "keys/*", "snapshots/*")


class BackupBucketArgs(Keeper):
    """One bucket that keeps backups and archives."""

    # The Public Cloud project, which is adopted.
    project: Project
    # A region of object storage: GRA, RBX, SBG, BHS, ...
    region: Region
    # Its name, of which no two customers have the same.
    bucket: BucketName
    # Who prunes and verifies what `Backup` saves here, by a key of its own: a machine that saves nothing here itself,
    # such as the one that watches. Archives need nobody: the platform deletes them.
    pruner: Machine | None = None
    # Archive's name -> days after which the platform deletes each of its copies; None: they are kept.
    archives: Mapping[Label, Days | None] = {}
    # For how many days what was deleted or overwritten can be had again, whoever did it.
    undo_days: Days = 30
    # When repositories are pruned to what their retention keeps: a calendar expression of systemd.
    pruning: Calendar = "*-*-* 05:50"
    # Refuse to delete the bucket, also when the stack is destroyed (Pulumi's `protect`).
    keep: bool = True


class Place(NamedTuple):
    """Where a backup or an archive goes, and the key that adds to it and deletes nothing."""

    bucket: str
    # For S3's signature.
    region: str
    # https://s3.<region>.io.cloud.ovh.net
    endpoint: pulumi.Output[str]
    # What its keys begin with.
    prefix: str
    user: BucketUser


def saver(bucket: str, name: str) -> list[Statement]:
    """What a machine may with the repository NAME: read, add, and take restic's locks away again."""
    return [
        statement("list", LIST, bucket),
        statement("add", ADD, f"{bucket}/{name}/*"),
        statement("unlock", DELETE, f"{bucket}/{name}/locks/*"),
        statement("end", ENDS, bucket, f"{bucket}/*", effect="Deny"),
        statement(
            "delete", DELETE, f"{bucket}/{ARCHIVES}/*", *(f"{bucket}/*/{keys}" for keys in OF_RESTIC), effect="Deny"
        ),
    ]


def archiver(bucket: str, name: str) -> list[Statement]:
    """What a machine may with the archive NAME: read and add."""
    return [
        statement("list", LIST, bucket),
        statement("add", ADD, f"{bucket}/{ARCHIVES}/{name}/*"),
        statement("end", (*ENDS, *DELETE), bucket, f"{bucket}/*", effect="Deny"),
    ]


def pruner(bucket: str) -> list[Statement]:
    """What the pruning machine may: see older versions, too, and delete; not archives, and not what undoes it."""
    return [
        statement("list", (*LIST, "s3:ListBucketVersions"), bucket),
        statement("prune", (*ADD, *DELETE), f"{bucket}/*"),
        statement("end", ENDS, bucket, f"{bucket}/*", effect="Deny"),
        statement("delete", DELETE, f"{bucket}/{ARCHIVES}/*", effect="Deny"),
    ]


def _once_plain(resource: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
    """Earlier releases had an `ObjectStorage` in its place."""
    if resource.type_ != "casebook:index:BackupBucket":
        return None
    former = pulumi.ResourceOptions(aliases=[pulumi.Alias(type_="casebook:index:ObjectStorage")])
    return pulumi.ResourceTransformationResult(resource.props, pulumi.ResourceOptions.merge(resource.opts, former))


class BackupBucket(Component[BackupBucketArgs]):
    """A bucket of OVHcloud's object storage: give it to the `to` of every `Backup` and `Archive`.

    Each of them has a user of its own, whose policy lets it read and add below its own name. It deletes nothing (restic
    its locks), and what it overwrites stays as an older version for `undo_days`. Another machine prunes and verifies
    repositories; the platform deletes archives.

    Declares `CloudProject.Storage` with versioning and its lifecycle configuration, both protected; for each backup,
    each archive and the pruner `CloudProject.User`, `S3Credential` and `S3Policy`; on the pruner the role
    `backup-bucket` and for each backup `backup-of-NAME`. Attribute: `watches`, what `Monitoring` watches of it: nothing
    without a pruner.
    Sources: SOF-8, ERP-10, NRT-12; docs/adr/0019.
    """

    transformations: ClassVar[list[pulumi.ResourceTransformation]] = [_once_plain]

    @takes(BackupBucketArgs)
    def __init__(self, args: BackupBucketArgs) -> None:
        self._args = args
        rules = {"undo": LifecycleArgs(noncurrent_days=args.undo_days)} | {
            name: LifecycleArgs(prefix=f"{ARCHIVES}/{name}/", expire_days=days)
            for name, days in args.archives.items()
            if days
        }
        wanted = BucketArgs(versioning=True, lifecycle=rules, keep=args.keep)
        self._bucket = declare_bucket(self, args.project, args.region, "backups", args.bucket, wanted)
        self.watches: list[Monitored] = []
        # Of each backup that is admitted.
        self._figures: list[str] = []
        if args.pruner:
            self._prunes = declare_user(self, args.project, "pruner", pruner(args.bucket))
            role = keeper(args, PROGRAM, directories=[Directory(path=ACCOUNTS, mode="0700")])
            self._keeps = args.pruner.configure(role, role=PROGRAM, opts=self.child()).applied
            self.watches.append(args.watched(f"{PROGRAM}-{self.name}", args.pruner, self._figures))

    def admit(
        self,
        name: str,
        machine: Machine,
        *,
        password: pulumi.Output[str],
        keep: list[str],
        opts: pulumi.ResourceOptions,
    ) -> tuple[Place, pulumi.Resource]:
        """Give a machine a repository; what prunes it is there then."""
        if self._args.pruner is None:
            raise InputError(f"Backup {name!r}: to={self.name}: nobody prunes there; give it a machine as its pruner")
        if name in (ARCHIVES, "pruner"):
            raise InputError(f"Backup {name!r}: a bucket has something else of this name")
        self._figures += figures_of(name)
        place = self._place(machine, name, name, saver(self._args.bucket, name))
        admitted = self._args.pruner.configure(
            account(name, place, keep),
            role=f"backup-of-{name}",
            secrets={
                "password": password,
                "endpoint": place.endpoint,
                "access_key": self._prunes.access_key,
                "secret_key": self._prunes.secret_key,
            },
            opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[self._keeps])),
        ).applied
        return place, admitted

    def admit_archive(self, name: str, machine: Machine) -> Place:
        """Give a machine a place for copies that depend on nothing."""
        if name not in self._args.archives:
            known = ", ".join(self._args.archives) or "none"
            raise InputError(
                f"Archive {name!r}: to={self.name}: archives there are {known}; say in its archives for how many days "
                "a copy is kept, or None"
            )
        rights = archiver(self._args.bucket, name)
        return self._place(machine, f"archive-{name}", f"{ARCHIVES}/{name}", rights)

    def _place(self, machine: Machine, user: str, prefix: str, rights: list[Statement]) -> Place:
        if machine is self._args.pruner:
            raise InputError(
                f"BackupBucket {self.name!r}: pruner={machine.name}: it saves {prefix} here; whoever has it would have "
                "the data and the key that deletes its copies"
            )
        key = declare_user(self, self._args.project, user, rights)
        return Place(self._bucket.name, self._args.region.lower(), self._bucket.endpoint, prefix, key)

    def expire_days(self, archive: str) -> int | None:
        """After how many days the platform deletes an archive's copies."""
        return self._args.archives[archive]


def account(name: str, place: Place, keep: list[str]) -> Configuration:
    """The role that prunes one repository."""
    settings = {
        "bucket": place.bucket,
        "prefix": place.prefix,
        "region": place.region,
        "keep": keep,
        "endpoint": "@secret(endpoint:json)@",
        "password": "@secret(password:json)@",
        "access_key": "@secret(access_key:json)@",
        "secret_key": "@secret(secret_key:json)@",
    }
    content = json.dumps(settings, indent=1) + "\n"
    return Configuration(
        role=f"backup-of-{name}",
        files=(File(path=f"{ACCOUNTS}/{name}.json", content=content, mode="0600"),),
        # A new key is not known everywhere at once.
        ready=Ready(command=f"/usr/local/sbin/{PROGRAM} admit {name}", seconds=120),
    )
