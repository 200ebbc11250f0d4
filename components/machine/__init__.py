"""Machines: something with an address that takes a configuration."""

from casebook.machine.adopted import DedicatedServer, Vps, dedicated_servers
from casebook.machine.args import DedicatedServerArgs, InstanceGroupArgs, VpsArgs
from casebook.machine.base import Machine
from casebook.machine.instance import Instance, InstanceGroup
from casebook.machine.tier import PrivateMachines, one_after_another

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
    "dedicated_servers",
    "one_after_another",
]
