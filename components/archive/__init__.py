"""Copies of databases and files as objects that delete themselves."""

from casebook.archive.args import ArchiveArgs
from casebook.archive.component import Archive

__all__ = ["Archive", "ArchiveArgs"]
