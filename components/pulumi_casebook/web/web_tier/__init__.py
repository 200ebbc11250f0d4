"""Web servers that hold a whole site, fetched from its back office."""

from pulumi_casebook.web.web_tier.component import WebTier, WebTierArgs

__all__ = ["WebTier", "WebTierArgs"]
