"""Orders that one machine may give another: an account for one key, which can do nothing else."""

from pulumi_casebook.machines.forced_commands.access import ssh, take_orders

__all__ = ["ssh", "take_orders"]
