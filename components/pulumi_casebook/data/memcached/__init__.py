"""A tier of Memcached."""

from pulumi_casebook.data.memcached.component import Memcached, MemcachedArgs

__all__ = ["Memcached", "MemcachedArgs"]
