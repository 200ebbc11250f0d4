"""Orders that one machine may give another: an account for one key, which can do nothing else."""

from pulumi_casebook.machines.forced_commands.access import access, ssh

__all__ = ["access", "ssh"]
