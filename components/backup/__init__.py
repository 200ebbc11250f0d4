"""Backups of files and databases, with restic to object storage."""

from casebook.backup.component import Backup, BackupArgs, RetentionArgs

__all__ = ["Backup", "BackupArgs", "RetentionArgs"]
