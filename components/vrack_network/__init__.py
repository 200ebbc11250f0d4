"""A private network in a vRack."""

from casebook.vrack_network.component import VrackNetwork, VrackNetworkArgs

__all__ = ["VrackNetwork", "VrackNetworkArgs"]
