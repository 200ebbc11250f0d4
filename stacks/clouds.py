"""Reading an account: OpenStack and OVHcloud by their own clients, with the credentials of an environment."""

import functools
import os
from typing import Any

import openstack
import openstack.connection
import ovh
import ovh.client


class Clouds:
    """Views of an account, and orders to it."""

    def __init__(self, environment: dict[str, str]) -> None:
        # Both clients read os.environ when they are made; what reads it later must still know the sandbox.
        ours = ("OS_", "OVH_", "CASEBOOK_TARGET")
        os.environ.update({k: v for k, v in environment.items() if k.startswith(ours)})

    @functools.cache  # noqa: B019 (one object a run)
    def openstack(self, region: str) -> openstack.connection.Connection:
        return openstack.connect(region_name=region)

    @functools.cached_property
    def _client(self) -> Any:
        endpoint = os.environ.get("OVH_ENDPOINT")
        if endpoint and "/" in endpoint:
            ovh.client.ENDPOINTS[endpoint] = endpoint
        return ovh.Client(endpoint=endpoint)

    def ovh(self, path: str) -> Any:
        return self._client.get(path)

    def order(self, path: str, **body: Any) -> Any:
        return self._client.post(path, **body)
