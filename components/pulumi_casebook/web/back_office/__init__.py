"""The machine where editors work, and from which what they publish goes out."""

from pulumi_casebook.web.back_office.component import BackOffice, BackOfficeArgs

__all__ = ["BackOffice", "BackOfficeArgs"]
