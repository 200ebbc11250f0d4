"""Shared files on a NAS-HA."""

from pulumi_casebook.data.nas.component import Nas, NasArgs, rented_nas

__all__ = ["Nas", "NasArgs", "rented_nas"]
