"""A cluster of Tomcat."""

from pulumi_casebook.web.tomcat_tier.component import TomcatTier, TomcatTierArgs

__all__ = ["TomcatTier", "TomcatTierArgs"]
