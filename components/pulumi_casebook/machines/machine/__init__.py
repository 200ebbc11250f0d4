"""Machines: something with an address that takes a configuration."""

from pulumi_casebook.machines.machine.adopted import DedicatedServer, Vps, dedicated_servers
from pulumi_casebook.machines.machine.args import DedicatedServerArgs, InstanceGroupArgs, VpsArgs
from pulumi_casebook.machines.machine.base import Machine
from pulumi_casebook.machines.machine.instance import Instance, InstanceGroup
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
    "dedicated_servers",
    "one_after_another",
]
