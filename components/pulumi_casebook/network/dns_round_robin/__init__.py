"""One name for several addresses."""

from pulumi_casebook.network.dns_round_robin.args import DnsRoundRobinArgs
from pulumi_casebook.network.dns_round_robin.component import DnsRoundRobin

__all__ = ["DnsRoundRobin", "DnsRoundRobinArgs"]
