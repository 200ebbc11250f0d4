"""NextRadioTV broken: fronts, tiers, members of the cluster, a host; crowds, ports, alerts, archives, the search."""

import contextlib
import datetime
import functools
import json
import re
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import filter as matching
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from drills import alerts, backups, changes, faults, ports
from drills.canary import CANARY
from drills.changes import LONGEST, serving
from drills.deployment import up
from drills.drill import Drill, Figure, NotSeen
from drills.galera import ALL_TELL, SUSPICION, Cluster, came_back
from drills.ledger import TIMEOUT, Ledger, ledger
from drills.limits import NOT_THERE_YET, STARTED_AGAIN, VRRP
from drills.load import Load, load
from drills.patience import seconds_until
from drills.peak import SENSIBLE, bare_nginx, highest, rising
from drills.release import released
from drills.scaling import changed
from drills.serving import AFTER, BEFORE, moving, under_load
from drills.sites import Sites, by_name, from_here, gap, visited
from pulumi_casebook.core.debian import PHP
from stacks.deployed_stack import DeployedStack, from_the_world, world

if TYPE_CHECKING:
    from architectures.nextradiotv import NextRadioTvOutputs

Stack: TypeAlias = "DeployedStack[NextRadioTvOutputs]"
RATE = 40  # requests a second, ten for each front
PRIVATE = "10.4.0.0/22"
ARTICLES = 40
EDITS = 5  # articles a second of the 50 journalists
TELEPHONE = 8089
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)
CLUSTER = Cluster(members="*db-*", over="php-2", claims=("NRT-5",))

ADDRESS_MOVES = "the address of a HAProxy that is lost serves from another machine"
NOTHING_STOPS = "each tier has several machines; losing one of them stops nothing"
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
SAVED = "databases, logs and git are saved in object storage, and can be restored"
SILENT = f"{SUSPICION}; a client that has asked a silent member gives up after {TIMEOUT} s and may meet it again"
GIVEN_UP = (
    "a node that is silent is given up after three checks of 2 s, a second apart; twice that if it led the cluster "
    "(SearchPair); the application asks one machine for 2 s, then the other"
)
TOLD = "two minutes without an answer; 30 s in which Alertmanager gathers, and looks of 10 s (Monitoring)"
ONE_COMPUTER = "platforms, back office and visitors share the machine that is named below"


# Visitors and journalists


def office(stack: Stack) -> str:
    return f"https://{stack.outputs.office.address}/"


def published(stack: Stack, number: int) -> list[str]:
    """Numbers of articles that went into the back office: from this computer, as journalists do."""
    asked = 'insecure\nsilent\nshow-error\nfail\nmax-time = 30\ndata = "title=drill&text=text"\n'
    asked += f'url = "{office(stack)}"\n' * number
    said = subprocess.run(["curl", "--config", "-"], input=asked, text=True, capture_output=True, timeout=300).stdout
    return re.findall(r'"id":(\d+)', said)


@functools.cache
def articles(stack: Stack) -> list[str]:
    """What visitors read. A drill before may have left the back office to find its database again."""
    seconds_until(lambda: published(stack, 1), "the back office publishing", 120)
    numbers = published(stack, ARTICLES)
    if len(numbers) != ARTICLES:
        raise NotSeen(f"{ARTICLES} articles sent, {len(numbers)} published")
    return numbers


def requests(stack: Stack, paths: Sequence[str], *headers: str) -> list[str]:
    """Each path at one of the fronts, in turn as DNS hands them out."""
    fronts, host = list(stack.outputs.addresses.values()), urlsplit(stack.outputs.url).hostname
    return [
        "\n".join((f"GET http://{fronts[number % len(fronts)]}{path}", f"Host: {host}", *headers))
        for number, path in enumerate(paths)
    ]


def read(stack: Stack) -> list[str]:
    """Pages as visitors read them: nginx has most of them."""
    return requests(stack, ["/", *(f"/article/{number}" for number in articles(stack)[1:])])


def made(stack: Stack) -> list[str]:
    """Pages that are made for each request: what has a password is kept by no cache of nginx's."""
    return requests(stack, [f"/article/{number}" for number in articles(stack)], "Authorization: Basic ZHJpbGw6")


@functools.cache
def most(stack: Stack) -> int:
    """The highest rate at which pages are made."""
    return highest(made(stack))


@contextlib.contextmanager
def editing(stack: Stack, seconds: float) -> Iterator[Load]:
    """Journalists who publish, for `seconds` at most."""
    with tempfile.NamedTemporaryFile("w", suffix=".form") as form:
        form.write("title=drill&text=text")
        form.flush()
        targets = [f"POST {office(stack)}\nContent-Type: application/x-www-form-urlencoded\n@{form.name}"]
        with load(targets, rate=EDITS, seconds=seconds, from_here=True) as seen:
            yield seen


# A front


def at_home(stack: Stack) -> float:
    """Seconds until each front has its own address."""
    fronts = matching(stack.machines, "front-*")
    return seconds_until(
        lambda: all(len(moving(stack, one, PRIVATE)) == 1 for one in fronts), "each front's own address", 150
    )


def front_lost(front: str, how: str, fault: faults.Fault, clean: float) -> Drill:
    def run(stack: Stack) -> list[Figure]:
        at_home(stack)
        [address] = moving(stack, front, PRIVATE)
        others = [one for one in matching(stack.machines, "front-*") if one != front]

        @contextlib.contextmanager
        def broken(stack: Stack) -> Iterator[float]:
            with fault(stack) as moment:
                seconds_until(
                    lambda: any(address in moving(stack, one, PRIVATE) for one in others), f"{address} elsewhere", 20
                )
                yield moment

        failed = round(RATE / len(stack.outputs.addresses) * clean)
        return under_load(stack, read(stack), broken, rate=RATE, seconds=15, failed=failed, clean=clean)

    return Drill(name=f"{front} {how}", claims=("NRT-1", "NRT-3"), promise=ADDRESS_MOVES, limit=VRRP, run=run)


def front_hurt(front: str, how: str, fault: faults.Fault, clean: float, limit: str) -> Drill:
    """The front itself is not lost, and keeps its address."""

    def run(stack: Stack) -> list[Figure]:
        at_home(stack)
        failed = round(RATE / len(stack.outputs.addresses) * clean)
        return under_load(stack, read(stack), fault, rate=RATE, seconds=10, failed=failed, clean=clean)

    return Drill(name=f"{front} {how}", claims=("NRT-3",), promise=ADDRESS_MOVES, limit=limit, run=run)


def front_comes_home(stack: Stack) -> list[Figure]:
    """A front that was away takes its address back under load."""
    at_home(stack)
    with load(read(stack), rate=RATE, seconds=600, strangers=True) as seen:
        with faults.power_loss(stack, "front-1"):
            time.sleep(BEFORE)
        back = time.time()
        home = at_home(stack)
        time.sleep(AFTER)
        seen.stop()
    return [
        Figure("its address at home after", round(home, 1), "s"),
        Figure("requests failed when it moved home", sum(one.ended > back for one in seen.failed), goal=0),
    ]


# A machine of a tier


def tier_lost(machine: str, how: str, fault: faults.Fault, failed: int, clean: float, limit: str) -> Drill:
    def run(stack: Stack) -> list[Figure]:
        return under_load(stack, made(stack), fault, rate=RATE, seconds=20, failed=failed, clean=clean)

    return Drill(name=f"{machine} {how}", claims=("NRT-4",), promise=NOTHING_STOPS, limit=limit, run=run)


def tier(machine: str, unit: str, failed: int, clean: float, limit: str) -> list[Drill]:
    """Half of the tier's machines in the sandbox."""
    dead = faults.kill(machine, unit)
    return [
        tier_lost(machine, f"has {unit} killed", dead, failed, clean, f"{STARTED_AGAIN}; {limit}"),
        *(tier_lost(machine, how, fault, failed, clean, limit) for how, fault in faults.ways(machine, 25).items()),
        tier_lost(machine, faults.FULL, faults.full(machine, 25), 0, 0, ""),
    ]


def sql_lost(
    how: str, fault: Callable[[str], faults.Fault], failed: int, clean: float, gap: float, limit: str
) -> Drill:
    """Of the two SQL HAProxies the one that has the address. Nobody writes for `gap` seconds at most."""

    def run(stack: Stack) -> list[Figure]:
        [machine] = [one for one in matching(stack.machines, "sql-*") if moving(stack, one, PRIVATE)]
        with written(stack) as books:
            served = under_load(stack, made(stack), fault(machine), rate=RATE, seconds=20, failed=failed, clean=clean)
        return [*served, *told(books, {"public": gap, "office": 1})]

    return Drill(
        name=f"the SQL HAProxy with the address {how}",
        claims=("NRT-4", "NRT-6"),
        promise="two HAProxy machines in front of the database, in fault tolerance",
        limit=limit,
        run=run,
    )


def resolver_lost(how: str, fault: faults.Fault) -> Drill:
    """Names that are looked for by a machine which asks both name servers in turn."""

    def run(stack: Stack) -> list[Figure]:
        with load(read(stack), rate=RATE, seconds=300, strangers=True) as seen:
            time.sleep(BEFORE)
            with fault(stack):
                took = json.loads(stack.on("nginx-1", "python3 -", stdin=LOOKUPS, timeout=120))
            seen.stop()
        slowest = max((one for one in took if one is not None), default=0.0)
        return [
            Figure("requests failed", len(seen.failed), goal=0),
            Figure("names looked for", len(took)),
            Figure("names not found", took.count(None), goal=0),
            Figure("slowest found after", round(slowest, 2), "s", goal=2),
        ]

    return Drill(
        name=f"a name server {how}",
        claims=("NRT-9",),
        promise="two internal caching name servers: names are found when one is lost",
        limit="a resolver that does not answer is given up after a second (Resolver)",
        run=run,
    )


LOOKUPS = """
import json, socket, time
took = []
for _ in range(20):
    began = time.monotonic()
    try:
        socket.gethostbyname("storage.gra.cloud.ovh.net")
        took.append(time.monotonic() - began)
    except OSError:
        took.append(None)
    time.sleep(0.3)
print(json.dumps(took))
"""


def images(stack: Stack) -> Any:
    """The object storage that journalists put images into."""
    region = str(urlsplit(stack.outputs.images.url).hostname).split(".")[1].upper()
    return stack.clouds.openstack(region).object_store


def without_the_gateway(stack: Stack) -> list[Figure]:
    """No way to the object storage: images that nginx has are given on."""
    images(stack).upload_object("images", "drill.png", data=PIXEL)
    seen_before = requests(stack, ["/images/drill.png?width=320"] * 8)
    with load(seen_before, rate=8, seconds=3) as fetched:
        time.sleep(3)
    if fetched.failed:
        raise NotSeen(f"the image: {fetched.failed[0]}")
    off = functools.partial(faults.power_loss, machine="gateway")
    served = under_load(stack, [*read(stack), *seen_before], off, rate=RATE, seconds=20, failed=0, clean=0)
    with editing(stack, 10) as journalists:
        time.sleep(5)
        journalists.stop()
    return [*served, Figure("articles failed when it was back", len(journalists.failed), goal=0)]


def without_the_logs(stack: Stack) -> list[Figure]:
    """Told by mail by day; lines are kept where they are until the store is back."""
    mark, alert = f"drill-{time.time_ns()}", ("MachineDown", "logs")
    alerts.silent(stack, "monitoring", [alert])
    alerts.clean(stack, "monitoring")
    with load(read(stack), rate=RATE, seconds=600, strangers=True) as seen:
        with faults.power_loss(stack, "logs") as moment:
            world("curl", "-s", "--max-time", "9", f"http://{next(iter(stack.outputs.addresses.values()))}/{mark}")
            mail = alerts.mail_awaited(stack, "monitoring", alert, moment, 185)
        seen.stop()
    query = f"curl -fsS 'http://127.0.0.1:9200/logs-http-*/_count?q=message:%22{mark}%22'"
    found = seconds_until(lambda: backups.succeeds(stack, "logs", f"{query} | grep -v '\"count\":0'"), mark, 240)
    return [
        Figure("requests failed", len(seen.failed), goal=0),
        mail,
        Figure("a line written meanwhile found after it was back", round(found), "s"),
    ]


# The cluster


class Books(NamedTuple):
    public: Ledger
    office: Ledger


@contextlib.contextmanager
def written(stack: Stack, settled: float = 60) -> Iterator[Books]:
    """Both platforms write and read at the same time, each by its own HAProxies and members."""
    database = stack.outputs.database
    [*_, edits] = matching(stack.machines, "office-php*")
    with (
        ledger(stack, over="php-2", write=database.public, read=database.public, settled=settled) as public,
        ledger(
            stack, over=edits, write=database.office, read=database.office, table="drill_office", settled=settled
        ) as office,
    ):
        yield Books(public, office)


def told(books: Books, gaps: dict[str, float | None]) -> list[Figure]:
    found = []
    for side, book in books._asdict().items():
        figures = book.figures(gap=gaps[side], any_writes=True)
        found += [figure._replace(name=f"{side}: {figure.name}") for figure in figures]
    return found


def member_lost(member: str, how: str, fault: faults.Fault) -> Drill:
    def run(stack: Stack) -> list[Figure]:
        CLUSTER.rejoined(stack)
        with written(stack) as books:
            time.sleep(2)
            with fault(stack):
                time.sleep(20)
            back, commands = CLUSTER.rejoined(stack)
            time.sleep(3)
        return [*told(books, {"public": 10, "office": 10}), *came_back(back, commands)]

    return Drill(name=f"{member} {how}", claims=("NRT-5", "NRT-6"), promise=MULTI_MASTER, limit=SILENT, run=run)


def without_the_arbitrator(stack: Stack) -> list[Figure]:
    """The monitoring machine votes as well."""
    CLUSTER.rejoined(stack)
    with written(stack) as books:
        off = functools.partial(faults.power_loss, machine="monitoring")
        served = under_load(stack, read(stack), off, rate=RATE, seconds=20, failed=0, clean=0)
    return [*served, *told(books, {"public": 8, "office": 8})]


def all_members_lost(stack: Stack) -> list[Figure]:
    """With the arbitrator: nobody is left who knows."""
    CLUSTER.rejoined(stack)
    with written(stack, settled=300) as books:
        time.sleep(BEFORE)
        with faults.power_loss_of_all(stack, [*CLUSTER.names(stack), "monitoring"]):
            time.sleep(5)
        on = time.time()
        back, commands = CLUSTER.rejoined(stack)
        time.sleep(AFTER)
    return [
        *told(books, {"public": None, "office": None}),
        Figure("public: written again after the machines had started", round(books.public.gap_after(on), 1), "s"),
        Figure("office: written again after the machines had started", round(books.office.gap_after(on), 1), "s"),
        *came_back(back, commands),
    ]


# Search


def searched(stack: Stack, seconds: float) -> dict[str, Any]:
    """What an application saw that indexed and searched, of either machine whichever answered."""
    command = f"python3 - {seconds} {' '.join(stack.outputs.search.values())}"
    found: dict[str, Any] = json.loads(stack.on("php-1", command, stdin=SEARCHING, timeout=seconds + 60))
    return found


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


def indexed(stack: Stack, address: str) -> set[str]:
    """What one machine has in its own copy."""
    url = f"http://{address}:9200/drill"
    stack.on("php-1", f"curl -fsS -X POST {url}/_refresh")
    said = stack.on("php-1", f"curl -fsS '{url}/_search?size=10000&_source=false&preference=_only_local'")
    return {hit["_id"] for hit in json.loads(said)["hits"]["hits"]}


def search_lost(how: str, fault: Callable[[str], faults.Fault], seconds: int, limit: str) -> Drill:
    """The machine that indexes is lost for so many seconds; the other has to take that over."""

    def run(stack: Stack) -> list[Figure]:
        one, other = stack.outputs.search.values()
        shards = f"curl -fsS 'http://{one}:9200/_cat/shards/drill?h=prirep,state,node'"
        stack.on("php-1", f"curl -fsS -X PUT http://{one}:9200/drill")
        try:
            seconds_until(lambda: stack.on("php-1", shards).count("STARTED") == 2, "two copies of an index", 30)
            [machine] = re.findall(r"^p STARTED (\S+)", stack.on("php-1", shards), re.MULTILINE)
            with ThreadPoolExecutor() as pool:
                application = pool.submit(searched, stack, BEFORE + seconds + AFTER)
                time.sleep(BEFORE)
                with fault(machine)(stack):
                    time.sleep(seconds)
                ready = functools.partial(backups.succeeds, stack, machine, "sudo search-pair ready")
                back = seconds_until(ready, f"{machine} ready", 300)
                found = application.result()
            lost = set(found["acknowledged"]) - indexed(stack, one) & indexed(stack, other)
        finally:
            stack.on("php-1", f"curl -fsS -X DELETE http://{one}:9200/drill")
        return [
            Figure("searches", found["searches"]),
            Figure("searches that neither answered", found["unanswered"], goal=0),
            Figure("articles acknowledged", len(found["acknowledged"])),
            Figure("of these missing on either afterwards", len(lost), goal=0),
            Figure("nothing acknowledged for", round(found["gap"], 1), "s", goal=30),
            Figure("complete again after", round(back, 1), "s"),
        ]

    return Drill(
        name=f"the search server that indexes {how}",
        claims=("NRT-20",),
        promise="a replicated pair: either machine can index and search alone",
        limit=limit,
        run=run,
    )


# The second site


def second_site(stack: Stack) -> list[Figure]:
    """Every machine of the first site loses power at once. It is switched on again, and serves again by command."""
    both = sites(stack)
    both.at_home(stack)
    label, page = f"drill-{time.time_ns()}", by_name(stack, f"/article/{articles(stack)[0]}")
    form = f"curl -sk -d title={label}-$n -d text=text {office(stack)}"
    client, titles = f"sudo mariadb -N {stack.outputs.database.name}", "SELECT title FROM article"
    with visited(page) as readers, visited(form, from_here) as writers:
        time.sleep(BEFORE)
        with both.first_lost(stack) as moment:
            commanded = both.taken_over(stack, moment)
            time.sleep(20)
            there = set(stack.on("drp-db-1", client, stdin=titles).splitlines())
            on = time.time()
        both.in_step(stack, "primary", 900)
        came = time.time() - on
    with visited(page) as returning:
        time.sleep(BEFORE)
        home = time.time()
        both.home(stack)
        time.sleep(20)
    kept = set(stack.on("db-1", client, stdin=titles).splitlines())
    published = {f"{label}-{visit.number}" for visit in writers if visit.status == 200 and visit.ended < on}
    if not published:
        raise NotSeen("no article was published")
    return [
        Figure("articles published", len(published)),
        Figure("of these missing in the second site", len(published - there), goal=20),
        Figure("no page for", gap(readers, 200, moment), "s", goal=240),
        *commanded,
        Figure("the first site in step again after it was switched on", round(came), "s"),
        Figure("articles missing at home", len(published & there - kept), goal=0),
        Figure("no page on the way home for", gap(returning, 200, home), "s", goal=120),
    ]


def sites(stack: Stack) -> Sites:
    if "drp-gateway" not in stack.machines:
        raise NotSeen("it is up without its second site: casebook:settings.drp")
    first = [name for name in stack.machines if not name.startswith("drp-") and name != "development"]
    return Sites("drp-gateway", ["gateway"], [name for name in first if name != "gateway"])


# Archives


def database_unarchived(stack: Stack) -> list[Figure]:
    """The copy that office-db-3 has made, into a database that is new, on the development server."""
    label = f"drill {time.time()}"
    articles = stack.outputs.database.name
    stack.on(
        "office-db-3", "sudo mariadb", stdin=f"CREATE OR REPLACE TABLE {articles}.drill AS SELECT '{label}' AS label"
    )
    try:
        stack.on("office-db-3", "sudo archive-database run", timeout=600)
        due = backups.next_in(stack, "office-db-3", "archive-database")
        with backups.new_database(stack, "development") as client:
            took = backups.unarchived(stack, "office-db-3", "database", on="development")
            began = time.monotonic()
            stack.on("development", f"sudo cat {backups.SCRATCH}/database/database.sql | {client}", timeout=600)
            took += time.monotonic() - began
            labels = stack.on("development", f"{client} -N {articles}", stdin="SELECT label FROM drill")
    finally:
        stack.on("office-db-3", "sudo mariadb", stdin=f"DROP TABLE {articles}.drill")
    return [
        Figure("the row is in it", labels.splitlines().count(label), goal=1, least=True),
        Figure("restored after", round(took, 1), "s"),
        Figure("next copy in", round(due / 3600, 1), "h", goal=24),
    ]


def files_unarchived(machine: str, name: str, folder: str, on: str) -> Callable[[Stack], list[Figure]]:
    def run(stack: Stack) -> list[Figure]:
        mark, label = f"{folder}/drill.txt", f"drill {time.time()}"
        stack.on(machine, f"echo {label} | sudo tee {mark}")
        try:
            stack.on(machine, f"sudo archive-{name} run", timeout=600)
            due = backups.next_in(stack, machine, f"archive-{name}")
            took = backups.unarchived(stack, machine, name, on=on)
            there = f"{backups.SCRATCH}/{name}"
            found = stack.on(on, f"sudo cat {there}{mark}").strip()
            files = int(stack.on(on, f"sudo find {there} -type f | wc -l"))
        finally:
            stack.on(on, f"sudo rm -rf {backups.SCRATCH}")
            stack.on(machine, f"sudo rm {mark}")
        return [
            Figure("files restored", files),
            Figure("what was written at last is among them", int(found == label), goal=1, least=True),
            Figure("restored after", round(took, 1), "s"),
            Figure("next copy in", round(due / 3600, 1), "h", goal=24),
        ]

    return run


def archive_rots(stack: Stack) -> list[Figure]:
    """The newest copy of the database is damaged; the one before it shares nothing with it."""
    restore = f"sudo archive-database restore {backups.SCRATCH}"
    stack.on("office-db-3", "sudo archive-database run", timeout=300)
    sound = stack.on("office-db-3", "sudo archive-database list").splitlines()[-1].split()[0]
    time.sleep(1)  # copies are named by the second
    try:
        with backups.rotten_archive(stack, "office-db-3", "database"):
            noticed = not backups.succeeds(stack, "office-db-3", restore)
            before = backups.succeeds(stack, "office-db-3", f"{restore} {sound}")
    finally:
        stack.on("office-db-3", f"sudo rm -rf {backups.SCRATCH}")
    return [
        Figure("rot noticed", int(noticed), goal=1, least=True),
        Figure("the copy before it is restored", int(before), goal=1, least=True),
    ]


# Crowds, and a host


def office_beside_a_crowd(stack: Stack) -> list[Figure]:
    crowd = 4 * most(stack)
    with editing(stack, 20) as alone:
        time.sleep(20)
    with editing(stack, 40) as journalists, load(made(stack), rate=crowd, seconds=30) as public:
        time.sleep(30)
    if not public.failed and public.percentile(0.99) < 1:
        raise NotSeen(f"{crowd} requests a second do not saturate the public platform")
    return [
        Figure("pages a second that it makes", most(stack)),
        Figure("pages a second asked for", round(len(public.requests) / 30)),
        Figure("of these answered", round(100 * (1 - len(public.failed) / len(public.requests))), "%"),
        Figure("articles published", len(journalists.requests)),
        Figure("articles failed", len(journalists.failed), goal=0),
        Figure("99 % of the articles within", round(1000 * journalists.percentile(0.99)), "ms"),
        Figure("99 % within, without the crowd", round(1000 * alone.percentile(0.99)), "ms"),
    ]


def five_times(stack: Stack) -> list[Figure]:
    with editing(stack, LONGEST) as journalists:
        held = highest(read(stack))
        journalists.stop()
    page = world("curl", "-s", "--max-time", "20", requests(stack, ["/"])[0].splitlines()[0].removeprefix("GET "))
    stack.on("development", "sudo install -d /srv/www && sudo tee /srv/www/index.html >/dev/null", stdin=page)
    try:
        with bare_nginx(stack, "development") as alone:
            bare = highest([f"GET {alone}"])
    finally:
        stack.on("development", "sudo rm -rf /srv/www")
    with editing(stack, 120) as journalists:
        risen = rising(read(stack), round(SENSIBLE * held), times=5, seconds=60)
        journalists.stop()
    return [
        Figure("requests a second held", held),
        Figure("held by one bare nginx, asked directly", bare),
        *risen,
        Figure("articles failed", len(journalists.failed), goal=0),
    ]


def one_more(stack: Stack) -> list[Figure]:
    """Bottom and top, as the document has it: what makes the pages, and what hands them out."""
    sizes = {tier: len(matching(stack.machines, f"{tier}-*")) for tier in ("nginx", "php")}
    more = [word for tier, size in sizes.items() for word in ("--set", f"public.{tier}={size + 1}")]
    new = [f"{tier}-{size + 1}" for tier, size in sizes.items()]
    url, *headers = made(stack)[0].splitlines()
    options = " ".join(f"--header '{header}'" for header in headers)
    look = f"for n in 1 2 3 4 5 6; do curl -s --max-time 5 -D - -o /dev/null {options} {url.removeprefix('GET ')}; done"

    def serve() -> bool:
        seen = world("sh", "-c", look, check=False)
        return all(re.search(rf": {name}\s", seen) for name in new)

    with serving(made(stack), RATE) as came:
        began = time.monotonic()
        up(stack.name, *more)
        seconds_until(serve, f"pages of {' and '.join(new)}", 60)
        both = time.monotonic() - began
    with serving(made(stack), RATE) as went:
        up(stack.name)
    return [
        Figure("both serve after", round(both), "s", goal=300),
        *came,
        *(figure._replace(name=f"{figure.name}, on the way back") for figure in went),
    ]


def office_certified(stack: Stack) -> list[Figure]:
    """The back office gets a new certificate while journalists publish."""
    door = (stack.outputs.office.address, 443)
    with editing(stack, LONGEST) as journalists:
        began = time.monotonic()
        changes.changed(stack, lambda: [ssl.get_server_certificate(door)], "--rotate", "office")
        took = time.monotonic() - began
        journalists.stop()
    return [
        Figure("articles published", len(journalists.requests)),
        Figure("articles failed", len(journalists.failed), goal=0),
        Figure("the change took", round(took), "s"),
    ]


def host_lost(stack: Stack) -> list[Figure]:
    """What one host has by anti-affinity: of each of the first site's tiers that has more than one, the first."""
    at_home(stack)
    here = ("instance", stack.machines["front-1"].site)
    all_here = [name for name, where in stack.machines.items() if (where.kind, where.site) == here]
    machines = matching(all_here, "*-1")
    rate = round(SENSIBLE * highest(made(stack), strangers=True) / 2)
    off = functools.partial(faults.power_loss_of_all, machines=machines)
    began = time.monotonic()
    served = under_load(stack, made(stack), off, rate=rate, seconds=20, failed=4 * rate, clean=10)
    return [
        Figure("machines lost", len(machines)),
        Figure("requests a second, three eighths of what is held", rate),
        *served,
        Figure("all back after", round(time.monotonic() - began - BEFORE - 20 - AFTER), "s"),
    ]


# Ports, and who guesses


def the_world(stack: Stack) -> list[Figure]:
    """The worst of the four addresses; machines that have one of their own are looked at too."""
    looks = [ports.the_world(stack, {"the addresses": address}) for address in stack.outputs.addresses.values()]
    return [max(figures, key=lambda figure: figure.value) for figures in zip(*looks, strict=True)]


def each_tier(stack: Stack) -> list[Figure]:
    tiers = ("front-1", "nginx-1", "php-1", "memcached-1", "sql-1", "db-1", "office-php*", "development")
    return ports.each_tier(stack, [matching(stack.machines, tier)[0] for tier in tiers])


def guessed(stack: Stack) -> list[Figure]:
    """From an address that the gateway lets guess: this one, which is let in again after three minutes."""
    where = stack.machines["gateway"].public
    here = stack.on("gateway", "echo $SSH_CONNECTION").split()[0]
    unban = f"fail2ban-client set sshd unbanip {here}"
    stack.on("gateway", f"sudo systemd-run --quiet --on-active=180 --timer-property=AccuracySec=1s {unban}")
    began, guesses = time.monotonic(), 0
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{folder}/key"], check=True)
        client = ["ssh", "-F", "none", "-i", f"{folder}/key", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"]
        client += ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=5"]
        while time.monotonic() < began + 120:
            said = subprocess.run([*client, f"root@{where}", "true"], capture_output=True, text=True).stderr
            if "Permission denied" not in said:
                break
            guesses += 1
        else:
            raise NotSeen(f"{guesses} guesses, and no ban")
    banned = time.monotonic() - began
    if here not in said and "refused" not in said and "timed out" not in said:
        raise NotSeen(f"no ban, but {said!r}")
    seconds_until(lambda: faults.answers(stack, "gateway"), "the gateway after the ban", 300)
    return [
        Figure("guesses until the ban", guesses, goal=10),
        Figure("banned after", round(banned, 1), "s", goal=30),
    ]


# Alerts, by day and by night


def somebody_is_told(stack: Stack) -> list[Figure]:
    """Faults of several tiers at once, each of which has an alert of its own."""
    CLUSTER.rejoined(stack)
    wanted: Mapping[alerts.Alert, float] = {
        ("MachineDown", "php-1"): 145,
        ("HaproxyServerDown", "nginx-1"): 145,
        ("GaleraMemberMissing", "db-1"): 145,
        ("BackupTooOld", "logs"): 25,
    }
    alerts.silent(stack, "monitoring", wanted)
    with contextlib.ExitStack() as broken:
        for machine, unit in (("nginx-1", "nginx"), ("db-3", "mariadb")):
            stack.on(machine, f"sudo systemctl stop {unit}")
            broken.callback(stack.on, machine, f"sudo systemctl start {unit}", timeout=300)
        broken.enter_context(alerts.aged(stack, "logs", "archive-logs"))
        moment = broken.enter_context(faults.power_loss(stack, "php-1"))
        return alerts.told(stack, "monitoring", moment, wanted)


# Ends after the message that is waited for, or some minutes.
OPERATOR = f"""
import http.server, time
told = []
class Answer(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        told.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
        print(told[-1], flush=True)
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
server, until = http.server.HTTPServer(("", {TELEPHONE}), Answer), time.monotonic() + 400
server.timeout = 1
while time.monotonic() < until and not any("MachineDown" in one and "dns-2" in one for one in told):
    server.handle_request()
"""


def by_night(stack: Stack) -> list[Figure]:
    """It is night for this hour, and the telephones' operator is a program in the world."""
    now = datetime.datetime.now(datetime.UTC)
    hours = [(now + datetime.timedelta(hours=hour)).strftime("%H:%M") for hour in (-1, 2)]
    operator = {"url": f"http://{world('hostname', '-I').split()[0]}:{TELEPHONE}/", "token": "drill"}
    settings = {
        "sms": {"to": ["+33612345678"], "operators": [operator]},
        "night": {"start": hours[0], "end": hours[1], "time_zone": "UTC"},
    }
    with tempfile.TemporaryFile("w+") as messages, changed(stack.name, settings):
        alerts.clean(stack, "monitoring")

        def arrived() -> bool:
            messages.seek(0)
            return any("MachineDown" in one and "dns-2" in one for one in messages)

        with (
            subprocess.Popen(from_the_world("python3", "-c", OPERATOR), stdout=messages),
            faults.power_loss(stack, "dns-2") as moment,
        ):
            seconds_until(arrived, "a text message about dns-2", 300)
            after = time.time() - moment
        mails = len(alerts.mails(stack, "monitoring", ("MachineDown", "dns-2")))
    return [
        Figure("text message after", round(after), "s", goal=185),
        Figure("mails about it by night", mails, goal=0),
    ]


DRILLS = [
    *(front_lost("front-1", how, fault, 9) for how, fault in faults.ways("front-1", 20).items()),
    front_hurt("front-4", "has haproxy killed", faults.kill("front-4", "haproxy"), 4, STARTED_AGAIN),
    front_hurt("front-1", faults.FULL, faults.full("front-1", 20), 0, ""),
    Drill(
        name="a front comes back under load",
        claims=("NRT-1", "NRT-3"),
        promise=ADDRESS_MOVES,
        run=front_comes_home,
    ),
    *tier("nginx-1", "nginx", RATE * 5, 9, PROBED),
    *tier("php-1", f"php{PHP}-fpm", RATE * 2, 9, ASKED_AGAIN),
    *tier("memcached-1", "memcached", 0, 0, MADE_AGAIN),
    *(
        sql_lost(how, faults.way(how), RATE * 4, 9, 8, f"{VRRP}; a client of the database after {TIMEOUT} s")
        for how in faults.ways("", 0)
    ),
    sql_lost("has haproxy killed", lambda machine: faults.kill(machine, "haproxy"), RATE * 4, 4, 4, STARTED_AGAIN),
    sql_lost(faults.FULL, lambda machine: faults.full(machine, 25), 0, 0, 1, ""),
    *(resolver_lost(how, fault("dns-1")) for how, fault in faults.every_way("unbound").items()),
    Drill(
        name="the gateway loses power",
        claims=("NRT-8", "NRT-10"),
        promise="what goes out passes the gateway; pages and images that are kept do not need it",
        limit="one machine, as drawn",
        run=without_the_gateway,
    ),
    Drill(
        name="the log server loses power, and a mail tells of it",
        claims=("NRT-11",),
        promise="mail by day; lines of the meantime are not lost",
        limit=TOLD,
        run=without_the_logs,
    ),
    *(
        member_lost(member, how, fault(member))
        for member in ("db-3", "office-db-2")
        for how, fault in faults.every_way("mariadb").items()
    ),
    Drill(
        name="the arbitrator's machine loses power",
        claims=("NRT-5", "NRT-11"),
        promise=MULTI_MASTER,
        limit=SUSPICION,
        run=without_the_arbitrator,
    ),
    Drill(
        name="all members and the arbitrator lose power at once",
        claims=("NRT-5",),
        promise="what was acknowledged is there when they are back, without an operator's command",
        limit=ALL_TELL,
        run=all_members_lost,
    ),
    *(search_lost(how, faults.way(how, 40), 40, GIVEN_UP) for how in faults.ways("", 0)),
    search_lost(
        "has opensearch killed",
        lambda machine: faults.kill(machine, "opensearch-search"),
        *(20, "systemd starts OpenSearch again after 5 s"),
    ),
    search_lost(faults.FULL, lambda machine: faults.full(machine, 40), 40, ""),
    Drill(
        name="the first site is lost, and the second takes over",
        claims=("NRT-18",),
        promise="DRP in Strasbourg: same architecture, smaller, synchronised, asleep until needed",
        limit=NOT_THERE_YET,
        run=second_site,
    ),
    Drill(
        name="the database's archive is restored on another machine",
        claims=("NRT-12",),
        promise=SAVED,
        limit="every night; the development server takes the part of the new one",
        run=database_unarchived,
    ),
    *(
        Drill(
            name=f"the archive of the {name} is restored on another machine",
            claims=("NRT-12",),
            promise=SAVED,
            limit="every night",
            run=files_unarchived(machine, name, folder, on),
        )
        for machine, name, folder, on in (
            ("logs", "logs", "/var/log", "development"),
            ("development", "git", "/srv/git", "logs"),
        )
    ),
    Drill(
        name="an archive rots",
        claims=("NRT-12",),
        promise="a copy that is damaged is noticed, and spoils no other",
        limit="when it is restored: gpg finds a changed bit (Archive)",
        run=archive_rots,
    ),
    Drill(
        name="the back office beside a crowd",
        claims=("NRT-7", "NRT-16"),
        promise="the back office stays up while the public platform is saturated",
        limit=ONE_COMPUTER,
        run=office_beside_a_crowd,
    ),
    Drill(
        name="the load rises to five times as much",
        claims=("NRT-7", "NRT-13"),
        promise="traffic x 5 within 15 minutes",
        limit=f"a fifteenth of the time; {ONE_COMPUTER}",
        run=five_times,
    ),
    Drill(
        name="one nginx and one PHP server more, and gone again",
        claims=("NRT-19",),
        promise="hourly machines added in five minutes at the bottom and the top",
        run=one_more,
    ),
    Drill(
        name="the back office's certificate is renewed",
        claims=("NRT-7",),
        promise="the back office stays up, also while it is worked on",
        run=office_certified,
    ),
    Drill(
        name="one host is lost",
        claims=("NRT-14",),
        promise="a host is lost: its machines restart elsewhere, and load stays under half of capacity",
        limit=f"{PROBED}; {ONE_COMPUTER}",
        run=host_lost,
    ),
    Drill(
        name="what the world can reach",
        claims=("NRT-2",),
        promise="only the four fronts are on the public network, on port 80",
        run=the_world,
    ),
    Drill(
        name="what each tier can reach",
        claims=("NRT-2", "NRT-17"),
        promise="ports reachable are ports declared",
        limit="TCP ports that are likely or declared",
        run=each_tier,
    ),
    Drill(
        name="what a neighbour of the private network can reach",
        claims=("NRT-2", "NRT-17"),
        promise="ports reachable are ports declared",
        limit="TCP ports that are likely or declared",
        run=lambda stack: ports.a_neighbour(stack, PRIVATE, "development"),
    ),
    Drill(
        name="somebody guesses passwords",
        claims=("NRT-15",),
        promise="SSH is protected against brute force",
        limit="fail2ban, from three failures on, each of which it reads from the journal (Gateway)",
        run=guessed,
    ),
    Drill(
        name="a machine, a daemon, a member and an archive fail, and somebody is told",
        claims=("NRT-11",),
        promise="a server watches every other",
        limit="two minutes without an answer; looks of 10 s on the way (Monitoring)",
        run=somebody_is_told,
    ),
    Drill(
        name="a machine is lost by night, and a text message tells of it",
        claims=("NRT-11",),
        promise="mail by day, SMS by night",
        limit=TOLD,
        run=by_night,
    ),
    released(made, RATE),
    CANARY,
]
