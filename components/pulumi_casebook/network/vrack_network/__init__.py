"""A private network in a vRack."""

from pulumi_casebook.network.vrack_network.component import PrivateCidr, VrackNetwork, VrackNetworkArgs

__all__ = ["PrivateCidr", "VrackNetwork", "VrackNetworkArgs"]
