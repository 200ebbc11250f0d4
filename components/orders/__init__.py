"""Orders that one machine may give another: an account for one key, which can do nothing else."""

from casebook.orders.access import access, ssh

__all__ = ["access", "ssh"]
