"""An application's files, for the tiers that run it."""

from pulumi_casebook.web.application.application import Application, Source

__all__ = ["Application", "Source"]
