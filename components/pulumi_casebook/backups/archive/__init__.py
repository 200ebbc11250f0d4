"""Copies of databases and files as objects that delete themselves."""

from pulumi_casebook.backups.archive.args import ArchiveArgs
from pulumi_casebook.backups.archive.component import Archive

__all__ = ["Archive", "ArchiveArgs"]
