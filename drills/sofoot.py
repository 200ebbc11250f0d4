"""So Foot broken: a machine that serves, the back office, the databases; the peak, one more web server, its backups."""

import functools
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias
from urllib.parse import urlsplit

from architectures.sofoot import SoFootOutputs
from drills import faults, sofoot_changes
from drills.canary import CANARY
from drills.changes import serves
from drills.deployment import up
from drills.drill import Drill, Figure, NotSeen
from drills.limits import BEHIND_THE_BALANCER, SKIPPED, STARTED_AGAIN
from drills.load import load
from drills.outage import AFTER, BEFORE, Bears, machine_lost, outage, served
from drills.packs import backup, haproxy_tier, monitoring, mysql_pair, ports
from drills.packs.autoscaler import came_and_went
from drills.patience import seconds_until
from drills.peak import bare_nginx, highest, rising
from drills.sofoot_changes import PAIR
from stacks.deployed_stack import DeployedStack

Stack: TypeAlias = DeployedStack[SoFootOutputs]
RATE = 50  # requests a second
NO_INTERRUPTION = "no interruption for a month: any one HAProxy, web server or instance can be lost"
SAVED = "database and static content are saved, and can be restored"


def site(stack: Stack) -> list[str]:
    return [f"GET {stack.outputs.url}/"]


# A machine that serves

lost = functools.partial(machine_lost, visitors=site, rate=RATE, claims=("SOF-10",), promise=NO_INTERRUPTION)
WEB = {"nginx": Bears(10, 4, f"{STARTED_AGAIN}; {SKIPPED}")}


def back_office_lost(how: str, fault: faults.Fault) -> Drill:
    def run(stack: Stack) -> list[Figure]:
        return outage(stack, fault, 20, served(site(stack), RATE, failed=0, clean=0))

    return Drill(
        name=f"the back office {how}",
        claims=("SOF-3", "SOF-5"),
        promise="each web server holds the whole site: visitors do not notice that the back office is lost",
        run=run,
    )


# The peak


def peak(stack: Stack) -> list[Figure]:
    held = highest(site(stack))
    with bare_nginx(stack, "web-1") as page:
        bare = highest([f"GET {page}"])
    return [
        Figure("requests a second held", held),
        Figure("held by one bare nginx, asked directly", bare),
        *rising(site(stack), held, times=3, seconds=20),
    ]


# One more web server, and one less


def one_more_and_one_less(stack: Stack) -> list[Figure]:
    number = sum(where.kind == "instance" for where in stack.machines.values()) + 1
    new = f"web-{len([name for name in stack.machines if name.startswith('web-')]) + 1}"
    with load(site(stack), rate=RATE, seconds=1800, strangers=True) as seen:
        time.sleep(BEFORE)
        with ThreadPoolExecutor(1) as beside:
            more = beside.submit(up, stack.name, "--set", f"web_instances={number}")
            came = seconds_until(serves(stack, new), f"{new} serving", 900)
            more.result()
        time.sleep(AFTER)
        moment = time.time()
        up(stack.name)
        went = time.time() - moment
        time.sleep(AFTER)
        seen.stop()
    return came_and_went(seen, came, moment, went)


# Backups


def database_restored(stack: Stack) -> list[Figure]:
    """db-2's backup, out of the bucket by another machine, into a database that is new, on db-1."""
    PAIR.at_first(stack)
    label = f"drill {time.time()}"
    stack.on("db-1", "sudo mariadb", stdin=f"CREATE OR REPLACE TABLE sofoot.drill AS SELECT '{label}' AS label")
    seconds_until(lambda: label in stack.on("db-2", "sudo mariadb sofoot -e 'SELECT * FROM drill'"), "the row", 30)
    later = backup.made(stack, "db-2", "database")
    opened = backup.key(stack, "db-2", "database")

    def load(client: str) -> None:
        dump = backup.restic(stack, "back-office", opened, "dump --tag mysql latest mysql.sql")
        stack.on("db-1", client, stdin=dump, timeout=600)

    restored = backup.database_restored(stack, "db-1", load, "SELECT label FROM sofoot.drill", label)
    stack.on("db-1", "sudo mariadb", stdin="DROP TABLE sofoot.drill")
    return [*restored, later]


def site_restored(stack: Stack) -> list[Figure]:
    """The back office's backup, out of the bucket by db-2."""
    page = "/srv/edit/drill.html"
    stack.on("back-office", f"echo drill {time.time()} | sudo tee {page}")
    later = backup.made(stack, "back-office", "site")
    sums = "find srv/edit srv/www -type f -print0 | sort -z | xargs -0 sha256sum"
    saved = stack.on("back-office", f"cd / && sudo sh -c '{sums}'")
    opened = backup.key(stack, "back-office", "site")
    began = time.monotonic()
    try:
        backup.restic(stack, "db-2", opened, f"restore latest --tag files --target {backup.SCRATCH}/site")
        took = time.monotonic() - began
        restored = stack.on("db-2", f"sudo sh -c 'cd {backup.SCRATCH}/site && {sums}'")
    finally:
        stack.on("db-2", f"sudo rm -rf {backup.SCRATCH}")
        stack.on("back-office", f"sudo rm -f {page}")
    if page.removeprefix("/") not in saved:
        raise NotSeen(f"{page} is not there to be saved")
    return [
        Figure("files saved", len(saved.splitlines())),
        Figure("restored otherwise, or not", len(set(saved.splitlines()) ^ set(restored.splitlines())), goal=0),
        Figure("restored after", round(took, 1), "s"),
        later,
    ]


def rotten(machine: str, name: str, stack: Stack) -> list[Figure]:
    backup.made(stack, machine, name)
    return backup.rot_noticed(stack, machine, f"sudo backup-{name} verify", backup.rot(stack, machine, name))


# Alerts


def somebody_is_told(stack: Stack) -> list[Figure]:
    PAIR.at_first(stack)
    return monitoring.somebody_is_told(
        stack,
        stopped={"web-2": "nginx", "db-1": "mysql-pair mariadb"},
        old=("back-office", "backup-site"),
        off="web-7",
        wanted={
            ("MachineDown", "web-7"): 145,
            ("HaproxyServerDown", "web-2"): 145,
            ("NoWriter", ""): 85,
            ("BackupTooOld", "site"): 25,
        },
    )


def the_site_is_gone(stack: Stack) -> list[Figure]:
    gone = {("ProbeFailed", "site"): 150.0}
    monitoring.silent(stack, "monitoring", gone)
    with monitoring.without(stack, "haproxy-1", "haproxy"), monitoring.without(stack, "haproxy-2", "haproxy"):
        return monitoring.told(stack, "monitoring", time.time(), gone)


# What is open


def balancer(stack: Stack) -> dict[str, str]:
    return {"load balancer": str(urlsplit(stack.outputs.url).hostname)}


ONLY_WHAT_IS_DECLARED = (
    "only ports 80 and 443 are open at the load balancer; every other open port is declared with whom for"
)
SOF_2 = ("SOF-2",)
DRILLS = [
    *lost("haproxy-1", killed={"haproxy": Bears(10, 4, STARTED_AGAIN)}, lost=BEHIND_THE_BALANCER, share=1 / 2),
    haproxy_tier.parted_from(
        "haproxy-1",
        "web-*",
        site,
        RATE,
        seconds=60,
        clean=42,
        share=1 / 2,
        claims=("SOF-10",),
        promise=NO_INTERRUPTION,
        limit="it finds its servers dead after 2.8 s and says so, while haproxy-2 has them; OVHcloud probes no more "
        "often than every 30 s, and the second failure counts; a visitor whose request hangs gives up after 5 s",
    ),
    *lost("web-1", killed=WEB, lost=Bears(20, 8, SKIPPED), share=1 / 8),  # a dedicated server
    *lost("web-8", killed=WEB, lost=Bears(20, 8, SKIPPED), share=1 / 8),  # an instance
    *(back_office_lost(how, fault("back-office")) for how, fault in faults.every_way("nginx").items()),
    Drill(
        name="the load triples within 20 seconds",
        claims=("SOF-9",),
        promise="3,000 requests a second, the load tripling within 20 seconds",
        limit="as many as the machine that is named below holds, where all fourteen machines, the balancer and "
        "the visitors share it; beside it one bare nginx there, asked by the same visitors; connections are kept",
        run=peak,
    ),
    Drill(
        name="a ninth web server comes and goes under load",
        claims=("SOF-6",),
        promise="an hourly instance is added and removed, and takes its configuration by itself",
        run=one_more_and_one_less,
    ),
    *mysql_pair.drills(PAIR),
    *(
        Drill(
            name=f"the {what}'s backup is restored on another machine",
            claims=("SOF-8",),
            promise=SAVED,
            limit="every night; a machine of the stack takes the part of the new one",
            run=run,
        )
        for what, run in (("database", database_restored), ("site", site_restored))
    ),
    *(
        Drill(
            name=f"the {name}'s backup rots",
            claims=("SOF-8",),
            promise="a backup that is damaged is noticed",
            limit="by an operator's `verify`; the bucket is kept three times by the platform, which compares them",
            run=functools.partial(rotten, machine, name),
        )
        for machine, name in (("db-2", "database"), ("back-office", "site"))
    ),
    *backup.drills(
        "monitoring", {"database": ("db-2", "mysql.sql"), "site": ("back-office", "srv")}, claims=("SOF-8",)
    ),
    Drill(
        name="machines, a daemon, the writer and a backup fail, and somebody is told",
        claims=("SOF-7",),
        promise="a VPS watches every machine",
        limit="two minutes without an answer, one without a writer; looks of 10 s on the way (Monitoring)",
        run=somebody_is_told,
    ),
    Drill(
        name="the site is gone, and somebody is told",
        claims=("SOF-7",),
        promise="a VPS watches every machine",
        limit="two minutes without an answer; a question every 10 s that waits as long (Monitoring)",
        run=the_site_is_gone,
    ),
    ports.from_world(SOF_2, balancer, promise=ONLY_WHAT_IS_DECLARED),
    ports.from_tiers(
        SOF_2,
        ("haproxy-1", "web-1", "web-8", "db-1", "db-2", "back-office", "monitoring"),
        promise=ONLY_WHAT_IS_DECLARED,
    ),
    ports.from_neighbour(SOF_2, "10.8.0.0/24", "monitoring", promise=ONLY_WHAT_IS_DECLARED, limit=""),
    *sofoot_changes.DRILLS,
    CANARY,
]
