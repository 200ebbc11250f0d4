"""An additional IP of OVHcloud that moves between machines."""

from pulumi_casebook.edge.failover_ip.component import FailoverIp, FailoverIpArgs

__all__ = ["FailoverIp", "FailoverIpArgs"]
