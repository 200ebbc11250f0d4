"""A place where machines are made: what they have in common is said once."""

from pulumi_casebook.machines.site.exposure import exposure
from pulumi_casebook.machines.site.service import (
    Exporter,
    HealthCheck,
    Limits,
    Monitored,
    Mount,
    Service,
    Usable,
    alerts,
)
from pulumi_casebook.machines.site.site import NameServers, Site, WayOut
from pulumi_casebook.machines.site.tier import Tier, servers_of

__all__ = [
    "Exporter",
    "HealthCheck",
    "Limits",
    "Monitored",
    "Mount",
    "NameServers",
    "Service",
    "Site",
    "Tier",
    "Usable",
    "WayOut",
    "alerts",
    "exposure",
    "servers_of",
]
