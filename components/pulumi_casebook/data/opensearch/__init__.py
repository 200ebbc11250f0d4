"""The search engine that `SearchPair` and `Logs` stand on."""

from pulumi_casebook.data.opensearch.engine import HTTP_PORT, TRANSPORT_PORT, engine

__all__ = ["HTTP_PORT", "TRANSPORT_PORT", "engine"]
