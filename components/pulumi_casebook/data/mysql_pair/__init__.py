"""A MariaDB primary and its replica."""

from pulumi_casebook.data.mysql_pair.args import MysqlPairArgs
from pulumi_casebook.data.mysql_pair.component import MysqlPair

__all__ = ["MysqlPair", "MysqlPairArgs"]
