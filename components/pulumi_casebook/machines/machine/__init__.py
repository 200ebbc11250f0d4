"""Machines: something with an address that takes a configuration."""

from pulumi_casebook.machines.machine.adopted import DedicatedServer, Vps, rented_server, rented_vps
from pulumi_casebook.machines.machine.args import DedicatedServerArgs, InstanceGroupArgs, VpsArgs
from pulumi_casebook.machines.machine.base import Machine
from pulumi_casebook.machines.machine.instance import Instance, InstanceGroup, offered_image, offered_network
from pulumi_casebook.machines.machine.tier import PrivateMachines, one_after_another

__all__ = [
    "DedicatedServer",
    "DedicatedServerArgs",
    "Instance",
    "InstanceGroup",
    "InstanceGroupArgs",
    "Machine",
    "PrivateMachines",
    "Vps",
    "VpsArgs",
    "offered_image",
    "offered_network",
    "one_after_another",
    "rented_server",
    "rented_vps",
]
