"""Which wire a Neutron network is: the key of its bridge (wires.py)."""

from sandbox import INTERNET
from sandbox.wires import vrack

DETAIL = "wire"  # of a port's binding:vif_details; holds the key


def key(network_id: str, kind: str, physical_network: str | None, segment: int | None) -> str:
    """A provider network of a vRack is that vRack's VLAN; one without VLAN is the vRack's untagged network.

    A vRack is the same wire in every region, and each region's part of it a physical network: `pn-1001@GRA11`.
    """
    if physical_network == INTERNET:
        return INTERNET
    if physical_network and kind in ("flat", "vlan"):
        return vrack(physical_network.partition("@")[0], segment or 0)
    return network_id
