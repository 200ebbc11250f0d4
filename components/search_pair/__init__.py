"""Two search servers, each of which can do the whole work."""

from casebook.search_pair.args import SearchPairArgs
from casebook.search_pair.component import SearchPair

__all__ = ["SearchPair", "SearchPairArgs"]
