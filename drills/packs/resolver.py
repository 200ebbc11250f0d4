"""Resolver: names are looked for while a name server is lost."""

import json

from drills.drill import Figure
from stacks.deployed_stack import DeployedStack

LOOKUPS = """
import json, socket, time
took = []
for _ in range(20):
    began = time.monotonic()
    try:
        socket.gethostbyname("storage.gra.cloud.ovh.net")
        took.append(time.monotonic() - began)
    except OSError:
        took.append(None)
    time.sleep(0.3)
print(json.dumps(took))
"""


def looked_up(stack: DeployedStack, machine: str) -> list[Figure]:
    """Names that are looked for by a machine which asks all name servers in turn."""
    took = json.loads(stack.on(machine, "python3 -", stdin=LOOKUPS, timeout=120))
    slowest = max((one for one in took if one is not None), default=0.0)
    return [
        Figure("names looked for", len(took)),
        Figure("names not found", took.count(None), goal=0),
        Figure("slowest found after", round(slowest, 2), "s", goal=2),
    ]
