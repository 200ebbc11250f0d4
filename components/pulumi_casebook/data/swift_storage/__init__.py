"""Swift containers of OVHcloud's Public Cloud."""

from pulumi_casebook.data.swift_storage.args import ContainerArgs, Region, SwiftStorageArgs
from pulumi_casebook.data.swift_storage.component import SIGNER, Container, ContainerUser, SwiftStorage

__all__ = ["SIGNER", "Container", "ContainerArgs", "ContainerUser", "Region", "SwiftStorage", "SwiftStorageArgs"]
