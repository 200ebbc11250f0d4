"""Put in force what is declared of an IP Load Balancing.

    casebook-load-balancer refresh SERVICE   refresh, unless nothing is pending, and wait until it is done
    casebook-load-balancer check SERVICE     prove that refresh could run: credentials, and the service's name

Credentials come from OVH_ENDPOINT, OVH_APPLICATION_KEY, OVH_APPLICATION_SECRET and OVH_CONSUMER_KEY, as for the
provider. Calls: api.ovh.com /ipLoadbalancing/{service}/pendingChanges, /refresh, /task.
"""

import sys
import time
from collections.abc import Callable

import ovh

from casebook.api import Client, Failed, connect

SECONDS = 600  # a refresh takes some seconds; one that is queued behind others, minutes
ENDED = ("done", "cancelled", "error", "blocked")


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
