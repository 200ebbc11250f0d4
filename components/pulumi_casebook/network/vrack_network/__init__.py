"""A private network in a vRack."""

from pulumi_casebook.network.vrack_network.component import VrackNetwork, VrackNetworkArgs, regions_of

__all__ = ["VrackNetwork", "VrackNetworkArgs", "regions_of"]
