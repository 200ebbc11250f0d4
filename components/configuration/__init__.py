"""What a machine must hold, and how it gets there."""

from casebook.configuration.args import Allow, Configuration, Directory, File, Ready, Repository, Service
from casebook.configuration.bundle import bundle
from casebook.configuration.component import ApplyProgram, Configured, Reachable

__all__ = [
    "Allow",
    "ApplyProgram",
    "Configuration",
    "Configured",
    "Directory",
    "File",
    "Reachable",
    "Ready",
    "Repository",
    "Service",
    "bundle",
]
