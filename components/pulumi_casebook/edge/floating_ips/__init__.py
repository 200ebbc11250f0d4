"""Public addresses on addresses of a private network that move between machines."""

from pulumi_casebook.edge.floating_ips.args import FloatingIpsArgs
from pulumi_casebook.edge.floating_ips.component import FloatingIps

__all__ = ["FloatingIps", "FloatingIpsArgs"]
