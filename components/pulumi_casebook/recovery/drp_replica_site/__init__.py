"""A second site that follows the first, and takes over by one command."""

from pulumi_casebook.recovery.drp_replica_site.args import DrpReplicaSiteArgs, DrpSite, SharedFiles, StandbyUnits
from pulumi_casebook.recovery.drp_replica_site.component import DrpReplicaSite

__all__ = ["DrpReplicaSite", "DrpReplicaSiteArgs", "DrpSite", "SharedFiles", "StandbyUnits"]
