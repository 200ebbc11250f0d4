"""A content delivery network's name for what a stack serves."""

from pulumi_casebook.network.cdn.component import Cdn, CdnArgs

__all__ = ["Cdn", "CdnArgs"]
