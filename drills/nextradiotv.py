"""NextRadioTV broken: fronts, tiers, members of the cluster, a host; crowds, ports, alerts, archives, the search."""

import functools
import time
from collections.abc import Callable
from typing import Any

from drills import faults
from drills.canary import CANARY
from drills.drill import Drill, Figure
from drills.ledger import TIMEOUT
from drills.limits import NOT_THERE_YET, STARTED_AGAIN, VRRP
from drills.nextradiotv_load import (
    RATE,
    Stack,
    five_times,
    made,
    office_beside_a_crowd,
    office_certified,
    one_more,
    read,
    second_site,
    without_the_gateway,
)
from drills.outage import AFTER, BEFORE, Bears, machine_lost, outage, served
from drills.packs import archive, galera_cluster, gateway, logs, monitoring, ports, resolver
from drills.packs.galera_cluster import ALL_TELL, SUSPICION, Application, Cluster
from drills.packs.haproxy_tier import Members
from drills.packs.search_pair import Search
from drills.peak import SENSIBLE, highest
from drills.release import released
from pulumi_casebook.core.debian import PHP

PRIVATE = "10.4.0.0/22"
# Both platforms write at the same time, each by its own HAProxies and members.
PUBLIC = Application("php-2", lambda stack: stack.outputs.database.public, "public")
OFFICE = Application("office-php*", lambda stack: stack.outputs.database.office, "office", "drill_office")
CLUSTER = Cluster("*db-*", (PUBLIC, OFFICE), claims=("NRT-5",), arbitrators=("monitoring",))
SEARCH = Search("php-1", lambda stack: stack.outputs.search, claims=("NRT-20",))
FRONTS, SQL = Members("front-*", PRIVATE), Members("sql-*", PRIVATE)

ADDRESS_MOVES = "the address of a HAProxy that is lost serves from another machine"
MULTI_MASTER = "ten nodes in one multi-master cluster: losing one loses no write, on neither platform"
PROBED = (
    "HAProxy finds a server dead after 2.8 s; a request that hangs in it by then is given up by the visitor after 5 s "
    "(HaproxyTier)"
)
ASKED_AGAIN = (
    "nginx gives up a connection to a PHP server after 1 s and an answer after 3 s, and asks the next "
    "(architectures/nextradiotv.py, NginxTier)"
)
MADE_AGAIN = (
    "the application gives up a connection to a Memcached after 0.1 s, and leaves that one out for 5 s; an answer "
    "it gives up after 0.2 s; the block is made again (architectures/applications/nextradiotv)"
)
SILENT = f"{SUSPICION}; a client that has asked a silent member gives up after {TIMEOUT} s and may meet it again"
TOLD = "two minutes without an answer; 30 s in which Alertmanager gathers, and looks of 10 s (Monitoring)"
ONE_COMPUTER = "platforms, back office and visitors share the machine that is named below"


# A front


def front_broken(front: str, how: str, fault: faults.Fault, clean: float, limit: str, *, moves: bool) -> Drill:
    """`moves`: another front takes over its address; else it keeps it."""

    def run(stack: Stack) -> list[Figure]:
        FRONTS.at_home(stack)
        failed = round(RATE / len(stack.outputs.addresses) * clean)
        visits = served(read(stack), RATE, failed=failed, clean=clean)
        if moves:
            return outage(stack, fault, 15, visits, meanwhile=FRONTS.elsewhere(stack, front))
        return outage(stack, fault, 10, visits)

    claims = ("NRT-1", "NRT-3") if moves else ("NRT-3",)
    return Drill(name=f"{front} {how}", claims=claims, promise=ADDRESS_MOVES, limit=limit, run=run)


# A machine of a tier


def tier(machine: str, unit: str, share: float, clean: float, limit: str) -> list[Drill]:
    """`share`: the part of the visitors who meet what is lost with it."""
    return machine_lost(
        machine,
        made,
        RATE,
        killed={unit: Bears(20, clean, f"{STARTED_AGAIN}; {limit}")},
        lost=Bears(20, clean, limit),
        share=share,
        claims=("NRT-4",),
        promise="each tier has several machines; losing one of them stops nothing",
    )


def sql_lost(how: str, fault: Callable[[str], faults.Fault], clean: float, gap: float, limit: str) -> Drill:
    """Of the two SQL HAProxies the one that has the address. Nobody writes for `gap` seconds at most."""

    def run(stack: Stack) -> list[Figure]:
        visits = served(made(stack), RATE, failed=4 * RATE if clean else 0, clean=clean)
        writes = CLUSTER.written(stack, gaps={"public": gap, "office": 1})
        return outage(stack, fault(SQL.holder(stack)), 20, visits, writes)

    return Drill(
        name=f"the SQL HAProxy with the address {how}",
        claims=("NRT-4", "NRT-6"),
        promise="two HAProxy machines in front of the database, in fault tolerance",
        limit=limit,
        run=run,
    )


def resolver_lost(how: str, fault: faults.Fault) -> Drill:
    def run(stack: Stack) -> list[Figure]:
        visits = served(read(stack), RATE, failed=0, clean=0)
        return outage(stack, fault, 0, visits, meanwhile=lambda _: resolver.looked_up(stack, "nginx-1"))

    return Drill(
        name=f"a name server {how}",
        claims=("NRT-9",),
        promise="two internal caching name servers: names are found when one is lost",
        limit="a resolver that does not answer is given up after a second (Resolver)",
        run=run,
    )


def without_the_logs(stack: Stack) -> list[Figure]:
    return logs.lost(stack, next(iter(stack.outputs.addresses.values())), read(stack), RATE)


# The cluster


def without_the_arbitrator(stack: Stack) -> list[Figure]:
    """The monitoring machine votes as well."""
    CLUSTER.rejoined(stack)
    off = functools.partial(faults.power_loss, machine="monitoring")
    return outage(stack, off, 20, served(read(stack), RATE, failed=0, clean=0), CLUSTER.written(stack, gap=8))


def all_members_lost(stack: Stack) -> list[Figure]:
    return galera_cluster.all_lost(CLUSTER, stack, again=None, settled=300)


# A host


def host_lost(stack: Stack) -> list[Figure]:
    """What one host has by anti-affinity: of each of the first site's tiers that has more than one, the first."""
    FRONTS.at_home(stack)
    here = ("instance", stack.machines["front-1"].site)
    names = {name for name, where in stack.machines.items() if (where.kind, where.site) == here}
    machines = sorted(name for name in names if name.endswith("-1") and f"{name.removesuffix('1')}2" in names)
    rate = round(SENSIBLE * highest(made(stack), strangers=True) / 2)
    off = functools.partial(faults.power_loss_of_all, machines=machines)
    began = time.monotonic()
    figures = outage(stack, off, 20, served(made(stack), rate, failed=4 * rate, clean=10))
    return [
        Figure("machines lost", len(machines)),
        Figure("requests a second, three eighths of what is held", rate),
        *figures,
        Figure("all back after", round(time.monotonic() - began - BEFORE - 20 - AFTER), "s"),
    ]


# Ports, and alerts


def the_world(stack: Stack) -> list[Figure]:
    """The worst of the four addresses; machines that have one of their own are looked at too."""
    looks = [ports.the_world(stack, {"addresses": address}) for address in stack.outputs.addresses.values()]
    return [max(figures, key=lambda figure: figure.value) for figures in zip(*looks, strict=True)]


def somebody_is_told(stack: Stack) -> list[Figure]:
    CLUSTER.rejoined(stack)
    return monitoring.somebody_is_told(
        stack,
        stopped={"nginx-1": "nginx", "db-3": "mariadb"},
        old=("logs", "archive-logs"),
        off="php-1",
        wanted={
            ("MachineDown", "php-1"): 145,
            ("HaproxyServerDown", "nginx-1"): 145,
            ("GaleraMemberMissing", "db-1"): 145,
            ("BackupTooOld", "logs"): 25,
        },
    )


def drill(name: str, claims: str, promise: str, run: Callable[[Any], list[Figure]], limit: str = "") -> Drill:
    return Drill(name=name, claims=tuple(claims.split()), promise=promise, limit=limit, run=run)


NRT_17 = ("NRT-2", "NRT-17")
TIERS = ("front-1", "nginx-1", "php-1", "memcached-1", "sql-1", "db-1", "office-php*", "development")
DRILLS = [
    *(front_broken("front-1", how, fault, 9, VRRP, moves=True) for how, fault in faults.ways("front-1", 20).items()),
    front_broken("front-4", "has haproxy killed", faults.kill("front-4", "haproxy"), 4, STARTED_AGAIN, moves=False),
    front_broken("front-1", faults.FULL, faults.full("front-1", 20), 0, "", moves=False),
    drill(
        "a front comes back under load",
        "NRT-1 NRT-3",
        ADDRESS_MOVES,
        lambda stack: FRONTS.comes_home(stack, read(stack), RATE, "front-1"),
    ),
    *tier("nginx-1", "nginx", 5 / 9, 9, PROBED),
    *tier("php-1", f"php{PHP}-fpm", 2 / 9, 9, ASKED_AGAIN),
    *tier("memcached-1", "memcached", 0, 0, MADE_AGAIN),
    *(
        sql_lost(how, faults.way(how), 9, 8, f"{VRRP}; a client of the database after {TIMEOUT} s")
        for how in faults.WAYS
    ),
    sql_lost("has haproxy killed", lambda machine: faults.kill(machine, "haproxy"), 4, 4, STARTED_AGAIN),
    sql_lost(faults.FULL, lambda machine: faults.full(machine, 25), 0, 1, ""),
    *(resolver_lost(how, fault("dns-1")) for how, fault in faults.every_way("unbound").items()),
    drill(
        "the gateway loses power",
        "NRT-8 NRT-10",
        "what goes out passes the gateway; pages and images that are kept do not need it",
        without_the_gateway,
        "one machine, as drawn",
    ),
    drill(
        "the log server loses power, and a mail tells of it",
        "NRT-11",
        "mail by day; lines of the meantime are not lost",
        without_the_logs,
        TOLD,
    ),
    *(
        galera_cluster.lost(
            CLUSTER,
            member,
            how,
            fault,
            gap=10,
            limit=SILENT,
            promise=MULTI_MASTER,
            claims=("NRT-5", "NRT-6"),
        )
        for member in ("db-3", "office-db-2")
        for how, fault in faults.every_way("mariadb").items()
    ),
    drill("the arbitrator's machine loses power", "NRT-5 NRT-11", MULTI_MASTER, without_the_arbitrator, SUSPICION),
    drill(
        "all members and the arbitrator lose power at once",
        "NRT-5",
        "what was acknowledged is there when they are back, without an operator's command",
        all_members_lost,
        ALL_TELL,
    ),
    *SEARCH.drills(),
    drill(
        "the first site is lost, and the second takes over",
        "NRT-18",
        "DRP in Strasbourg: same architecture, smaller, synchronised, asleep until needed",
        second_site,
        NOT_THERE_YET,
    ),
    *archive.drills(
        "office-db-3",
        "development",
        (("logs", "logs", "/var/log", "development"), ("development", "git", "/srv/git", "logs")),
        claims=("NRT-12",),
    ),
    drill(
        "the back office beside a crowd",
        "NRT-7 NRT-16",
        "the back office stays up while the public platform is saturated",
        office_beside_a_crowd,
        ONE_COMPUTER,
    ),
    drill(
        "the load rises to five times as much",
        "NRT-7 NRT-13",
        "traffic x 5 within 15 minutes",
        five_times,
        f"a fifteenth of the time; {ONE_COMPUTER}",
    ),
    drill(
        "one nginx and one PHP server more, and gone again",
        "NRT-19",
        "hourly machines added in five minutes at the bottom and the top",
        one_more,
    ),
    drill(
        "the back office's certificate is renewed",
        "NRT-7",
        "the back office stays up, also while it is worked on",
        office_certified,
    ),
    drill(
        "one host is lost",
        "NRT-14",
        "a host is lost: its machines restart elsewhere, and load stays under half of capacity",
        host_lost,
        f"{PROBED}; {ONE_COMPUTER}",
    ),
    drill(
        "what the world can reach",
        "NRT-2",
        "only the four fronts are on the public network, on port 80",
        the_world,
    ),
    ports.from_tiers(NRT_17, TIERS),
    ports.from_neighbour(NRT_17, PRIVATE, "development"),
    drill(
        "somebody guesses passwords",
        "NRT-15",
        "SSH is protected against brute force",
        gateway.guessed,
        "fail2ban, from three failures on, each of which it reads from the journal (Gateway)",
    ),
    drill(
        "a machine, a daemon, a member and an archive fail, and somebody is told",
        "NRT-11",
        "a server watches every other",
        somebody_is_told,
        "two minutes without an answer; looks of 10 s on the way (Monitoring)",
    ),
    drill(
        "a machine is lost by night, and a text message tells of it",
        "NRT-11",
        "mail by day, SMS by night",
        functools.partial(monitoring.by_night, "dns-2"),
        TOLD,
    ),
    released(made, RATE),
    CANARY,
]
