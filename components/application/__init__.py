"""An application's files, for the tiers that run it."""

from casebook.application.application import Application, Source

__all__ = ["Application", "Source"]
