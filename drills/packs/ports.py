"""Ports reachable = ports declared: what the world, each tier and a neighbour connect to, beside the output `exposure`.

`exposure` follows from the firewall rules that roles were given: machine, or what else takes connections (`load
balancer`) -> network (CIDR) -> openings such as `443/tcp`. Who looks is let in by each network that its address is in.

Only TCP is looked at. UDP does not tell a packet that is dropped from one that nobody answers, and VRRP has no ports:
both are left to those who speak them (the drills of name servers, of addresses that move, and the components' tests).
"""

import fnmatch
import functools
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

from drills.drill import Drill, Figure, NotSeen
from stacks.deployed_stack import DeployedStack, world
from stacks.environment import is_account

# What machines that know each other could have left open; a tier's view of another is too wide to look at every port.
LIKELY = (
    *(21, 22, 25, 53, 80, 81, 111, 443, 873, 2049, 2222, 3000, 3128, 3306, 3307, 4444, 4567, 4568, 5000, 5432, 6379),
    *(8000, 8009, 8080, 8404, 8443, 9000, 9090, 9093, 9100, 9104, 9115, 9121, 9200, 9300, 10000, 11211, 27017),
)
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
Addresses = Mapping[str, str]  # by name


def open_ports(addresses: Sequence[str], ports: str = "1-10000") -> Ports:
    """Which TCP ports of each address answer the world (nmap, from a neighbour's address)."""
    scan = ("nmap", "-n", "-Pn", "-sS", "--min-rate=20000", "--max-retries=1", "-p", ports, "-oG", "-")
    found: Ports = {address: set() for address in addresses}
    for line in world(*scan, *addresses, timeout=600).splitlines():
        if "Ports:" in line:
            states = re.findall(r"(\d+)/(\w+)/tcp", line)
            found[line.split()[1]] |= {int(port) for port, state in states if state == "open"}
    return found


def reached(shell: Callable[..., str], addresses: Addresses, ports: Iterable[int]) -> Ports:
    """Which of the ports whoever has the shell reaches, by the name of each address."""
    names = {address: name for name, address in addresses.items()}
    targets = [(address, port) for address in names for port in ports]
    answer = shell(f"python3 - '{json.dumps(targets)}'", stdin=CONNECT, timeout=300)
    found: Ports = {}
    for address, port in json.loads(answer):
        found.setdefault(names[address], set()).add(port)
    return found


def public(stack: DeployedStack) -> dict[str, str]:
    """Addresses on the Internet; a machine without one tells its private one again."""
    return {n: where.public for n, where in stack.machines.items() if where.public and where.public != where.private}


def private(stack: DeployedStack) -> dict[str, str]:
    return {name: where.private for name, where in stack.machines.items() if where.private}


def from_the_world(stack: DeployedStack) -> str:
    """The address that the world looks from: of the sandbox's computer, else of this one, as a machine sees it."""
    if not is_account():
        return world("hostname", "-I").split()[0]
    return stack.on(next(iter(public(stack))), "echo $SSH_CONNECTION").split()[0]


def tcp(openings: Iterable[str]) -> set[int]:
    return {int(opening.removesuffix("/tcp")) for opening in openings if opening.endswith("/tcp")}


def declared(stack: DeployedStack, looking: Iterable[str], targets: Iterable[str]) -> Ports:
    """The TCP ports of each target that are open to who has one of the addresses."""
    sources = [ip_address(address) for address in looking]
    return {
        target: {
            port
            for network, openings in stack.outputs.exposure.get(target, {}).items()
            if any(source in ip_network(network) for source in sources)
            for port in tcp(openings)
        }
        for target in targets
    }


def interesting(stack: DeployedStack) -> set[int]:
    return {*LIKELY}.union(*(tcp(one) for networks in stack.outputs.exposure.values() for one in networks.values()))


@functools.cache
def listening(stack: DeployedStack, machine: str) -> set[int]:
    """The TCP ports at which a daemon takes connections that come from elsewhere."""
    sockets = stack.on(machine, "ss -Htln | awk '{ print $4 }'").split()
    return {int(one.rpartition(":")[2]) for one in sockets if not one.startswith(("127.", "[::1]"))}


def beyond(what: str, more: Ports, less: Ports) -> int:
    """How many ports are in `more` alone; tells which."""
    only = {name: sorted(ports - less.get(name, set())) for name, ports in more.items()}
    if only := {name: ports for name, ports in only.items() if ports}:
        print(f"  {what}: {only}", file=sys.stderr)
    return sum(map(len, only.values()))


def compared(stack: DeployedStack, who: str, found: Ports, said: Ports) -> list[int]:
    """How many ports are open; open but undeclared; declared but closed; declared where nothing listens just then, as
    at a site at rest, or where a port is used for a moment."""
    heard = {name: ports & listening(stack, name) if name in stack.machines else ports for name, ports in said.items()}
    return [
        sum(map(len, found.values())),
        beyond(f"open but undeclared, from {who}", found, said),
        beyond(f"declared but closed, from {who}", heard, found),
        sum(map(len, said.values())) - sum(map(len, heard.values())),
    ]


def figures(found: int, undeclared: int, closed: int, silent: int) -> list[Figure]:
    if not found:
        raise NotSeen("no port answers at all")
    return [
        Figure("ports open", found),
        Figure("open but undeclared", undeclared, goal=0),
        Figure("declared but closed", closed, goal=0),
        Figure("declared, and nothing listens", silent),
    ]


def the_world(stack: DeployedStack, others: Addresses, services: Addresses = NOTHING) -> list[Figure]:
    """From the world to every machine's public address, and to `others`: what is no machine, by its declared name.

    Of `services`, which are the provider's and serve others too, only the web's ports are looked at.
    """
    found: Ports = {}
    for targets, numbers in (({**others, **public(stack)}, "1-10000"), (services, "80,443")):
        scanned = open_ports(list(targets.values()), numbers) if targets else {}
        found |= {name: scanned[address] for name, address in targets.items()}
    if unseen := stack.outputs.exposure.keys() - stack.machines.keys() - found.keys():
        raise NotSeen(f"{', '.join(sorted(unseen))}: declared, and nobody looks there")
    return figures(*compared(stack, "the world", found, declared(stack, [from_the_world(stack)], found)))


def each_tier(stack: DeployedStack, sources: Sequence[str], others: Addresses = NOTHING) -> list[Figure]:
    """From one machine of each tier to every other machine, at its public and its private address, and to `others`."""
    counts = []
    for source in sources:
        own = [side[source] for side in (public(stack), private(stack)) if source in side]
        found: Ports = {}
        for side in (others, public(stack), private(stack) if source in private(stack) else NOTHING):
            targets = {name: address for name, address in side.items() if name != source}
            found |= {name: set(found.get(name, ())) for name in targets}
            for name, ports in reached(functools.partial(stack.on, source), targets, interesting(stack)).items():
                found[name] |= ports
        counts.append(compared(stack, source, found, declared(stack, own, found)))
    return [Figure("machines that looked", len(sources)), *figures(*map(sum, zip(*counts, strict=True)))]


def a_neighbour(stack: DeployedStack, network: str, source: str = "the world") -> list[Figure]:
    """From outside the private network to the addresses in it, by way of each machine with a foot in both.

    source  a machine of the stack that is not in it; the world: a computer on the same Internet, which a sandbox has
    """
    inside, machine = private(stack), stack.machines.get(source)
    if source in inside:
        raise NotSeen(f"{source} is in the private network itself")
    if not machine and is_account():
        raise NotSeen("of a real account, nobody's computer is on the same wire as its machines")

    def by(hop: str, command: str, **options: Any) -> str:
        way = f"{network} via {hop} dev $(ip -4 route show default | cut -d ' ' -f 5) onlink"
        route = f"{'sudo ' if machine else ''}ip route"
        routed = f"{route} replace {way}; {command}; status=$?; {route} flush {network}; exit $status"
        return stack.on(source, routed, **options) if machine else world("sh", "-c", routed, **options)

    hops = [address for name, address in public(stack).items() if name in inside]
    said = declared(stack, [public(stack)[source] if machine else from_the_world(stack)], inside)
    undeclared = 0
    for hop in hops:
        # A machine answers at any of its addresses whom it lets in at one.
        found = reached(functools.partial(by, hop), inside, interesting(stack))
        undeclared += beyond(f"open but undeclared, from {source} by {hop}", found, said)
    return [
        Figure("addresses tried", len(inside)),
        Figure("machines that could pass it on", len(hops)),
        Figure("ports that answered and are undeclared", undeclared, goal=0),
    ]


DECLARED = "ports reachable are ports declared"
LIKELY_ONES = "TCP ports that are likely or declared"


def nobody(_: DeployedStack) -> Addresses:
    return {}


def from_world(
    claims: tuple[str, ...],
    others: Callable[[Any], Addresses] = nobody,
    *,
    services: Callable[[Any], Addresses] = nobody,
    promise: str = DECLARED,
    limit: str = "",
) -> Drill:
    def run(stack: DeployedStack) -> list[Figure]:
        return the_world(stack, others(stack), services(stack))

    return Drill(name="what the world can reach", claims=claims, promise=promise, limit=limit, run=run)


def from_tiers(
    claims: tuple[str, ...],
    tiers: Sequence[str] = (),
    others: Callable[[Any], Addresses] = nobody,
    *,
    who: str = "tier",
    promise: str = DECLARED,
) -> Drill:
    """`tiers`: patterns, the first machine of each of which looks; none: every machine does."""

    def run(stack: DeployedStack) -> list[Figure]:
        sources = [fnmatch.filter(stack.machines, tier)[0] for tier in tiers] or list(stack.machines)
        return each_tier(stack, sources, others(stack))

    return Drill(name=f"what each {who} can reach", claims=claims, promise=promise, limit=LIKELY_ONES, run=run)


def from_neighbour(
    claims: tuple[str, ...],
    network: str,
    source: str = "the world",
    *,
    promise: str = DECLARED,
    limit: str = LIKELY_ONES,
) -> Drill:
    name = "what a neighbour of the private network can reach"
    run = functools.partial(a_neighbour, network=network, source=source)
    return Drill(name=name, claims=claims, promise=promise, limit=limit, run=run)
