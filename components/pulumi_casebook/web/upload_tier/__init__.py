"""A web application that lets browsers upload to object storage and view from it."""

from pulumi_casebook.web.upload_tier.component import UploadTier, UploadTierArgs

__all__ = ["UploadTier", "UploadTierArgs"]
