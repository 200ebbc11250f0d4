"""A private network in a vRack."""

from pulumi_casebook.network.vrack_network.component import PrivateCidr, VrackNetwork, VrackNetworkArgs, regions_of

__all__ = ["PrivateCidr", "VrackNetwork", "VrackNetworkArgs", "regions_of"]
