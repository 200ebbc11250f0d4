"""Backups of files and databases, with restic, to a storage server or to object storage."""

from pulumi_casebook.backups.backup.args import BackupArgs, BucketRepository, RetentionArgs
from pulumi_casebook.backups.backup.component import Backup, monitored
from pulumi_casebook.backups.backup.server import BackupServer, BackupServerArgs

__all__ = ["Backup", "BackupArgs", "BackupServer", "BackupServerArgs", "BucketRepository", "RetentionArgs", "monitored"]
