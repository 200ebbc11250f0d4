"""Reading an account: OpenStack and OVHcloud by their own clients, with the credentials of an environment."""

import contextlib
import functools
import os
import time
from collections.abc import Iterator
from typing import Any

import openstack
import openstack.connection
import ovh
import ovh.client
from ovh.exceptions import APIError

from stacks.environment import CREDENTIALS, without_credentials

BUSY_SECONDS = 60


class Clouds:
    """Views of an account, and orders to it."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._credentials = {k: v for k, v in environment.items() if k.startswith(CREDENTIALS)}

    @contextlib.contextmanager
    def _applied(self) -> Iterator[None]:
        """Both clients read os.environ when they are made; afterwards nobody else shall take it for an account's."""
        before = dict(os.environ)
        os.environ.clear()
        os.environ.update(without_credentials(before) | self._credentials)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)

    @functools.cache  # noqa: B019 (one object a run)
    def openstack(self, region: str) -> openstack.connection.Connection:
        with self._applied():
            return openstack.connect(region_name=region)

    @functools.cached_property
    def _client(self) -> Any:
        endpoint = self._credentials.get("OVH_ENDPOINT")
        if endpoint and "/" in endpoint:
            ovh.client.ENDPOINTS[endpoint] = endpoint
        with self._applied():
            return ovh.Client(endpoint=endpoint)

    def ovh(self, path: str) -> Any:
        """What is there; asked again for a minute where the API has no time, or has lost its answer."""
        end = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                return self._client.get(path)
            except APIError as error:
                status = error.response.status_code if error.response is not None else 0
                if (0 < status < 500 and status != 429) or time.monotonic() > end:
                    raise
            time.sleep(2)

    def order(self, path: str, **body: Any) -> Any:
        return self._client.post(path, **body)
