"""MariaDB and Galera on three to ten machines."""

from casebook.galera_cluster.args import GaleraClusterArgs, Source
from casebook.galera_cluster.component import GaleraCluster

__all__ = ["GaleraCluster", "GaleraClusterArgs", "Source"]
