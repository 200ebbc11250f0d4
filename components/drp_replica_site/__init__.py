"""A second site that follows the first, and takes over by one command."""

from casebook.drp_replica_site.args import DrpReplicaSiteArgs, Resting, SharedFiles, Site
from casebook.drp_replica_site.component import DrpReplicaSite

__all__ = ["DrpReplicaSite", "DrpReplicaSiteArgs", "Resting", "SharedFiles", "Site"]
