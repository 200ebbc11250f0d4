"""Backups of files and databases, with restic, to a storage server or to object storage."""

from casebook.backup.args import BackupArgs, BucketRepository, RetentionArgs
from casebook.backup.component import Backup
from casebook.backup.server import BackupServer, BackupServerArgs

__all__ = ["Backup", "BackupArgs", "BackupServer", "BackupServerArgs", "BucketRepository", "RetentionArgs"]
