"""The search engine that `SearchPair` and `Logs` stand on."""

from casebook.opensearch.engine import HTTP_PORT, TRANSPORT_PORT, engine

__all__ = ["HTTP_PORT", "TRANSPORT_PORT", "engine"]
