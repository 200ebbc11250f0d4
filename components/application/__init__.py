"""An application's files, for the tiers that run it."""

from casebook.application.application import Application

__all__ = ["Application"]
