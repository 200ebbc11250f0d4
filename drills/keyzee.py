"""Keyzee broken: the gateway, a machine of each tier, its Galera cluster, the whole first site; what can be reached."""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from fnmatch import filter as matching
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from drills import changes, faults, galera, ports
from drills.canary import CANARY
from drills.drill import Drill, Figure, NotSeen
from drills.limits import NOT_THERE_YET, SKIPPED, STARTED_AGAIN, VRRP
from drills.peak import SENSIBLE, highest, rising
from drills.release import released
from drills.serving import moving, under_load
from drills.sites import Sites, Visit, asked, by_name, gap, visited
from stacks.deployed_stack import DeployedStack, world

if TYPE_CHECKING:
    from architectures.keyzee import KeyzeeOutputs

Stack: TypeAlias = "DeployedStack[KeyzeeOutputs]"
RATE = 30  # requests a second
PRIVATE = "10.12.0.0/23"
CLUSTER = galera.Cluster(members="rbx-db-*", over="rbx-mobile-2", claims=("KEY-4",))

NO_REQUEST = "HAProxy stops sending to what does not answer"
ONE_DOOR = "one firewall in front of everything, as drawn: what is lost with it is back when it is"
GATEWAY = "rbx-gateway-1"


def pages(stack: Stack, path: str = "/") -> list[str]:
    return [f"GET {stack.outputs.url}{path}"]


# A machine of the first site


class Tier(NamedTuple):
    """What a machine is to the visitors: its claim, the part of them who meet it, the page, and what limits them."""

    claim: str
    share: float
    limit: str
    path: str = "/"
    promise: str = NO_REQUEST


def lost(machine: str, how: str, fault: faults.Fault, tier: Tier, seconds: int, clean: float, limit: str) -> Drill:
    def run(stack: Stack) -> list[Figure]:
        failed = round(RATE * clean * tier.share)
        return under_load(stack, pages(stack, tier.path), fault, rate=RATE, seconds=seconds, failed=failed, clean=clean)

    return Drill(name=f"{machine} {how}", claims=(tier.claim,), promise=tier.promise, limit=limit, run=run)


def machine_lost(machine: str, daemon: str, tier: Tier) -> list[Drill]:
    killed, limit = faults.kill(machine, daemon), f"{STARTED_AGAIN}; {tier.limit}"
    return [
        lost(machine, f"has {daemon} killed", killed, tier, 10, 5, limit),
        *(lost(machine, how, fault, tier, 20, 12, tier.limit) for how, fault in faults.ways(machine, 25).items()),
        lost(machine, faults.FULL, faults.full(machine, 25), tier, 20, 0, ""),
    ]


def gateway_lost(how: str, fault: faults.Fault, clean: float) -> Drill:
    tier = Tier("KEY-1", 1, ONE_DOOR, promise="the firewall filters all traffic, and nothing goes around it")
    return lost(GATEWAY, how, fault, tier, 20, clean, ONE_DOOR if clean else "")


def address_lost(how: str, fault: Callable[[str], faults.Fault], clean: float) -> Drill:
    """Of the two HAProxies the one that has the address."""

    def run(stack: Stack) -> list[Figure]:
        [machine] = [one for one in matching(stack.machines, "rbx-haproxy-*") if moving(stack, one, PRIVATE)]
        failed = round(RATE * clean)
        return under_load(stack, pages(stack), fault(machine), rate=RATE, seconds=20, failed=failed, clean=clean)

    return Drill(name=f"the HAProxy with the address {how}", claims=("KEY-2",), promise=NO_REQUEST, limit=VRRP, run=run)


# The sites


def sites(stack: Stack) -> Sites:
    first = [name for name in stack.machines if name.startswith("rbx-")]
    doors = [name for name in first if name.startswith("rbx-gateway")]
    return Sites("gra-conductor", doors, [name for name in first if name not in doors])


class Book:
    """The reservations of one visitor, there once the block has ended, and those that the service knows then."""

    def __init__(self) -> None:
        self.label = f"drill-{time.time_ns()}"
        self.visits: list[Visit] = []
        self.known: set[str] = set()

    def figures(self, moment: float, *, lost: int | None, within: float) -> list[Figure]:
        """For the table; from a moment on none may be made for `within` seconds."""
        made = {f"{self.label}-{visit.number}" for visit in self.visits if visit.status == 201}
        if not made:
            raise NotSeen("no reservation was made")
        return [
            Figure("reservations made", len(made)),
            Figure("made reservations lost", len(made - self.known), goal=lost),
            Figure("none made for", gap(self.visits, 201, moment), "s", goal=within),
        ]


@contextlib.contextmanager
def booked(stack: Stack) -> Iterator[Book]:
    """Reservations from the world while the block runs."""
    book = Book()
    with visited(f"{by_name(stack, '/reservations')} -d {book.label}-$n") as book.visits:
        yield book
    book.known = set(asked(stack, "/reservations").split())


def home_again(stack: Stack) -> list[Figure]:
    """By command, while reservations are made."""
    with booked(stack) as book:
        time.sleep(5)
        moment = time.time()
        sites(stack).home(stack)
        time.sleep(20)
    figures = book.figures(moment, lost=0, within=120)
    return [figure._replace(name=f"{figure.name}, on the way home") for figure in figures]


def there_and_back(stack: Stack) -> list[Figure]:
    """As it is rehearsed: both sites are whole."""
    both = sites(stack)
    with booked(stack) as book:
        time.sleep(5)
        moment = time.time()
        both.command(stack, "takeover")
        took = time.time() - moment
        time.sleep(20)
    on_the_way_home = home_again(stack)
    return [
        *book.figures(moment, lost=0, within=120),
        Figure("the command took", round(took), "s"),
        *on_the_way_home,
    ]


def site_lost(stack: Stack) -> list[Figure]:
    """Every machine of the first site loses power at once. It is switched on again, and serves again by command."""
    both = sites(stack)
    with booked(stack) as book:
        time.sleep(5)
        with both.first_lost(stack) as moment:
            commanded = both.taken_over(stack, moment)
            time.sleep(20)
            on = time.time()
        both.in_step(stack, "primary", 900)
        came = time.time() - on
    on_the_way_home = home_again(stack)
    return [
        *book.figures(moment, lost=20, within=240),
        *commanded,
        Figure("the first site in step again after it was switched on", round(came), "s"),
        *on_the_way_home,
    ]


def requests_held(stack: Stack) -> list[Figure]:
    held = highest(pages(stack))
    risen = rising(pages(stack), round(SENSIBLE * held), times=3, seconds=20)
    return [Figure("requests a second held", held), *risen]


# It is worked on


def needed(stack: Stack) -> list[str]:
    """A page, and one that nobody sees without the database; the first reservation makes its table."""
    world("sh", "-c", f"{by_name(stack, '/reservations')} --fail --max-time 20 -d drill")
    return [*pages(stack), *pages(stack, "/reservations")]


def member_certified(stack: Stack) -> list[Figure]:
    member = CLUSTER.names(stack)[0]
    with CLUSTER.written(stack) as book:
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
        over=CLUSTER.over,
    )


def site_certified(stack: Stack) -> list[Figure]:
    [door, *_] = sites(stack).doors
    address = stack.machines[door].public
    return changes.rotated(stack, needed(stack), RATE, lambda _: changes.serials(str(address)), "rbx-www")


def at_home(drill: Drill) -> Drill:
    """The same, once the first site serves and the second is in step, whatever an earlier drill has left."""

    def run(stack: Stack) -> Sequence[Figure]:
        sites(stack).at_home(stack)
        return drill.run(stack)

    return dataclasses.replace(drill, run=run)


ALL = [
    address_lost("has haproxy killed", lambda machine: faults.kill(machine, "haproxy"), 5),
    *(address_lost(how, faults.way(how), 12) for how in faults.ways("", 0)),
    address_lost(faults.FULL, lambda machine: faults.full(machine, 25), 0),
    *machine_lost("rbx-proxy-1", "nginx", Tier("KEY-2", 1 / 2, SKIPPED)),
    *machine_lost("rbx-mobile-1", "apache2", Tier("KEY-3", 1 / 2, SKIPPED)),
    *machine_lost("rbx-keys-1", "tomcat10", Tier("KEY-3", 1 / 2, SKIPPED, "/keys/")),
    gateway_lost("has suricata killed", faults.kill(GATEWAY, "suricata"), 30),
    *(gateway_lost(how, fault, 60) for how, fault in faults.ways(GATEWAY, 25).items()),
    gateway_lost(faults.FULL, faults.full(GATEWAY, 25), 0),
    *galera.drills(CLUSTER),
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
    Drill(
        name="what the world can reach",
        claims=("KEY-1",),
        promise="everything that comes in passes the firewall; ports reachable are ports declared",
        run=lambda stack: ports.the_world(stack, {}),
    ),
    Drill(
        name="what each tier can reach",
        claims=("KEY-1",),
        promise="ports reachable are ports declared",
        limit="TCP ports that are likely or declared",
        run=lambda stack: ports.each_tier(
            stack, [f"rbx-{tier}-1" for tier in ("gateway", "haproxy", "proxy", "keys", "mobile", "db")]
        ),
    ),
    Drill(
        name="what a neighbour of the private network can reach",
        claims=("KEY-1",),
        promise="everything that comes in passes the firewall; ports reachable are ports declared",
        limit="TCP ports that are likely or declared",
        run=lambda stack: ports.a_neighbour(stack, PRIVATE),
    ),
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
