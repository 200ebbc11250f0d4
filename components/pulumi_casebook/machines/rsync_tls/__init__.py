"""rsync inside TLS: a daemon that hears its own machine alone is offered to others, who know it by its certificate."""

from pulumi_casebook.machines.rsync_tls.offer import Offer, connect_program

__all__ = ["Offer", "connect_program"]
