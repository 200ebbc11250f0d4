"""The machine where editors work, and from which what they publish goes out."""

from pulumi_casebook.web.back_office.component import RSYNC_TLS, BackOffice, BackOfficeArgs

__all__ = ["RSYNC_TLS", "BackOffice", "BackOfficeArgs"]
