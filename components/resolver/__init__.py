"""Caching name servers of a private network."""

from casebook.resolver.args import ResolverArgs
from casebook.resolver.component import Resolver

__all__ = ["Resolver", "ResolverArgs"]
