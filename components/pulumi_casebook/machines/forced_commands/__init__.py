"""Orders that one machine may give another: an account for one key, which can do nothing else."""

from pulumi_casebook.machines.forced_commands.access import Taken, host_keys, known_hosts, ssh, take_orders

__all__ = ["Taken", "host_keys", "known_hosts", "ssh", "take_orders"]
