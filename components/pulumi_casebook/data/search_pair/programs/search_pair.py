#!/usr/bin/python3
"""Look at the search pair from one of its machines.

    search-pair status    who is there, which machine indexes what, whether the copies are complete
    search-pair ready     end well if this node and all that answer are one cluster, and the copies are complete

Nothing needs to be said when a machine is lost: the other one indexes and searches, and the lost one is brought up
to date when it returns.
"""

import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

SETTINGS = Path(os.environ.get("SEARCH_PAIR", "/etc/search-pair.json"))
PORT = 9200


class Refused(Exception):
    """A sentence for the operator."""


def ask(address: str, path: str) -> Any:
    """The answer of the node at an address."""
    try:
        with urllib.request.urlopen(f"http://{address}:{PORT}/{path}", timeout=10) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise Refused(f"{address} answers {error.code}: {error.read().decode(errors='replace')[:300]}") from None
    except OSError as error:
        raise Refused(f"{address} does not answer: {error}") from None


def answers(address: str) -> bool:
    try:
        ask(address, "")
    except Refused:
        return False
    return True


def ready(own: str, members: dict[str, str]) -> str:
    ask(members[own], "")
    running = [name for name, address in members.items() if name != own and answers(address)]
    if not running:
        return f"{own} waits for another node, to have two votes of three"
    health = ask(members[own], "_cluster/health?cluster_manager_timeout=5s")
    inside = {node["name"] for node in ask(members[own], "_cat/nodes?format=json&h=name")}
    if outside := [name for name in running if name not in inside]:
        raise Refused(f"{', '.join(outside)} runs, and is not in the cluster yet")
    # While one machine of the pair is alone, the second copies have no place.
    enough = ("green",) if health["number_of_data_nodes"] == 2 else ("green", "yellow")
    if health["status"] not in enough:
        raise Refused(f"copies are not complete: {health['status']}")
    return f"{', '.join(sorted(inside))}: {health['status']}"


def status(own: str, members: dict[str, str]) -> str:
    health = ask(members[own], "_cluster/health?cluster_manager_timeout=5s")
    nodes = {node["name"]: node for node in ask(members[own], "_cat/nodes?format=json&h=name,cluster_manager")}
    shards = ask(members[own], "_cat/shards?format=json&h=index,prirep,node")
    lines = [f"copies: {health['status']}"]
    for name, address in members.items():
        indexed = sorted({shard["index"] for shard in shards if (shard["node"], shard["prirep"]) == (name, "p")})
        if name not in nodes:
            what = "not in the cluster"
        else:
            what = f"indexes {', '.join(indexed) or 'nothing'}"
            what += "; leads the cluster" if nodes[name]["cluster_manager"] == "*" else ""
        lines.append(f"{name} ({address}): {what}")
    return "\n".join(lines)


def main() -> None:
    actions = {"ready": ready, "status": status}
    if len(sys.argv) != 2 or sys.argv[1] not in actions:
        sys.exit(__doc__)
    settings = json.loads(SETTINGS.read_text())
    try:
        print(actions[sys.argv[1]](settings["own"], settings["members"]))
    except Refused as error:
        sys.exit(f"search-pair: {error}")


if __name__ == "__main__":
    main()
