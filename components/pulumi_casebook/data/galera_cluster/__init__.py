"""MariaDB and Galera on three to ten machines."""

from pulumi_casebook.data.galera_cluster.args import GaleraClusterArgs, Source
from pulumi_casebook.data.galera_cluster.component import GaleraCluster

__all__ = ["GaleraCluster", "GaleraClusterArgs", "Source"]
