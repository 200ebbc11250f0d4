"""Two search servers, each of which can do the whole work."""

from pulumi_casebook.data.search_pair.args import SearchPairArgs
from pulumi_casebook.data.search_pair.component import SearchPair

__all__ = ["SearchPair", "SearchPairArgs"]
