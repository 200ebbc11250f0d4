"""So Foot broken: a machine that serves, the back office, the databases; the peak, one more web server, its backups."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias
from urllib.parse import urlsplit

from architectures.sofoot import SoFootOutputs
from drills import alerts, backups, faults, pair, ports, sofoot_changes
from drills.canary import CANARY
from drills.deployment import up
from drills.drill import Drill, Figure, NotSeen
from drills.faults import FULL, Fault, every_way, full, kill, ways
from drills.ledger import Ledger, ledger
from drills.limits import BEHIND_THE_BALANCER, DATABASE_STARTED_AGAIN, ROOM_AGAIN, SKIPPED, STARTED_AGAIN
from drills.load import load
from drills.patience import seconds_until
from drills.peak import bare_nginx, highest, rising
from drills.scaling import came_and_went
from drills.serving import AFTER, BEFORE, serves, under_load
from stacks.deployed_stack import DeployedStack

Stack: TypeAlias = DeployedStack[SoFootOutputs]
RATE = 50  # requests a second
NO_INTERRUPTION = "no interruption for a month: any one HAProxy, web server or instance can be lost"
UNTIL_IT_IS_BACK = "one machine writes; until it is back, or the other is promoted by hand, nothing is written"


def site(stack: Stack) -> list[str]:
    return [f"GET {stack.outputs.url}/"]


# A machine that serves


def lost(machine: str, how: str, fault: Fault, seconds: int, clean: float, limit: str, share: float) -> Drill:
    """`share`: the part of the visitors who meet the machine."""

    def run(stack: Stack) -> list[Figure]:
        failed = round(RATE * clean * share)
        return under_load(stack, site(stack), fault, rate=RATE, seconds=seconds, failed=failed, clean=clean)

    return Drill(name=f"{machine} {how}", claims=("SOF-10",), promise=NO_INTERRUPTION, limit=limit, run=run)


def haproxy_lost(machine: str) -> list[Drill]:
    found = [lost(machine, "has haproxy killed", kill(machine, "haproxy"), 10, 4, STARTED_AGAIN, 1 / 2)]
    for how, (seconds, clean, limit) in BEHIND_THE_BALANCER.items():
        found.append(lost(machine, how, ways(machine, seconds + 5)[how], seconds, clean, limit, 1 / 2))
    return [*found, filled(machine)]


def web_lost(machine: str) -> list[Drill]:
    return [
        lost(machine, "has nginx killed", kill(machine, "nginx"), 10, 4, f"{STARTED_AGAIN}; {SKIPPED}", 1 / 8),
        *(lost(machine, how, fault, 20, 8, SKIPPED, 1 / 8) for how, fault in ways(machine, 25).items()),
        filled(machine),
    ]


def filled(machine: str) -> Drill:
    """What serves writes nothing that it needs."""
    return lost(machine, FULL, full(machine, 25), 20, 0, "", 1)


def back_office_lost(how: str, fault: Fault) -> Drill:
    def run(stack: Stack) -> list[Figure]:
        return under_load(stack, site(stack), fault, rate=RATE, seconds=20, failed=0, clean=0)

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


# The databases


@contextlib.contextmanager
def written(stack: Stack, read: str = "db-2") -> Iterator[Ledger]:
    """The ledger of a web server, which writes to whoever writes and reads from one of the two."""
    database = stack.outputs.database
    address = f"{stack.machines[read].private}:{database.address.partition(':')[2]}"
    with ledger(stack, over="web-3", write=database.address, read=address, settled=180) as found:
        yield found


def as_at_first(stack: Stack) -> None:
    """db-1 writes and db-2 replicates."""
    if pair.status(stack, "db-1").get("role") != "writer":
        stack.on("db-1", "sudo mysql-pair promote", timeout=120)
    seconds_until(lambda: pair.replicates(stack, "db-2"), "db-2 replicating", 180)


def replica_lost(how: str, fault: Fault, seconds: int) -> Drill:
    def run(stack: Stack) -> list[Figure]:
        as_at_first(stack)
        with written(stack) as book:
            with fault(stack):
                time.sleep(seconds)
            back, commands = pair.rejoined(stack, "db-2")
        return [
            *book.figures(gap=1, servers=1),
            Figure("replicates again after it came back", round(back, 1), "s"),
            Figure("commands that needed", commands, goal=0),
        ]

    return Drill(
        name=f"db-2, the replica, {how}",
        claims=("SOF-4",),
        promise="nothing that writes notices that the slave is lost",
        run=run,
    )


def primary_lost(how: str, fault: Fault, seconds: int, gap: float, limit: str) -> Drill:
    """Nobody promotes anything: it comes back by itself, and writes."""

    def run(stack: Stack) -> list[Figure]:
        as_at_first(stack)
        with written(stack) as book:
            with fault(stack):
                time.sleep(seconds)
            back = time.time()
            again = seconds_until(lambda: pair.status(stack, "db-1").get("role") == "writer", "db-1 writing", 180)
            book.go_on()
            time.sleep(AFTER)
        return [
            *book.figures(gap=gap, servers=1),
            Figure("writes again after it came back", round(book.gap_after(back), 1), "s"),
            Figure("its keeper agrees after", round(again, 1), "s"),
        ]

    return Drill(
        name=f"db-1, the primary, {how}",
        claims=("SOF-4",),
        promise="what was acknowledged is there when the primary is back, and nothing is written by two",
        limit=limit,
        run=run,
    )


def promoted_as_planned(stack: Stack) -> list[Figure]:
    """There and back again."""
    as_at_first(stack)
    with written(stack, read="db-1") as book:
        time.sleep(BEFORE)
        stack.on("db-2", "sudo mysql-pair promote", timeout=120)
        time.sleep(AFTER)
    with written(stack) as home:
        time.sleep(BEFORE)
        stack.on("db-1", "sudo mysql-pair promote", timeout=120)
        time.sleep(AFTER)
    return [
        *book.figures(gap=15, servers=2),
        Figure("acknowledged writes lost on the way home", len(home.lost), goal=0),
        Figure("two servers wrote on the way home", max(0.0, round(home.two_writers, 2)), "s", goal=0),
        Figure("no write for, on the way home", round(home.longest_gap, 2), "s", goal=15),
    ]


def promoted_after_loss(stack: Stack) -> list[Figure]:
    as_at_first(stack)
    with written(stack) as book:
        time.sleep(BEFORE)
        with faults.power_loss(stack, "db-1") as moment:
            stack.on("db-2", "sudo mysql-pair promote --peer-is-off", timeout=120)
            commanded = time.time()
            time.sleep(AFTER)
        back, commands = pair.rejoined(stack, "db-1")
    as_at_first(stack)
    return [
        *book.figures(lost=20, servers=2),
        Figure("written again after the loss", round(book.gap_after(moment), 1), "s", goal=30),
        Figure("of that the command took", round(commanded - moment, 1), "s"),
        Figure("the old primary replicates after it came back", round(back, 1), "s"),
        Figure("commands that needed, besides promote", commands),
        Figure("its rows that nobody replicated named", int(not book.lost or commands > 0), goal=1, least=True),
    ]


# Backups


def database_restored(stack: Stack) -> list[Figure]:
    """db-2's backup, out of the bucket by another machine, into a database that is new, on db-1."""
    as_at_first(stack)
    label = f"drill {time.time()}"
    stack.on("db-1", "sudo mariadb", stdin=f"CREATE OR REPLACE TABLE sofoot.drill AS SELECT '{label}' AS label")
    seconds_until(lambda: label in stack.on("db-2", "sudo mariadb sofoot -e 'SELECT * FROM drill'"), "the row", 30)
    stack.on("db-2", "sudo systemctl start backup-database", timeout=300)
    due = backups.next_in(stack, "db-2", "backup-database")
    opened = backups.key(stack, "db-2", "database")
    began = time.monotonic()
    dump = backups.restic(stack, "back-office", opened, "dump --tag mysql latest mysql.sql")
    with backups.new_database(stack, "db-1") as client:
        stack.on("db-1", client, stdin=dump, timeout=600)
        took = time.monotonic() - began
        labels = stack.on("db-1", f"{client} --skip-column-names", stdin="SELECT label FROM sofoot.drill")
    stack.on("db-1", "sudo mariadb", stdin="DROP TABLE sofoot.drill")
    return [
        Figure("the row is in it", labels.splitlines().count(label), goal=1, least=True),
        Figure("restored after", round(took, 1), "s"),
        Figure("next backup in", round(due / 3600, 1), "h", goal=24),
    ]


def site_restored(stack: Stack) -> list[Figure]:
    """The back office's backup, out of the bucket by db-2."""
    page = "/srv/edit/drill.html"
    stack.on("back-office", f"echo drill {time.time()} | sudo tee {page}")
    stack.on("back-office", "sudo systemctl start backup-site", timeout=300)
    sums = "find srv/edit srv/www -type f -print0 | sort -z | xargs -0 sha256sum"
    saved = stack.on("back-office", f"cd / && sudo sh -c '{sums}'")
    due = backups.next_in(stack, "back-office", "backup-site")
    opened = backups.key(stack, "back-office", "site")
    began = time.monotonic()
    try:
        backups.restic(stack, "db-2", opened, f"restore latest --tag files --target {backups.SCRATCH}/site")
        took = time.monotonic() - began
        restored = stack.on("db-2", f"sudo sh -c 'cd {backups.SCRATCH}/site && {sums}'")
    finally:
        stack.on("db-2", f"sudo rm -rf {backups.SCRATCH}")
        stack.on("back-office", f"sudo rm -f {page}")
    if page.removeprefix("/") not in saved:
        raise NotSeen(f"{page} is not there to be saved")
    return [
        Figure("files saved", len(saved.splitlines())),
        Figure("restored otherwise, or not", len(set(saved.splitlines()) ^ set(restored.splitlines())), goal=0),
        Figure("restored after", round(took, 1), "s"),
        Figure("next backup in", round(due / 3600, 1), "h", goal=24),
    ]


def rotten(machine: str, name: str) -> Callable[[Stack], list[Figure]]:
    def run(stack: Stack) -> list[Figure]:
        stack.on(machine, f"sudo systemctl start backup-{name}", timeout=300)
        verify = f"sudo backup-{name} verify"
        with backups.rot(stack, machine, name):
            began = time.monotonic()
            noticed = not backups.succeeds(stack, machine, verify)
            took = time.monotonic() - began
        if not backups.succeeds(stack, machine, verify):
            raise NotSeen("the repository is not sound without the rot either")
        return [Figure("rot noticed", int(noticed), goal=1, least=True), Figure("noticed after", round(took, 1), "s")]

    return run


# Alerts


def somebody_is_told(stack: Stack) -> list[Figure]:
    """Faults of several machines at once, each of which has an alert of its own."""
    as_at_first(stack)
    down: Mapping[alerts.Alert, float] = {
        ("MachineDown", "web-7"): 145,
        ("HaproxyServerDown", "web-2"): 145,
        ("NoWriter", ""): 85,
        ("BackupTooOld", "site"): 25,
    }
    alerts.silent(stack, "monitoring", down)
    with contextlib.ExitStack() as broken:
        for machine, unit in (("web-2", "nginx"), ("db-1", "mysql-pair mariadb")):
            stack.on(machine, f"sudo systemctl stop {unit}")
            units = " ".join(reversed(unit.split()))
            broken.callback(stack.on, machine, f"sudo systemctl start {units}")
        broken.enter_context(alerts.aged(stack, "back-office", "backup-site"))
        moment = broken.enter_context(faults.power_loss(stack, "web-7"))
        return alerts.told(stack, "monitoring", moment, down)


def the_site_is_gone(stack: Stack) -> list[Figure]:
    wanted: Mapping[alerts.Alert, float] = {("ProbeFailed", "site"): 150}
    alerts.silent(stack, "monitoring", wanted)
    with contextlib.ExitStack() as broken:
        for machine in ("haproxy-1", "haproxy-2"):
            stack.on(machine, "sudo systemctl stop haproxy")
            broken.callback(stack.on, machine, "sudo systemctl start haproxy")
        return alerts.told(stack, "monitoring", time.time(), wanted)


# What is open


def balancer(stack: Stack) -> dict[str, str]:
    return {"load balancer": str(urlsplit(stack.outputs.url).hostname)}


ONLY_WHAT_IS_PRINTED = (
    "only ports 80 and 443 are open at the load balancer; every other open port is declared with whom for"
)
PRIMARY = {
    "freezes": (35, "frozen for 25 s, a client's 3 s until it gives a connection up, and the next"),
    "is cut off": (35, "cut off for 25 s, a client's 3 s until it gives a connection up, and the next"),
    "loses power": (60, f"off for 20 s, and its start; {UNTIL_IT_IS_BACK}"),
}
DRILLS = [
    *haproxy_lost("haproxy-1"),
    *web_lost("web-1"),  # a dedicated server
    *web_lost("web-8"),  # an instance
    *(back_office_lost(how, fault("back-office")) for how, fault in every_way("nginx").items()),
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
    replica_lost("has mariadb killed", kill("db-2", "mariadb"), 10),
    *(replica_lost(how, fault, 20) for how, fault in ways("db-2", 25).items()),
    replica_lost(FULL, full("db-2", 25), 20),
    primary_lost("has mariadb killed", kill("db-1", "mariadb"), 10, 15, DATABASE_STARTED_AGAIN),
    *(primary_lost(how, fault, 20, *PRIMARY[how]) for how, fault in ways("db-1", 25).items()),
    primary_lost(FULL, full("db-1", 25), 20, 95, f"full for 25 s; {ROOM_AGAIN}"),
    Drill(
        name="db-2 is promoted as planned, and db-1 again",
        claims=("SOF-4",),
        promise="the slave can take over, and nothing is lost by it",
        limit="`mysql-pair promote`: the old writer stops, the new one applies all of it, the address moves within a "
        "look of the keeper, every 3 s (MysqlPair)",
        run=promoted_as_planned,
    ),
    Drill(
        name="db-1 loses power and db-2 is promoted",
        claims=("SOF-4",),
        promise="the slave can take over",
        limit="by an operator's `mysql-pair promote --peer-is-off`; replication is asynchronous, so what was "
        "acknowledged within the last second can be missing, and is then named (MysqlPair)",
        run=promoted_after_loss,
    ),
    Drill(
        name="the database's backup is restored on another machine",
        claims=("SOF-8",),
        promise="database and static content are saved, and can be restored",
        limit="every night; a machine of the stack takes the part of the new one",
        run=database_restored,
    ),
    Drill(
        name="the site's backup is restored on another machine",
        claims=("SOF-8",),
        promise="database and static content are saved, and can be restored",
        limit="every night; a machine of the stack takes the part of the new one",
        run=site_restored,
    ),
    *(
        Drill(
            name=f"the {name}'s backup rots",
            claims=("SOF-8",),
            promise="a backup that is damaged is noticed",
            limit="by an operator's `verify`; the bucket is kept three times by the platform, which compares them",
            run=rotten(machine, name),
        )
        for machine, name in (("db-2", "database"), ("back-office", "site"))
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
    Drill(
        name="what the world can reach",
        claims=("SOF-2",),
        promise=ONLY_WHAT_IS_PRINTED,
        run=lambda stack: ports.the_world(stack, balancer(stack)),
    ),
    Drill(
        name="what each tier can reach",
        claims=("SOF-2",),
        promise=ONLY_WHAT_IS_PRINTED,
        limit="TCP ports that are likely or declared",
        run=lambda stack: ports.each_tier(
            stack, ["haproxy-1", "web-1", "web-8", "db-1", "db-2", "back-office", "monitoring"]
        ),
    ),
    Drill(
        name="what a neighbour of the private network can reach",
        claims=("SOF-2",),
        promise=ONLY_WHAT_IS_PRINTED,
        run=lambda stack: ports.a_neighbour(stack, "10.8.0.0/24", "monitoring"),
    ),
    *sofoot_changes.DRILLS,
    CANARY,
]
