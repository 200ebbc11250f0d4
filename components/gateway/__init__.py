"""The one machine through which a private network leaves, and administrators enter."""

from casebook.gateway.args import Forward, GatewayArgs, Vpn, WireGuardKey
from casebook.gateway.component import Gateway

__all__ = ["Forward", "Gateway", "GatewayArgs", "Vpn", "WireGuardKey"]
