"""What a machine must hold, and how it gets there."""

from pulumi_casebook.machines.configuration.args import (
    Allow,
    Configuration,
    Directory,
    File,
    Ready,
    Repository,
    Unit,
)
from pulumi_casebook.machines.configuration.bundle import bundle
from pulumi_casebook.machines.configuration.component import ApplyProgram, Configured, Reachable
from pulumi_casebook.machines.configuration.program import program

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
    "Unit",
    "bundle",
    "program",
]
