"""Put in force what is declared of an IP Load Balancing.

    casebook-load-balancer refresh SERVICE   refresh, unless nothing is pending, and wait until it is done
    casebook-load-balancer check SERVICE     prove that refresh could run: credentials, and the service's name

Credentials come from OVH_ENDPOINT, OVH_APPLICATION_KEY, OVH_APPLICATION_SECRET and OVH_CONSUMER_KEY, as for the
provider. Calls: api.ovh.com /ipLoadbalancing/{service}/pendingChanges, /refresh, /task.
"""

import os
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol

import ovh
import ovh.client
import ovh.exceptions

SECONDS = 600  # a refresh takes some seconds; one that is queued behind others, minutes
ENDED = ("done", "cancelled", "error", "blocked")


class Client(Protocol):
    """The signed calls."""

    def get(self, _target: str, _need_auth: bool = True, **query: Any) -> Any: ...
    def post(self, _target: str, _need_auth: bool = True, **body: Any) -> Any: ...


class Failed(Exception):
    """A sentence for the operator."""


def refresh(client: Client, service: str, pause: Callable[[float], None] = time.sleep) -> str:
    """Refresh until nothing is pending. Errors: a task that failed; not done after ten minutes."""
    base, deadline = f"/ipLoadbalancing/{service}", time.monotonic() + SECONDS
    outcome = "nothing was pending"
    while time.monotonic() < deadline:
        states = [client.get(f"{base}/task", action="refreshIplb", status=status) for status in ("todo", "doing")]
        if any(states):
            pause(1)
            continue
        if not any(zone["number"] for zone in client.get(f"{base}/pendingChanges")):
            return f"{service}: {outcome}"
        try:
            task = client.post(f"{base}/refresh")["id"]
        except ovh.ResourceConflictError:  # somebody else's refresh came first
            pause(1)
            continue
        status = _ended(client, f"{base}/task/{task}", deadline, pause)
        if status != "done":
            raise Failed(f"{service}: refresh (task {task}) ended as {status!r}; what was deleted is still served")
        outcome = "in force"
    raise Failed(f"{service}: still not in force after {SECONDS} s; look at its tasks in the OVHcloud manager")


def _ended(client: Client, task: str, deadline: float, pause: Callable[[float], None]) -> str:
    while time.monotonic() < deadline:
        status = str(client.get(task)["status"])
        if status in ENDED:
            return status
        pause(1)
    return f"unfinished after {SECONDS} s"


def check(client: Client, service: str) -> str:
    client.get(f"/ipLoadbalancing/{service}")
    return f"{service}: can be refreshed"


def connect() -> ovh.Client:
    """The client of the credentials in the environment. A URL is as good an endpoint as a name."""
    endpoint = os.environ.get("OVH_ENDPOINT", "")
    if "/" in endpoint:
        ovh.client.ENDPOINTS[endpoint] = endpoint
    try:
        return ovh.Client()
    except ovh.exceptions.InvalidRegion:
        raise Failed(f"OVH_ENDPOINT={endpoint}: name OVHcloud's API (ovh-eu, ovh-ca, ovh-us) or give its URL") from None


def main() -> None:
    if len(sys.argv) != 3 or sys.argv[1] not in ("refresh", "check"):
        sys.exit(__doc__)
    action, service = sys.argv[1:]
    try:
        print({"refresh": refresh, "check": check}[action](connect(), service))
    except Failed as error:
        sys.exit(f"casebook-load-balancer {action}: {error}")
    except ovh.APIError as error:
        sys.exit(
            f"casebook-load-balancer {action} {service}: {error}\n"
            "Check OVH_ENDPOINT, OVH_APPLICATION_KEY, OVH_APPLICATION_SECRET, OVH_CONSUMER_KEY, and the service's name."
        )


if __name__ == "__main__":
    main()
