"""An account at OVHcloud for a program on a machine, that may do what it needs and no more."""

from pulumi_casebook.machines.service_account.account import LIBRARY, URN, api_settings, library, service_account

__all__ = ["LIBRARY", "URN", "api_settings", "library", "service_account"]
