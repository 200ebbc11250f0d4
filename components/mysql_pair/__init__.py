"""A MariaDB primary and its replica."""

from casebook.mysql_pair.args import MysqlPairArgs
from casebook.mysql_pair.component import MysqlPair

__all__ = ["MysqlPair", "MysqlPairArgs"]
