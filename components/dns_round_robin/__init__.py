"""One name for several addresses."""

from casebook.dns_round_robin.args import DnsRoundRobinArgs
from casebook.dns_round_robin.component import DnsRoundRobin

__all__ = ["DnsRoundRobin", "DnsRoundRobinArgs"]
