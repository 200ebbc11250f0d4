"""Web servers that hold a whole site, fetched from its back office."""

from casebook.web_tier.component import WebTier, WebTierArgs

__all__ = ["WebTier", "WebTierArgs"]
