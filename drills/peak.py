"""Peaks: the highest rate that a site holds, the same of one bare daemon beside it, and a load that rises."""

import contextlib
import functools
import time
from collections.abc import Iterator, Sequence

from drills.drill import Figure, NotSeen
from drills.load import load
from stacks.deployed_stack import DeployedStack

SECONDS = 8  # of a try
SLOWEST = 1.0  # seconds for 99 % of the answers
LASTS = 30  # seconds of the whole rate
FIRST, LAST = 50, 12_800  # requests a second
# Of the highest rate, where the document names none: at the edge itself a moment of noise decides.
SENSIBLE = 0.75
PORT = 8088


def held(targets: Sequence[str], rate: int, seconds: int = SECONDS, *, strangers: bool = False) -> bool:
    """Whether every request of a rate is answered, and soon."""
    with load(targets, rate=rate, seconds=seconds, strangers=strangers) as seen:
        time.sleep(seconds)
    enough = len(seen.requests) > 0.95 * rate * seconds
    return enough and not seen.failed and seen.percentile(0.99) < SLOWEST


def highest(targets: Sequence[str], *, strangers: bool = False) -> int:
    """The highest rate that is held, for half a minute; to an eighth. Strangers: each on a connection of its own."""
    rate, holds = FIRST, functools.partial(held, targets, strangers=strangers)
    if not holds(rate):
        raise NotSeen(f"not even {rate} requests a second are held")
    while rate < LAST and holds(2 * rate):
        rate *= 2
    for step in (rate // 2, rate // 4, rate // 8):
        if holds(rate + step):
            rate += step
    while not holds(rate, LASTS):
        rate -= rate // 8
        if rate < FIRST:
            raise NotSeen(f"not even {FIRST} requests a second are held for {LASTS} s")
    return rate


def rising(targets: Sequence[str], rate: int, *, times: int, seconds: float) -> list[Figure]:
    """A rate reached in `times` equal steps within `seconds`, and half a minute of it."""
    with contextlib.ExitStack() as steps:
        parts, began = [], time.monotonic()
        for step in range(times):
            starts = step * seconds / (times - 1)
            time.sleep(max(0.0, began + starts - time.monotonic()))
            parts.append(steps.enter_context(load(targets, rate=rate // times, seconds=seconds + LASTS - starts)))
        time.sleep(LASTS)
    together = parts[0]
    together.requests += [one for part in parts[1:] for one in part.requests]
    return [
        Figure("requests a second that it rises to", rate),
        Figure(f"requests while it rises to {times} times as many within {seconds:g} s", len(together.requests)),
        Figure("of these failed", len(together.failed), goal=0),
        Figure("99 % answered within", round(1000 * together.percentile(0.99)), "ms", goal=1000 * SLOWEST),
    ]


@contextlib.contextmanager
def bare_nginx(stack: DeployedStack, machine: str, page: str | None = None) -> Iterator[str]:
    """One more nginx, with nothing between it and the world, and a web server's own page, or another. Gives its URL."""
    root = "/run/drill-www" if page else "/srv/www"
    configuration = (
        "worker_processes auto; pid /run/drill-nginx.pid; error_log /dev/null; events { worker_connections 4096; }\n"
        f"http {{ access_log off; keepalive_requests 100000; server {{ listen {PORT}; root {root}; }} }}\n"
    )
    if page:
        stack.on(machine, f"sudo install -d {root} && sudo tee {root}/index.html >/dev/null", stdin=page)
    stack.on(machine, "sudo tee /run/drill-nginx.conf >/dev/null", stdin=configuration)
    daemon = "nginx -c /run/drill-nginx.conf -g 'daemon off;'"
    stack.on(machine, f"sudo systemd-run --quiet --collect --unit=drill-nginx -p LimitNOFILE=65536 {daemon}")
    stack.on(machine, f"sudo nft insert rule inet filter input tcp dport {PORT} accept")
    try:
        yield f"http://{stack.machines[machine].public}:{PORT}/"
    finally:
        stack.on(machine, "sudo systemctl stop drill-nginx; sudo systemctl reload nftables; sudo rm -rf /run/drill-www")
