"""OVHcloud's API for the package's own programs, which do what no provider's resource does."""

import os
from typing import Any, Protocol

import ovh
import ovh.client
import ovh.exceptions


class Client(Protocol):
    """The signed calls."""

    def get(self, _target: str, _need_auth: bool = True, **query: Any) -> Any: ...
    def post(self, _target: str, _need_auth: bool = True, **body: Any) -> Any: ...


class Failed(Exception):
    """A sentence for the operator."""


def connect() -> ovh.Client:
    """The client of the credentials in the environment. A URL is as good an endpoint as a name."""
    endpoint = os.environ.get("OVH_ENDPOINT", "")
    if "/" in endpoint:
        ovh.client.ENDPOINTS[endpoint] = endpoint
    try:
        return ovh.Client()
    except ovh.exceptions.InvalidRegion:
        raise Failed(f"OVH_ENDPOINT={endpoint}: name OVHcloud's API (ovh-eu, ovh-ca, ovh-us) or give its URL") from None
