"""The one machine through which a private network leaves, and administrators enter."""

from pulumi_casebook.edge.gateway.args import Forward, GatewayArgs, Vpn, WireGuardKey
from pulumi_casebook.edge.gateway.component import Gateway

__all__ = ["Forward", "Gateway", "GatewayArgs", "Vpn", "WireGuardKey"]
