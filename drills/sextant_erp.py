"""Sextant's ERP broken: a layer, a server, the master's server, the network between; its backups and its alerts."""

import contextlib
import functools
import re
import time
from collections.abc import Iterator
from typing import TypeAlias
from urllib.parse import urlsplit

from architectures.sextant_erp import SextantOutputs
from drills import faults
from drills.canary import CANARY
from drills.drill import Drill, Figure, NotSeen
from drills.ledger import ledger
from drills.limits import CONNECTS, DATABASE_STARTED_AGAIN, ROOM_AGAIN, STARTED_AGAIN
from drills.load import Load, load
from drills.outage import Check, outage, served
from drills.packs import backup, monitoring, mysql_pair, ports
from drills.patience import seconds_until
from drills.release import released
from pulumi_casebook.core.debian import PHP
from stacks.deployed_stack import DeployedStack, world

Stack: TypeAlias = DeployedStack[SextantOutputs]
MASTER, OTHER = "erp-1", "erp-2"
PAIR = mysql_pair.Pair(MASTER, OTHER, over=OTHER, claims=())
RATE = 35  # requests a second: 70 users (ERP-9), each with a page every two seconds

NO_TRAFFIC = "a server that fails gets no traffic until it is back"
TAKES_OVER = (
    "when the master's server fails the slave becomes master and the weights switch, and stay so until the next "
    "incident; the surviving server carries the whole load; the administrator gets a mail"
)
READ_ELSEWHERE = "pages are read from the other server's database meanwhile (architectures/applications/erp)"
HANGS = (
    "a server that hangs still takes connections: the watchdog looks every 5 s, waits 15 s for an answer, and takes it "
    "out of the balancer (Watchdog)"
)
RESTARTED = (
    "a master whose programs hang is started again by systemd, when its lease of 20 s is over at the latest "
    "(MysqlPair: WatchdogSec), before the watchdog may make another one"
)
LEASE = (
    "the master's lease has to end before the slave may write: 35 s, a look of 5 s, the balancer's refresh, and 15 s "
    "in which an old master could still read that it is none (Watchdog)"
)
TOLD = 60  # seconds: a look, an answer waited for, and the 30 s in which Alertmanager gathers (Monitoring)


# What is looked at


def weights(stack: Stack) -> dict[str, tuple[int, str]]:
    """Server to its weight and status at the balancer."""
    names = {where.private: name for name, where in stack.machines.items()}
    farms = f"/ipLoadbalancing/{stack.outputs.load_balancer}/http/farm"
    found = {}
    for farm in stack.clouds.ovh(farms):
        for number in stack.clouds.ovh(f"{farms}/{farm}/server"):
            server = stack.clouds.ovh(f"{farms}/{farm}/server/{number}")
            found[names[server["address"]]] = (server["weight"], server["status"])
    return found


def works(stack: Stack, machine: str) -> bool:
    """Whether a server replicates, and has its share of the traffic again."""
    return mysql_pair.replicates(stack, machine) and weights(stack)[machine][1] == "active"


def at_rest(stack: Stack) -> None:
    """As after the first `up`: the first server writes, the second replicates, and no mail has come."""
    PAIR.at_first(stack)
    wanted = {MASTER: (60, "active"), OTHER: (40, "active")}
    seconds_until(lambda: works(stack, OTHER) and weights(stack) == wanted, "60 : 40, and both at work", 180)
    monitoring.clean(stack, "monitoring")


def pages(stack: Stack) -> list[str]:
    return [f"GET {stack.outputs.url}/"]


# A layer, or a server


def layer_lost(machine: str, how: str, fault: faults.Fault, clean: float, gap: float, limit: str) -> Drill:
    def run(stack: Stack) -> list[Figure]:
        at_rest(stack)
        visits = served(pages(stack), RATE, failed=round(RATE * clean), clean=clean)
        writing = PAIR.written(stack, lambda book, _: book.figures(gap=gap, servers=1))
        return outage(stack, fault, 20, visits, writing)

    return Drill(name=f"{machine} {how}", claims=("ERP-3",), promise=NO_TRAFFIC, limit=limit, run=run)


@contextlib.contextmanager
def mailed(stack: Stack, machine: str) -> Iterator[Check]:
    """The watchdog tells of a machine."""
    yield lambda when: [monitoring.mailed(stack, "monitoring", ("Watchdog", machine), when.began, TOLD)]


def other_lost(how: str, fault: faults.Fault, seconds: int, clean: float, limit: str) -> Drill:
    def run(stack: Stack) -> list[Figure]:
        def recovered() -> list[Figure]:
            back = seconds_until(lambda: works(stack, OTHER), f"{OTHER} at work again", 180)
            return [Figure("at work again after it came back", round(back, 1), "s")]

        at_rest(stack)
        return outage(
            stack,
            fault,
            seconds,
            served(pages(stack), RATE, failed=round(RATE * 0.4 * clean), clean=clean),
            PAIR.written(stack, lambda book, _: book.figures(gap=1, servers=1), over=MASTER, read=MASTER),
            mailed(stack, OTHER),
            recovered=recovered,
        )

    return Drill(name=f"{OTHER} {how}", claims=("ERP-3", "ERP-8"), promise=NO_TRAFFIC, limit=limit, run=run)


def master_lost(how: str, fault: faults.Fault, clean: float, limit: str) -> Drill:
    """The master's server is lost, the other takes over, the lost one comes back, and then writes again by command."""

    def run(stack: Stack) -> list[Figure]:
        def recovered() -> list[Figure]:
            back, commands = mysql_pair.rejoined(stack, MASTER, works)
            stays = weights(stack) == {MASTER: (40, "active"), OTHER: (60, "active")}
            return [
                Figure("weights still switched when it is back", int(stays), goal=1, least=True),
                Figure("at work again after it came back", round(back, 1), "s"),
                Figure("commands that needed", commands),
            ]

        at_rest(stack)
        figures = outage(
            stack,
            fault,
            90,
            served(pages(stack), RATE, failed=round(RATE * 0.6 * clean), clean=clean),
            PAIR.written(stack, lambda book, _: book.figures(gap=65, servers=2)),
            mailed(stack, MASTER),
            recovered=recovered,
        )
        return [*figures, *PAIR.way_home(stack)]

    return Drill(
        name=f"{MASTER}, the master, {how}",
        claims=("ERP-3", "ERP-5", "ERP-8", "ERP-9"),
        promise=TAKES_OVER,
        limit=limit,
        run=run,
    )


def the_whole_load(stack: Stack) -> list[Figure]:
    """All users on one server, compared with both."""
    at_rest(stack)

    def answered(seconds: float = 20) -> Load:
        with load(pages(stack), rate=RATE, seconds=seconds, strangers=True) as seen:
            time.sleep(seconds)
        return seen

    both = answered()
    with monitoring.without(stack, MASTER, "nginx"):
        one = answered()
    return [
        Figure("requests a second", RATE),
        Figure("requests failed", len(one.failed), goal=0),
        Figure("99 % answered within", round(1000 * one.percentile(0.99)), "ms", goal=1000),
        Figure("99 % answered by both within", round(1000 * both.percentile(0.99)), "ms"),
    ]


def without_the_watchdog(stack: Stack) -> list[Figure]:
    at_rest(stack)
    off = functools.partial(faults.power_loss, machine="monitoring")
    writing = PAIR.written(stack, lambda book, _: book.figures(gap=1, servers=1))
    return outage(stack, off, 60, served(pages(stack), RATE, failed=0, clean=0), writing)


def backup_server_lost(how: str, fault: faults.Fault) -> Drill:
    alert = ("MachineDown", "backup")

    def run(stack: Stack) -> list[Figure]:
        monitoring.silent(stack, "monitoring", [alert])
        at_rest(stack)
        with fault(stack) as moment:
            return [monitoring.mail_awaited(stack, "monitoring", alert, moment, 185)]

    return Drill(
        name=f"the backup server {how}",
        claims=("ERP-8",),
        promise="a VPS monitors everything and mails the administrator",
        limit="a machine is down after two minutes without an answer; 30 s in which Alertmanager gathers, and the "
        "looks of 10 s on the way (Monitoring)",
        run=run,
    )


# The network


def crossing(stack: Stack) -> list[Figure]:
    """Packets of the database on public interfaces, while it is written to and replicated."""
    at_rest(stack)
    for machine in (MASTER, OTHER):
        device = stack.on(machine, "ip -o -4 route show default").split()[4]
        chains = "\n".join(
            f'chain {hook} {{ type filter hook {hook} priority -350; {way} "{device}" tcp sport 3306 counter; '
            f'{way} "{device}" tcp dport 3306 counter; }}'
            for hook, way in (("input", "iifname"), ("output", "oifname"))
        )
        stack.on(machine, "sudo nft -f -", stdin=f"table inet counted {{\n{chains}\n}}\n")
    address = stack.outputs.database.address
    with ledger(stack, over=OTHER, write=address, read=address) as book:
        time.sleep(15)
    packets = []
    for machine in (MASTER, OTHER):
        ruleset = stack.on(machine, "sudo nft list table inet counted; sudo nft delete table inet counted")
        packets += [int(number) for number in re.findall(r"packets (\d+)", ruleset)]
    if len(packets) != 8 or not book.acknowledged:
        raise NotSeen(f"{len(packets)} counters, {len(book.acknowledged)} writes")
    return [
        Figure("writes acknowledged", len(book.acknowledged)),
        Figure("packets of the database on a public interface", sum(packets), goal=0),
    ]


# Backups


def restored(stack: Stack) -> list[Figure]:
    """The other server's backup, out of the storage server, into a database that is new, on the first server."""
    at_rest(stack)
    name, label = f"database-{OTHER}", f"drill {time.time()}"
    entry = ("-d", f"label={label}", "-d", "amount=12.50", f"{stack.outputs.url}/entries")
    world("curl", "-skf", "--max-time", "20", "-o", "/dev/null", *entry)
    later = backup.made(stack, OTHER, name, every=1)

    def load(client: str) -> None:
        dump = stack.on("backup", f"sudo backup-server restic {name} dump --quiet --tag mysql latest mysql.sql")
        stack.on(MASTER, client, stdin=dump)

    return [*backup.database_restored(stack, MASTER, load, "SELECT label FROM erp.entries", label), later]


@contextlib.contextmanager
def rot(stack: Stack, name: str) -> Iterator[None]:
    """One byte of the backup is another on the storage server's disk."""
    find = f"sudo find /srv/backup/{name}/repository/data -type f -size +0 -print -quit"
    pack = stack.on("backup", find).strip()
    stack.on("backup", f"sudo cp --archive {pack} {backup.SCRATCH}")
    try:
        damage = f"printf '\\125' | sudo dd of={pack} bs=1 seek=40 conv=notrunc status=none"
        stack.on("backup", f"{damage}; ! sudo cmp --silent {pack} {backup.SCRATCH}")
        yield
    finally:
        stack.on("backup", f"sudo mv {backup.SCRATCH} {pack}")


def corrupted(stack: Stack) -> list[Figure]:
    name = f"database-{OTHER}"
    backup.made(stack, OTHER, name, every=1)
    return backup.rot_noticed(stack, "backup", f"sudo backup-server verify {name}", rot(stack, name))


def balancer(stack: Stack) -> dict[str, str]:
    return {"load balancer": str(urlsplit(stack.outputs.url).hostname)}


OUT = {"loses power": (20, CONNECTS), "freezes": (40, HANGS), "is cut off": (20, CONNECTS)}
DRILLS = [
    *(
        layer_lost(machine, faults.has_killed(unit), faults.kill(machine, unit), clean, gap, limit)
        for machine, until_written in ((MASTER, 15), (OTHER, 1))
        for unit, clean, gap, limit in (
            ("nginx", 4, 1, STARTED_AGAIN),
            (f"php{PHP}-fpm", 4, 1, STARTED_AGAIN),
            ("mariadb", 1, until_written, f"{READ_ELSEWHERE}; {DATABASE_STARTED_AGAIN}"),
        )
    ),
    layer_lost(MASTER, faults.FULL, faults.full(MASTER, 25), 0, 95, f"full for 25 s; {ROOM_AGAIN}"),
    layer_lost(OTHER, faults.FULL, faults.full(OTHER, 25), 0, 1, ""),
    *(other_lost(how, fault, 70, *OUT[how]) for how, fault in faults.ways(OTHER, 75).items()),
    *(
        master_lost(how, faults.ways(MASTER, 95)[how], OUT[how][0], f"{OUT[how][1]}; {LEASE}")
        for how in ("loses power", "is cut off")
    ),
    layer_lost(MASTER, "freezes", faults.ways(MASTER, 95)["freezes"], 40, 45, RESTARTED),
    Drill(
        name="one server carries all users",
        claims=("ERP-5", "ERP-9"),
        promise="the surviving server carries the whole load of 70 daily users",
        limit="a page every two seconds of each; both servers and the visitors share the machine that is named below",
        run=the_whole_load,
    ),
    Drill(
        name="the watchdog's machine loses power",
        claims=("ERP-3", "ERP-8"),
        promise="nothing depends on the machine that watches, as long as the two servers see each other",
        run=without_the_watchdog,
    ),
    *(backup_server_lost(how, fault) for how, fault in faults.ways("backup", 200).items()),
    Drill(
        name="what crosses the public network",
        claims=("ERP-4", "ERP-6"),
        promise="replication never crosses the public network",
        run=crossing,
    ),
    Drill(
        name="a backup is restored on another machine",
        claims=("ERP-7",),
        promise="a backup every hour, whose restore is exercised",
        limit="what was written since the last full hour is lost with both servers",
        run=restored,
    ),
    Drill(
        name="a backup rots",
        claims=("ERP-7",),
        promise="a backup that is damaged is noticed",
        limit="by the verification of every byte, once a week (Backup)",
        run=corrupted,
    ),
    Drill(
        name="root on a server takes its backup away",
        claims=("ERP-7",),
        promise=backup.NEVER,
        run=functools.partial(backup.root_forgets, OTHER, f"database-{OTHER}", "backup"),
    ),
    ports.from_world(("ERP-6",), balancer),
    ports.from_tiers(("ERP-6",), who="machine"),
    ports.from_neighbour(("ERP-6",), "10.9.0.0/24", "monitoring"),
    Drill(
        name="the database's password is rotated",
        claims=(),
        promise="a secret is rotated, and nobody is locked out",
        run=PAIR.password_rotated(pages, RATE, over=OTHER),
    ),
    released(pages, RATE),
    CANARY,
]
