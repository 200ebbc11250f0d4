"""Keyzee broken: the gateway, a machine of each tier, its Galera cluster, the whole first site; what can be reached."""

import contextlib
import functools
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from drills import faults, galera, ports
from drills.drill import Drill, Figure, NotSeen
from drills.limits import SKIPPED, STARTED_AGAIN, VRRP
from drills.patience import seconds_until
from drills.peak import highest, rising
from drills.serving import under_load
from sandbox import GATEWAY
from stacks.running import Running, from_the_world, world
from stacks.target import is_account

RATE = 30  # requests a second
FIRST, CONDUCTOR = "rbx", "gra-conductor"
CLUSTER = galera.Cluster(members="rbx-db-*", over="rbx-mobile-2", claims=("KEY-4",))

NO_REQUEST = "HAProxy stops sending to what does not answer"
ONE_DOOR = "one firewall in front of everything, as drawn: what is lost with it is back when it is"
NOT_THERE_YET = (
    "the sites follow each other asynchronously: what the first acknowledged within its last second can be missing "
    "(components/drp_replica_site); visitors follow the name within its 60 s"
)


def pages(stack: Running, path: str = "/") -> list[str]:
    return [f"GET {stack.outputs['url']}{path}"]


# A machine of the first site


class Tier(NamedTuple):
    """What a machine is to the visitors: its claim, the part of them who meet it, the page, and what limits them."""

    claim: str
    share: float
    limit: str
    path: str = "/"
    promise: str = NO_REQUEST


def lost(machine: str, how: str, fault: faults.Fault, tier: Tier, seconds: int, clean: float, limit: str) -> Drill:
    def run(stack: Running) -> list[Figure]:
        failed = round(RATE * clean * tier.share)
        broken = functools.partial(fault, stack)
        return under_load(pages(stack, tier.path), broken, rate=RATE, seconds=seconds, failed=failed, clean=clean)

    return Drill(name=f"{machine} {how}", claims=(tier.claim,), promise=tier.promise, limit=limit, run=run)


def machine_lost(machine: str, daemon: str, tier: Tier) -> list[Drill]:
    killed, limit = faults.kill(machine, daemon), f"{STARTED_AGAIN}; {tier.limit}"
    return [
        lost(machine, f"has {daemon} killed", killed, tier, 10, 5, limit),
        *(lost(machine, how, fault, tier, 20, 10, tier.limit) for how, fault in faults.ways(machine, 25).items()),
        lost(machine, faults.FULL, faults.full(machine, 25), tier, 20, 0, ""),
    ]


# The sites


class Reservation(NamedTuple):
    """One that was asked for: the vehicle, when the answer came (seconds since the epoch), and whether it was made."""

    vehicle: str
    ended: float
    made: bool


class Book:
    """The reservations of one visitor, there once the block has ended, and those that the service knows then."""

    def __init__(self) -> None:
        self.asked: list[Reservation] = []
        self.known: set[str] = set()

    @property
    def made(self) -> list[Reservation]:
        return [one for one in self.asked if one.made]

    @property
    def lost(self) -> list[Reservation]:
        return [one for one in self.made if one.vehicle not in self.known]

    def figures(self, moment: float, *, lost: int | None, within: float) -> list[Figure]:
        """For the table; from a moment on none may be made for `within` seconds."""
        again = min((one.ended for one in self.made if one.ended > moment + 1), default=time.time())
        last = max((one.ended for one in self.made if one.ended <= again - 1), default=moment)
        return [
            Figure("reservations made", len(self.made)),
            Figure("made reservations lost", len(self.lost), goal=lost),
            Figure("none made for", round(again - min(last, moment), 1), "s", goal=within),
        ]


def reservations(stack: Running) -> str:
    """What a shell in the world asks the service's reservations with, wherever the name leads just then."""
    host = urlsplit(stack.outputs["url"]).hostname
    # The sandbox's name server knows what the world's do not.
    where = f"dig +short +time=2 {'' if is_account() else f'@{GATEWAY}'} {host}"
    return f"curl -sk --resolve {host}:443:$({where}) {stack.outputs['url']}/reservations"


def visit(stack: Running, folder: Path) -> str:
    """A script: one reservation after the other, of somebody who asks for the name each time, until told to stop."""
    return f"""n=0
        while [ ! -e {folder}/stop ] && [ $n -lt 20000 ]; do
            n=$((n + 1)); vehicle={folder.name}-$n
            status=$({reservations(stack)} --max-time 5 -o {folder}/answer -w '%{{http_code}}' -d $vehicle)
            echo $vehicle $(date +%s.%N) $status
            sleep 0.1
        done"""


@contextlib.contextmanager
def booked(stack: Running) -> Iterator[Book]:
    """Reservations from the world while the block runs."""
    book = Book()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)  # who is in the world has no rights here
        words = from_the_world("sh", "-c", visit(stack, folder))
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as visitor:
            try:
                yield book
            finally:
                (folder / "stop").touch()
                printed, _ = visitor.communicate(timeout=60)
    for line in printed.splitlines():
        vehicle, ended, status = line.split()
        book.asked.append(Reservation(vehicle, float(ended), status == "201"))
    if not book.made:
        raise NotSeen("no reservation was made")
    book.known = known(stack)


def known(stack: Running) -> set[str]:
    """The reservations that the service knows."""
    return set(world("sh", "-c", f"{reservations(stack)} --fail --max-time 20").split())


def status(stack: Running) -> dict[str, Any]:
    """Both sites, as the conductor sees them."""
    found: dict[str, Any] = json.loads(stack.on(CONDUCTOR, "sudo drp status", timeout=60))
    return found


def in_step(stack: Running, site: str) -> bool:
    return bool(status(stack)[site]["follows"])


def at_home(stack: Running) -> None:
    """The first site serves, and the second is in step."""
    if status(stack)["serves"] != "primary":
        home(stack)
    seconds_until(lambda: in_step(stack, "replica"), "the second site in step", 300, every=2)


def home(stack: Running) -> None:
    seconds_until(lambda: in_step(stack, "primary"), "the first site in step", 600, every=2)
    stack.on(CONDUCTOR, "sudo drp handback", timeout=600)


def home_again(stack: Running) -> list[Figure]:
    """By command, while reservations are made."""
    with booked(stack) as book:
        time.sleep(5)
        moment = time.time()
        home(stack)
        time.sleep(20)
    figures = book.figures(moment, lost=0, within=120)
    return [figure._replace(name=f"{figure.name}, on the way home") for figure in figures]


def there_and_back(stack: Running) -> list[Figure]:
    """As it is rehearsed: both sites are whole."""
    at_home(stack)
    with booked(stack) as book:
        time.sleep(5)
        moment = time.time()
        stack.on(CONDUCTOR, "sudo drp takeover", timeout=600)
        took = time.time() - moment
        time.sleep(20)
    on_the_way_home = home_again(stack)
    return [
        *book.figures(moment, lost=0, within=120),
        Figure("the command took", round(took), "s"),
        *on_the_way_home,
    ]


def site_lost(stack: Running) -> list[Figure]:
    """Every machine of the first site loses power at once. It is switched on again, and serves again by command."""
    at_home(stack)
    inside = [name for name in stack.machines if name.startswith(f"{FIRST}-") and "gateway" not in name]
    gateways = [name for name in stack.machines if name.startswith(f"{FIRST}-gateway")]
    with booked(stack) as book:
        time.sleep(5)
        # All others are reached through the gateways: those go last, and come first.
        with contextlib.ExitStack() as broken:
            moment = broken.enter_context(faults.power_loss_of_all(stack, inside))
            broken.enter_context(faults.power_loss_of_all(stack, gateways))
            commanded = time.time()
            stack.on(CONDUCTOR, "sudo drp takeover", timeout=600)
            took = time.time() - commanded
            time.sleep(20)
            on = time.time()
        seconds_until(lambda: in_step(stack, "primary"), "the first site in step", 900, every=5)
        came = time.time() - on
    on_the_way_home = home_again(stack)
    return [
        *book.figures(moment, lost=20, within=240),
        Figure("of that until the command was given", round(commanded - moment), "s"),
        Figure("of that the command took", round(took), "s"),
        Figure("the first site in step again after it was switched on", round(came), "s"),
        *on_the_way_home,
    ]


def requests_held(stack: Running) -> list[Figure]:
    held = highest(pages(stack))
    return [Figure("requests a second held", held), *rising(pages(stack), held, times=3, seconds=20)]


DRILLS = [
    *machine_lost("rbx-haproxy-1", "haproxy", Tier("KEY-2", 1, VRRP)),
    *machine_lost("rbx-proxy-1", "nginx", Tier("KEY-2", 1 / 2, SKIPPED)),
    *machine_lost("rbx-mobile-1", "apache2", Tier("KEY-3", 1 / 2, SKIPPED)),
    *machine_lost("rbx-keys-1", "tomcat10", Tier("KEY-3", 1 / 2, SKIPPED, "/keys/")),
    lost(
        "rbx-gateway-1",
        "loses power",
        faults.ways("rbx-gateway-1", 25)["loses power"],
        Tier("KEY-1", 1, ONE_DOOR, promise="the firewall filters all traffic, and nothing goes around it"),
        *(20, 60, ONE_DOOR),
    ),
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
    Drill(
        name="the load triples",
        claims=("KEY-8",),
        promise="300,000 vehicles, and an availability as close to 100 % as possible",
        limit="the document prints no rate; all machines of both sites and the visitors share the machine that is "
        "named below; connections are kept",
        run=requests_held,
    ),
    Drill(
        name="what the world can reach",
        claims=("KEY-1",),
        promise="everything that comes in passes the firewall; ports reachable are ports printed",
        run=lambda stack: ports.the_world(stack, {}),
    ),
    Drill(
        name="what each tier can reach",
        claims=("KEY-1",),
        promise="ports reachable are ports printed",
        limit="TCP ports that are likely or printed",
        run=lambda stack: ports.each_tier(
            stack, [f"rbx-{tier}-1" for tier in ("gateway", "haproxy", "proxy", "keys", "mobile", "db")]
        ),
    ),
]
