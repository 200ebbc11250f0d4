"""Caching name servers of a private network."""

from pulumi_casebook.edge.resolver.args import ResolverArgs
from pulumi_casebook.edge.resolver.component import Resolver

__all__ = ["Resolver", "ResolverArgs"]
