"""Shared files on a NAS-HA."""

from pulumi_casebook.data.nas.component import Nas, NasArgs

__all__ = ["Nas", "NasArgs"]
