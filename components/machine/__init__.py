"""Machines: something with an address that takes a configuration."""

from casebook.machine.adopted import DedicatedServer, Vps
from casebook.machine.args import DedicatedServerArgs, InstanceGroupArgs, VpsArgs
from casebook.machine.base import Machine
from casebook.machine.instance import Instance, InstanceGroup

__all__ = [
    "DedicatedServer",
    "DedicatedServerArgs",
    "Instance",
    "InstanceGroup",
    "InstanceGroupArgs",
    "Machine",
    "Vps",
    "VpsArgs",
]
