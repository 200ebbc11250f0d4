"""The first request to every API, made by one caller.

The services load their policies at their first request, which is not safe under threads; and Nova and Cinder
answer before their workers are ready.
"""

import json
import time
import urllib.request
from collections.abc import Mapping
from typing import Any

from sandbox.openstack import secrets
from sandbox.openstack.configuration import AUTH_URL, COMPUTE_HOSTS, SWIFT_URL, URL

REQUESTS = (
    f"{AUTH_URL}/projects",
    f"{URL['glance']}/v2/images",
    f"{URL['neutron']}/v2.0/networks",
    f"{URL['neutron']}/v2.0/ports",
    f"{URL['nova']}/v2.1/servers/detail",
    f"{URL['octavia']}/v2/lbaas/loadbalancers",
    f"{URL['placement']}/resource_providers",
)
PATIENCE = 60.0  # seconds


def _send(request: urllib.request.Request) -> tuple[Any, Mapping[str, str]]:
    """The answer, and its headers."""
    with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 - one of ours, HTTP
        return json.loads(response.read() or b"null"), response.headers


def token() -> tuple[str, str]:
    """An administrator's token, and the id of its project."""
    user = {"name": "admin", "domain": {"id": "default"}, "password": secrets.load().admin}
    scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
    request = urllib.request.Request(f"{AUTH_URL}/auth/tokens", json.dumps(body).encode())  # noqa: S310
    request.add_header("Content-Type", "application/json")
    answer, headers = _send(request)
    return headers["X-Subject-Token"], answer["token"]["project"]["id"]


def warm() -> None:
    """RuntimeError if workers do not report in time."""
    secret, project = token()

    def get(url: str) -> Any:
        request = urllib.request.Request(url, headers={"X-Auth-Token": secret})  # noqa: S310
        return _send(request)[0]

    volumes = f"{URL['cinder']}/v3/{project}"
    for url in (*REQUESTS, f"{volumes}/volumes", f"{SWIFT_URL}/v1/AUTH_{project}"):
        get(url)
    end = time.monotonic() + PATIENCE
    while True:
        compute = get(f"{URL['nova']}/v2.1/os-services?binary=nova-compute")["services"]
        reports = [service["state"] for service in compute + get(f"{volumes}/os-services")["services"]]
        if len(compute) == len(COMPUTE_HOSTS) and set(reports) == {"up"}:
            return
        if time.monotonic() > end:
            raise RuntimeError(f"after {PATIENCE:.0f} s not all workers of Nova and Cinder are up: {reports}")
        time.sleep(0.3)
