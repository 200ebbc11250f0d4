"""HAProxy in front of machines of a private network."""

from pulumi_casebook.edge.haproxy_tier.args import Backend, Frontend, HaproxyTierArgs, Route, Timeouts
from pulumi_casebook.edge.haproxy_tier.component import HaproxyTier

__all__ = ["Backend", "Frontend", "HaproxyTier", "HaproxyTierArgs", "Route", "Timeouts"]
