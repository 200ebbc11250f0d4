"""A cluster of Tomcat."""

from casebook.tomcat_tier.component import TomcatTier, TomcatTierArgs

__all__ = ["TomcatTier", "TomcatTierArgs"]
