"""A private network in a vRack."""

from casebook.vrack_network.component import PrivateCidr, VrackNetwork, VrackNetworkArgs

__all__ = ["PrivateCidr", "VrackNetwork", "VrackNetworkArgs"]
