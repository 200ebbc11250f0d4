"""Put in force what is declared of an IP Load Balancing.

    casebook-load-balancer refresh SERVICE   refresh, unless nothing is pending, and wait until it is done
    casebook-load-balancer check SERVICE     prove that refresh could run: credentials, and the service's name
    casebook-load-balancer certificate SERVICE NAME   upload {"certificate": PEM, "key": PEM} from standard input
                                             under that name, and print its id
    casebook-load-balancer discard SERVICE ID         delete a certificate; whether it was in use the balancer knows

Credentials come from OVH_ENDPOINT, OVH_APPLICATION_KEY, OVH_APPLICATION_SECRET and OVH_CONSUMER_KEY, as for the
provider. Calls: api.ovh.com /ipLoadbalancing/{service}/pendingChanges, /refresh, /task.
"""

import hashlib
import json
import sys
import time
from collections.abc import Callable

import ovh

from pulumi_casebook.core.ovh_api import Client, Failed, connect

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


def certificate(client: Client, service: str, name: str, pair: dict[str, str]) -> str:
    """Upload a certificate, once: a run that was killed after it finds it by its name."""
    base, digest = f"/ipLoadbalancing/{service}/ssl", hashlib.sha256(pair["certificate"].encode()).hexdigest()
    display = f"{name} {digest[:12]}"
    for number in client.get(base):
        if client.get(f"{base}/{number}")["displayName"] == display:
            return str(number)
    return str(client.post(base, displayName=display, certificate=pair["certificate"], key=pair["key"])["id"])


def discard(client: ovh.Client, service: str, number: str) -> str:
    try:
        client.delete(f"/ipLoadbalancing/{service}/ssl/{number}")
    except ovh.ResourceNotFoundError:
        return f"{service}: certificate {number} is gone already"
    return f"{service}: certificate {number} is deleted"


def main() -> None:
    words = len(sys.argv) - 1
    actions: dict[tuple[str, int], Callable[..., str]] = {
        ("refresh", 2): refresh,
        ("check", 2): check,
        ("discard", 3): discard,
        ("certificate", 3): lambda client, service, name: certificate(client, service, name, json.load(sys.stdin)),
    }
    action = actions.get((sys.argv[1], words)) if words else None
    if action is None:
        sys.exit(__doc__)
    try:
        print(action(connect(), *sys.argv[2:]))
    except Failed as error:
        sys.exit(f"casebook-load-balancer {sys.argv[1]}: {error}")
    except ovh.APIError as error:
        sys.exit(
            f"casebook-load-balancer {' '.join(sys.argv[1:])}: {error}\n"
            "Check OVH_ENDPOINT, OVH_APPLICATION_KEY, OVH_APPLICATION_SECRET, OVH_CONSUMER_KEY, and the service's name."
        )


if __name__ == "__main__":
    main()
