"""Ports reachable = ports printed: what the world, every tier and a neighbour can connect to, and what the stack says.

The output `exposure` has who (`the world`, machines by a pattern such as `web-*`, `the private network`), to whom
(machines by a pattern, `every machine`, or what is no machine, such as `load balancer`), and which TCP ports. Networks
of administrators and editors (`..._cidrs`) are no machine's, and are left to the checks of those who use them.
"""

import fnmatch
import functools
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from drills.drill import Figure, NotSeen
from stacks.running import Running, world
from stacks.target import is_account

# What machines that know each other could have left open; a tier's view of another is too wide to look at every port.
LIKELY = (
    *(21, 22, 25, 53, 80, 81, 111, 443, 873, 2049, 2222, 3000, 3128, 3306, 3307, 4444, 4567, 4568, 5000, 5432, 6379),
    *(8000, 8009, 8080, 8404, 8443, 9000, 9090, 9093, 9100, 9104, 9115, 9121, 9200, 9300, 10000, 11211, 27017),
)
PRIVATE = "the private network"
NOTHING: Mapping[str, str] = {}

# Runs on a machine: which of these address:port take a connection, as JSON.
CONNECT = """
import asyncio, json, sys

async def main(targets):
    room = asyncio.Semaphore(200)
    async def opens(address, port):
        async with room:
            try:
                _, writer = await asyncio.wait_for(asyncio.open_connection(address, port), 1.5)
            except (OSError, asyncio.TimeoutError):
                return False
            writer.close()
            return True
    found = await asyncio.gather(*(opens(*target) for target in targets))
    print(json.dumps([target for target, is_open in zip(targets, found) if is_open]))

asyncio.run(main(json.loads(sys.argv[1])))
"""

Ports = dict[str, set[int]]


def open_ports(addresses: Sequence[str], ports: str = "1-10000") -> Ports:
    """Which TCP ports of each address answer the world (nmap, from a neighbour's address)."""
    scan = ("nmap", "-n", "-Pn", "-sS", "--min-rate=20000", "--max-retries=1", "-p", ports, "-oG", "-")
    found: Ports = {address: set() for address in addresses}
    for line in world(*scan, *addresses, timeout=600).splitlines():
        if "Ports:" in line:
            states = re.findall(r"(\d+)/(\w+)/tcp", line)
            found[line.split()[1]] |= {int(port) for port, state in states if state == "open"}
    return found


def printed(stack: Running, source: str) -> Ports:
    """What the stack says is open to a machine, or to `the world`, by target; a machine is in the world too."""
    machine = stack.machines.get(source)
    words = {"the world", *([PRIVATE] if machine and machine["private"] else [])}
    found: Ports = {}
    for who, targets in stack.outputs["exposure"].items():
        if who in words or (machine and fnmatch.fnmatch(source, who)):
            for target, ports in targets.items():
                for name in fnmatch.filter(stack.machines, "*" if target == "every machine" else target) or [target]:
                    found.setdefault(name, set()).update(ports)
    return found


def reached(shell: Callable[..., str], addresses: Mapping[str, str], ports: Iterable[int]) -> Ports:
    """Which of the ports whoever has the shell reaches, by the name of each address."""
    names = {address: name for name, address in addresses.items()}
    targets = [(address, port) for address in names for port in ports]
    answer = shell(f"python3 - '{json.dumps(targets)}'", stdin=CONNECT, timeout=300)
    found: Ports = {}
    for address, port in json.loads(answer):
        found.setdefault(names[address], set()).add(port)
    return found


def interesting(stack: Running) -> set[int]:
    everything = (ports for targets in stack.outputs["exposure"].values() for ports in targets.values())
    return {*LIKELY, *(port for ports in everything for port in ports)}


def differing(source: str, found: Ports, said: Ports) -> tuple[int, int]:
    """How many ports are open and not printed, and printed and not open; says which."""
    counts = []
    for what, more, less in (("not printed", found, said), ("printed, but closed", said, found)):
        only = {name: sorted(ports - less.get(name, set())) for name, ports in more.items()}
        only = {name: ports for name, ports in only.items() if ports}
        if only:
            print(f"  {source} to {only}: {what}", file=sys.stderr)
        counts.append(sum(map(len, only.values())))
    return counts[0], counts[1]


def figures(found: int, unprinted: int, closed: int) -> list[Figure]:
    if not found:
        raise NotSeen("no port answers at all")
    return [
        Figure("ports open", found),
        Figure("open and not printed", unprinted, goal=0),
        Figure("printed and not open", closed, goal=0),
    ]


def the_world(stack: Running, others: Mapping[str, str], services: Mapping[str, str] = NOTHING) -> list[Figure]:
    """From the world to every machine's public address, and to `others`: what is no machine, by its printed name.

    Of `services`, which are the provider's and serve others too, only the web's ports are looked at.
    """
    addresses = {**others, **{name: where["public"] for name, where in stack.machines.items() if where["public"]}}
    found: Ports = {}
    for targets, numbers in ((addresses, "1-10000"), (services, "80,443")):
        scanned = open_ports(list(targets.values()), numbers) if targets else {}
        found |= {name: scanned[address] for name, address in targets.items()}
    return figures(sum(map(len, found.values())), *differing("the world", found, printed(stack, "the world")))


def each_tier(stack: Running, sources: Sequence[str], others: Mapping[str, str] = NOTHING) -> list[Figure]:
    """From one machine of each tier to every other machine, at its public and its private address, and to `others`."""
    total, unprinted, closed = 0, 0, 0
    for source in sources:
        shell = functools.partial(stack.on, source)
        found = reached(shell, others, interesting(stack)) if others else {}
        for side in ("public", "private"):
            addresses = {n: where[side] for n, where in stack.machines.items() if where[side] and n != source}
            for name, ports in reached(shell, addresses, interesting(stack)).items():
                found.setdefault(name, set()).update(ports)
        said = {n: ports for n, ports in printed(stack, source).items() if n in stack.machines or n in others}
        said.pop(source, None)
        more, less = differing(source, found, said)
        total, unprinted, closed = total + sum(map(len, found.values())), unprinted + more, closed + less
    return [Figure("machines that looked", len(sources)), *figures(total, unprinted, closed)]


def a_neighbour(stack: Running, network: str, source: str = "the world") -> list[Figure]:
    """From outside the private network to the addresses in it, by way of each machine with a foot in both.

    source  a machine of the stack that is not in it; the world: a computer on the same Internet, which a sandbox has
    """
    inside = {name: where["private"] for name, where in stack.machines.items() if where["private"]}
    machine = stack.machines.get(source)
    if source in inside:
        raise NotSeen(f"{source} is in the private network itself")
    if not machine and is_account():
        raise NotSeen("of a real account, nobody's computer is on the same wire as its machines")

    def by(hop: str, command: str, **options: Any) -> str:
        way = f"{network} via {hop} dev $(ip -4 route show default | cut -d ' ' -f 5) onlink"
        route = f"{'sudo ' if machine else ''}ip route"
        routed = f"{route} replace {way}; {command}; status=$?; {route} flush {network}; exit $status"
        return stack.on(source, routed, **options) if machine else world("sh", "-c", routed, **options)

    hops = [stack.machines[name]["public"] for name in inside if stack.machines[name]["public"]]
    said, unprinted = printed(stack, source), 0
    for hop in hops:
        # A machine answers at any of its addresses whom it lets in at one.
        found = reached(functools.partial(by, hop), inside, interesting(stack))
        beyond = {name: open_there - said.get(name, set()) for name, open_there in found.items()}
        unprinted += differing(f"{source} by {hop}", beyond, {})[0]
    return [
        Figure("addresses tried", len(inside)),
        Figure("machines that could pass it on", len(hops)),
        Figure("ports that answered and are not printed", unprinted, goal=0),
    ]
