"""Swift containers of OVHcloud's Public Cloud."""

from casebook.swift_storage.args import ContainerArgs, Region, SwiftStorageArgs
from casebook.swift_storage.component import Container, ContainerUser, SwiftStorage

__all__ = ["Container", "ContainerArgs", "ContainerUser", "Region", "SwiftStorage", "SwiftStorageArgs"]
