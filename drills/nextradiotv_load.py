"""NextRadioTV's visitors and journalists: what they ask for, crowds of them, and what both notice of a lost site."""

import contextlib
import functools
import re
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from fnmatch import filter as matching
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from architectures.nextradiotv import NextRadioTvOutputs
from drills import changes, faults
from drills.changes import serving
from drills.deployment import up
from drills.drill import Figure, NotSeen
from drills.load import Load, load
from drills.outage import LONGEST, Check, Outage, outage, served
from drills.packs.drp_replica_site import SERVES, Sites, by_name, from_here, gap, visited
from drills.patience import seconds_until
from drills.peak import SENSIBLE, bare_nginx, highest, rising
from stacks.deployed_stack import DeployedStack, world

Stack: TypeAlias = DeployedStack[NextRadioTvOutputs]
RATE = 40  # requests a second, ten for each front
ARTICLES = 40
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)
EDITS = 5  # articles a second of the 50 journalists


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


# Crowds


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
    with bare_nginx(stack, "development", page) as alone:
        bare = highest([f"GET {alone}"])
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


# Images


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
    off, visits = functools.partial(faults.power_loss, machine="gateway"), [*read(stack), *seen_before]
    figures = outage(stack, off, 20, served(visits, RATE, failed=0, clean=0))
    with editing(stack, 10) as journalists:
        time.sleep(5)
        journalists.stop()
    return [*figures, Figure("articles failed when it was back", len(journalists.failed), goal=0)]


# The second site


def sites(stack: Stack) -> Sites:
    if "drp-gateway" not in stack.machines:
        raise NotSeen("it is up without its second site: casebook:settings.drp")
    first = [name for name in stack.machines if not name.startswith("drp-") and name != "development"]
    return Sites("drp-gateway", ["gateway"], [name for name in first if name != "gateway"])


@contextlib.contextmanager
def reading(stack: Stack, within: float, on_the_way: str = "") -> Iterator[Check]:
    """Visitors who ask by the site's name; at most so many seconds pass without a page."""
    with visited(by_name(stack, f"/article/{articles(stack)[0]}")) as readers:
        yield lambda when: [Figure(f"no page{on_the_way} for", gap(readers, 200, when.began), "s", goal=within)]


def second_site(stack: Stack) -> list[Figure]:
    """The first site is lost while articles are published; it is switched on again, and serves again by command."""
    both, label = sites(stack), f"drill-{time.time_ns()}"
    there: dict[str, float] = {}

    def titles(machine: str) -> set[str]:
        client = f"sudo mariadb -N {stack.outputs.database.name}"
        found = stack.on(machine, client, stdin="SELECT title FROM article").splitlines()
        return {title for title in found if title.startswith(label)}

    def look() -> list[Figure]:
        there.update(dict.fromkeys(titles("drp-db-1"), time.time()))
        return []

    @contextlib.contextmanager
    def publishing() -> Iterator[Check]:
        """Until the second site is looked at, nobody but the first has published."""

        def check(_: Outage) -> list[Figure]:
            looked = max(there.values(), default=0)
            made = {f"{label}-{one.number}" for one in writers if one.status == 200 and one.ended < looked}
            if not made:
                raise NotSeen("no article was published")
            missing = Figure("of these missing in the second site", len(made - there.keys()), goal=20)
            return [Figure("articles published", len(made)), missing]

        with visited(f"curl -sk -d title={label}-$n -d text=text {office(stack)}", from_here) as writers:
            yield check

    both.at_home(stack)
    figures = both.first_site_lost(stack, publishing(), reading(stack, 240), there=look)
    home = outage(stack, both.handed_back, SERVES, reading(stack, 120, " on the way home"))
    return [*figures, Figure("articles missing at home", len(there.keys() - titles("db-1")), goal=0), *home]
