"""Shared files on a NAS-HA."""

from casebook.nas.component import Nas, NasArgs

__all__ = ["Nas", "NasArgs"]
