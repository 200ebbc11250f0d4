"""SearchPair: the machine that indexes is lost, and an application searches and indexes on."""

import contextlib
import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from drills import faults
from drills.drill import Drill, Figure
from drills.outage import AFTER, BEFORE, Check, outage
from drills.packs.backup import succeeds
from drills.patience import seconds_until
from stacks.deployed_stack import DeployedStack

GIVEN_UP = (
    "a node that is silent is given up after three checks of 2 s, a second apart; twice that if it led the cluster "
    "(SearchPair); the application asks one machine for 2 s, then the other"
)
AGAIN = "systemd starts OpenSearch again after 5 s"
SEARCHING = """
import json, sys, time, urllib.request
end, servers = time.monotonic() + float(sys.argv[1]), sys.argv[2:]
def ask(method, path, body=None):
    for server in servers:
        url, kind = f"http://{server}:9200/drill/{path}", {"Content-Type": "application/json"}
        try:
            with urllib.request.urlopen(urllib.request.Request(url, body, kind, method=method), timeout=2):
                return True
        except OSError:
            pass
    return False
acknowledged, asked, searches, unanswered, gap, last = [], 0, 0, 0, 0, time.monotonic()
while time.monotonic() < end:
    asked += 1
    if ask("PUT", f"_doc/{asked}", b'{"title": "drill"}'):
        acknowledged.append(str(asked))
        gap, last = max(gap, time.monotonic() - last), time.monotonic()
    searches += 1
    unanswered += not ask("GET", "_search?q=title:drill&size=1&preference=_local")
    time.sleep(0.2)
gap = max(gap, time.monotonic() - last)
print(json.dumps(dict(acknowledged=acknowledged, searches=searches, unanswered=unanswered, gap=gap)))
"""


@dataclass(frozen=True)
class Search:
    """A stack's pair.

    over     a machine of the application's
    servers  name -> address
    claims   what its drills measure
    """

    over: str
    servers: Callable[[Any], Mapping[str, str]]
    claims: tuple[str, ...]

    @contextlib.contextmanager
    def index(self, stack: DeployedStack) -> Iterator[str]:
        """An index with two copies; gives the machine that indexes."""
        url = f"http://{next(iter(self.servers(stack).values()))}:9200"
        shards = f"curl -fsS '{url}/_cat/shards/drill?h=prirep,state,node'"
        stack.on(self.over, f"curl -fsS -X PUT {url}/drill")
        try:
            seconds_until(lambda: stack.on(self.over, shards).count("STARTED") == 2, "two copies of an index", 30)
            [machine] = re.findall(r"^p STARTED (\S+)", stack.on(self.over, shards), re.MULTILINE)
            yield machine
        finally:
            stack.on(self.over, f"curl -fsS -X DELETE {url}/drill")

    def indexed(self, stack: DeployedStack, address: str) -> set[str]:
        """What one machine has in its own copy."""
        url = f"http://{address}:9200/drill"
        stack.on(self.over, f"curl -fsS -X POST {url}/_refresh")
        said = stack.on(self.over, f"curl -fsS '{url}/_search?size=10000&_source=false&preference=_only_local'")
        return {hit["_id"] for hit in json.loads(said)["hits"]["hits"]}

    @contextlib.contextmanager
    def searched(self, stack: DeployedStack, seconds: float) -> Iterator[Check]:
        """An application indexes and searches for so many seconds, at either machine, whichever answers."""
        addresses = list(self.servers(stack).values())
        command = f"python3 - {seconds} {' '.join(addresses)}"
        with ThreadPoolExecutor() as pool:
            application = pool.submit(stack.on, self.over, command, stdin=SEARCHING, timeout=seconds + 60)
            found: dict[str, Any] = {}

            def check(_: object) -> list[Figure]:
                return [
                    Figure("searches", found["searches"]),
                    Figure("searches that neither answered", found["unanswered"], goal=0),
                    Figure("articles acknowledged", len(found["acknowledged"])),
                    Figure("of these missing on either afterwards", found["missing"], goal=0),
                    Figure("nothing acknowledged for", round(found["gap"], 1), "s", goal=30),
                ]

            yield check
            found |= json.loads(application.result())
            both = set[str].intersection(*(self.indexed(stack, address) for address in addresses))
            found["missing"] = len(set(found["acknowledged"]) - both)

    def lost(self, how: str, fault: Callable[[str], faults.Fault], seconds: int, limit: str) -> Drill:
        """The machine that indexes is lost for so many seconds; the other has to take that over."""

        def run(stack: DeployedStack) -> list[Figure]:
            with self.index(stack) as machine:
                ready = functools.partial(succeeds, stack, machine, "sudo search-pair ready")

                def recovered() -> list[Figure]:
                    back = seconds_until(ready, f"{machine} ready", 300)
                    return [Figure("complete again after", round(back, 1), "s")]

                application = self.searched(stack, BEFORE + seconds + AFTER)
                return outage(stack, fault(machine), seconds, application, recovered=recovered)

        return Drill(
            name=f"the search server that indexes {how}",
            claims=self.claims,
            promise="a replicated pair: either machine can index and search alone",
            limit=limit,
            run=run,
        )

    def drills(self) -> list[Drill]:
        limits = dict.fromkeys(faults.WAYS, GIVEN_UP) | {faults.FULL: ""}
        killed = self.lost(
            "has opensearch killed", lambda machine: faults.kill(machine, "opensearch-search"), 20, AGAIN
        )
        ways = faults.every_way("opensearch-search", 40)
        return [killed, *(self.lost(how, ways[how], 40, limit) for how, limit in limits.items())]
