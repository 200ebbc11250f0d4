"""Backups of files and databases, with restic, to a storage server or to object storage."""

from pulumi_casebook.backups.backup.args import BackupArgs, RetentionArgs
from pulumi_casebook.backups.backup.bucket import BackupBucket, BackupBucketArgs
from pulumi_casebook.backups.backup.component import Backup, monitored
from pulumi_casebook.backups.backup.server import BackupServer, BackupServerArgs

__all__ = [
    "Backup",
    "BackupArgs",
    "BackupBucket",
    "BackupBucketArgs",
    "BackupServer",
    "BackupServerArgs",
    "RetentionArgs",
    "monitored",
]
