"""A content delivery network's name for what a stack serves."""

from casebook.cdn.component import Cdn, CdnArgs

__all__ = ["Cdn", "CdnArgs"]
