"""Components of published reference architectures, for Pulumi programs on OVHcloud and any OpenStack."""

if __name__ != "casebook":
    raise ImportError(f"imported as {__name__!r}: this folder is the package casebook (pip install -e .)")

from casebook.args import InputError
from casebook.configuration import Allow, Configuration, Directory, File, Ready, Service
from casebook.machine import DedicatedServer, Instance, InstanceGroup, Machine, Vps
from casebook.object_storage import ObjectStorage
from casebook.plan import AddressPlan
from casebook.ssh import SshKey, ssh_key
from casebook.vrack_network import VrackNetwork

__all__ = [
    "AddressPlan",
    "Allow",
    "Configuration",
    "DedicatedServer",
    "Directory",
    "File",
    "InputError",
    "Instance",
    "InstanceGroup",
    "Machine",
    "ObjectStorage",
    "Ready",
    "Service",
    "SshKey",
    "Vps",
    "VrackNetwork",
    "ssh_key",
]
