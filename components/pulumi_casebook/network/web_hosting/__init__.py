"""A web hosting plan that is rented, named and checked."""

from pulumi_casebook.network.web_hosting.component import WebHosting, WebHostingArgs

__all__ = ["WebHosting", "WebHostingArgs"]
