"""Keyzee broken: the gateway, a machine of each tier, its Galera cluster, the whole first site; what can be reached."""

import contextlib
import dataclasses
import functools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from architectures.keyzee import KeyzeeOutputs
from drills import changes, faults
from drills.canary import CANARY
from drills.drill import Drill, Figure, NotSeen
from drills.ledger import ledger
from drills.limits import NOT_THERE_YET, SKIPPED, STARTED_AGAIN, VRRP
from drills.outage import Bears, Check, Outage, machine_lost, outage, served
from drills.packs import backup, galera_cluster, ports
from drills.packs.drp_replica_site import SERVES, Sites, asked, by_name, gap, visited
from drills.packs.haproxy_tier import Members
from drills.peak import SENSIBLE, highest, rising
from drills.release import released
from stacks.deployed_stack import DeployedStack, world

Stack: TypeAlias = DeployedStack[KeyzeeOutputs]
RATE = 30  # requests a second
PRIVATE = "10.12.0.0/23"
WRITER = galera_cluster.Application(over="rbx-mobile-2", address=lambda stack: stack.outputs.database.address)
CLUSTER = galera_cluster.Cluster("rbx-db-*", (WRITER,), claims=("KEY-4",))
HAPROXIES = Members("rbx-haproxy-*", PRIVATE)

NO_REQUEST = "HAProxy stops sending to what does not answer"
ONE_DOOR = "one firewall in front of everything, as drawn: what is lost with it is back when it is"
PASSES = "everything that comes in passes the firewall; ports reachable are ports declared"
GATEWAY = "rbx-gateway-1"


def pages(stack: Stack, path: str = "/") -> list[str]:
    return [f"GET {stack.outputs.url}{path}"]


# A machine of the first site


def lost(machine: str, daemon: str, claim: str, path: str = "/") -> list[Drill]:
    """Of two that share the visitors."""
    return machine_lost(
        machine,
        functools.partial(pages, path=path),
        RATE,
        killed={daemon: Bears(10, 5, f"{STARTED_AGAIN}; {SKIPPED}")},
        lost=Bears(20, 12, SKIPPED),
        share=1 / 2,
        claims=(claim,),
        promise=NO_REQUEST,
    )


def address_lost(how: str, fault: Callable[[str], faults.Fault], clean: float) -> Drill:
    """Of the two HAProxies the one that has the address."""

    def run(stack: Stack) -> list[Figure]:
        visits = served(pages(stack), RATE, failed=round(RATE * clean), clean=clean)
        return outage(stack, fault(HAPROXIES.holder(stack)), 20, visits)

    return Drill(name=f"the HAProxy with the address {how}", claims=("KEY-2",), promise=NO_REQUEST, limit=VRRP, run=run)


# The sites


def sites(stack: Stack) -> Sites:
    first = [name for name in stack.machines if name.startswith("rbx-")]
    doors = [name for name in first if name.startswith("rbx-gateway")]
    return Sites("gra-conductor", doors, [name for name in first if name not in doors])


@contextlib.contextmanager
def booked(stack: Stack, *, lost: int, within: float, on_the_way: str = "") -> Iterator[Check]:
    """Reservations from the world, all but so many of which the service knows; none is made for `within` seconds."""
    label, known = f"drill-{time.time_ns()}", set[str]()

    def check(when: Outage) -> list[Figure]:
        made = {f"{label}-{visit.number}" for visit in visits if visit.status == 201}
        if not made:
            raise NotSeen("no reservation was made")
        return [
            Figure(f"reservations made{on_the_way}", len(made)),
            Figure(f"made reservations lost{on_the_way}", len(made - known), goal=lost),
            Figure(f"none made for{on_the_way}", gap(visits, 201, when.began), "s", goal=within),
        ]

    with visited(f"{by_name(stack, '/reservations')} -d {label}-$n") as visits:
        yield check
    known |= set(asked(stack, "/reservations").split())


def home_again(stack: Stack) -> list[Figure]:
    """By command, while reservations are made."""
    bookings = booked(stack, lost=0, within=120, on_the_way=", on the way home")
    return outage(stack, sites(stack).handed_back, SERVES, bookings)


def there_and_back(stack: Stack) -> list[Figure]:
    """As it is rehearsed: both sites are whole."""
    bookings = booked(stack, lost=0, within=120)
    return [*outage(stack, sites(stack).taken_over, SERVES, bookings), *home_again(stack)]


def site_lost(stack: Stack) -> list[Figure]:
    bookings = booked(stack, lost=20, within=240)
    return [*sites(stack).first_site_lost(stack, bookings), *home_again(stack)]


# It is worked on


def needed(stack: Stack) -> list[str]:
    """A page, and one that nobody sees without the database; the first reservation makes its table."""
    world("sh", "-c", f"{by_name(stack, '/reservations')} --fail --max-time 20 -d drill")
    return [*pages(stack), *pages(stack, "/reservations")]


def member_certified(stack: Stack) -> list[Figure]:
    member, address = CLUSTER.names(stack)[0], stack.outputs.database.address
    with ledger(stack, over=WRITER.over, write=address, read=address) as book:
        figures = changes.rotated(
            stack,
            needed(stack),
            RATE,
            lambda stack: changes.held(stack, [member], "/etc/galera/member.crt"),
            f"rbx-database-{member}",
        )
    return [*figures, *book.figures(gap=8)]


def password_rotated(stack: Stack) -> list[Figure]:
    return changes.password_rotated(
        stack,
        needed(stack),
        RATE,
        lambda stack: changes.held(stack, CLUSTER.names(stack), "/etc/galera/accounts.json"),
        "rbx-database-application",
        over=WRITER.over,
    )


def site_certified(stack: Stack) -> list[Figure]:
    [door, *_] = sites(stack).doors
    address = stack.machines[door].public
    return changes.rotated(stack, needed(stack), RATE, lambda _: changes.serials(str(address)), "rbx-www")


def requests_held(stack: Stack) -> list[Figure]:
    held = highest(pages(stack))
    risen = rising(pages(stack), round(SENSIBLE * held), times=3, seconds=20)
    return [Figure("requests a second held", held), *risen]


def at_home(drill: Drill) -> Drill:
    """The same, once the first site serves and the second is in step, whatever an earlier drill has left."""

    def run(stack: Stack) -> Sequence[Figure]:
        sites(stack).at_home(stack)
        return drill.run(stack)

    return dataclasses.replace(drill, run=run)


ALL = [
    address_lost("has haproxy killed", lambda machine: faults.kill(machine, "haproxy"), 5),
    *(address_lost(how, faults.way(how), 12) for how in faults.WAYS),
    address_lost(faults.FULL, lambda machine: faults.full(machine, 25), 0),
    *lost("rbx-proxy-1", "nginx", "KEY-2"),
    *lost("rbx-mobile-1", "apache2", "KEY-3"),
    *lost("rbx-keys-1", "tomcat10", "KEY-3", "/keys/"),
    *machine_lost(
        GATEWAY,
        pages,
        RATE,
        killed={"suricata": Bears(20, 30, ONE_DOOR)},
        lost=Bears(20, 60, ONE_DOOR),
        claims=("KEY-1",),
        promise="the firewall filters all traffic, and nothing goes around it",
    ),
    *galera_cluster.drills(CLUSTER),
    *backup.drills("rbx-monitoring", {"rbx-database": ("rbx-db-3", "mysql.sql")}, claims=("KEY-8",)),
    Drill(
        name="the second site takes over as planned, and hands back",
        claims=("KEY-6",),
        promise="the second datacentre takes over in degraded mode in the least time",
        limit="visitors follow the name within its 60 s",
        run=there_and_back,
    ),
    Drill(
        name="the first site is lost, and the second takes over",
        claims=("KEY-6", "KEY-8"),
        promise="the second datacentre takes over in degraded mode in the least time",
        limit=NOT_THERE_YET,
        run=site_lost,
    ),
    *(
        Drill(
            name=name,
            claims=("KEY-8",),
            promise="300,000 vehicles, and an availability as close to 100 % as possible",
            limit=limit,
            run=run,
        )
        for name, run, limit in (
            ("the database's password is rotated", password_rotated, ""),
            ("a certificate of the cluster is renewed", member_certified, "members restart in turn, the writer too"),
            ("the site's certificate is renewed", site_certified, ""),
        )
    ),
    ports.from_world(("KEY-1",), promise=PASSES),
    ports.from_tiers(("KEY-1",), [f"rbx-{tier}-1" for tier in ("gateway", "haproxy", "proxy", "keys", "mobile", "db")]),
    ports.from_neighbour(("KEY-1",), PRIVATE, promise=PASSES),
    released(needed, RATE),
    CANARY,
    # Last: its tries end in an overload, after which the gateway remembers connections for ten minutes.
    Drill(
        name="the load triples",
        claims=("KEY-8",),
        promise="300,000 vehicles, and an availability as close to 100 % as possible",
        limit="the document prints no rate; all machines of both sites and the visitors share the machine that is "
        "named below; connections are kept",
        run=requests_held,
    ),
]
DRILLS = [at_home(drill) for drill in ALL]
