"""A tier of Memcached."""

from casebook.memcached.component import Memcached, MemcachedArgs

__all__ = ["Memcached", "MemcachedArgs"]
