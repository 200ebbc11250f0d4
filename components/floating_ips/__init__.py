"""Public addresses on addresses of a private network that move between machines."""

from casebook.floating_ips.args import FloatingIpsArgs
from casebook.floating_ips.component import FloatingIps

__all__ = ["FloatingIps", "FloatingIpsArgs"]
