"""MariaDB and Galera on three to ten machines."""

from pulumi_casebook.data.galera_cluster.args import GaleraClusterArgs, Source, check_members, check_votes
from pulumi_casebook.data.galera_cluster.component import GaleraCluster

__all__ = ["GaleraCluster", "GaleraClusterArgs", "Source", "check_members", "check_votes"]
