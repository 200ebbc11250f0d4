"""An additional IP of OVHcloud that moves between machines."""

from casebook.failover_ip.component import FailoverIp, FailoverIpArgs

__all__ = ["FailoverIp", "FailoverIpArgs"]
