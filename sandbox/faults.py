"""Errors that the sandbox's APIs make on purpose, for a share of the requests.

`python -m sandbox faults 429=0.05 504=0.02@POST slow=0.5 latency=0.2` puts them in force, `faults off` ends them, and
so does the end of the sandbox. Only a customer's requests meet them: the OVHcloud API's, and OpenStack's from Pulumi's
plugin.
"""

import contextlib
import contextvars
import json
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from sandbox import RUN
from sandbox.building import write

FILE, MADE = RUN / "faults.json", RUN / "faults.log"
RETRY_AFTER = 2  # seconds, as 429 and 503 tell
LATEST = 10.0  # seconds of latency
GATEWAY_SECONDS = 10.0  # how long a gateway waits for an answer that does not come
SLOW_SECONDS = 20.0  # how much longer a slow task takes
KINDS = {
    "429": f"refused: too many requests, Retry-After: {RETRY_AFTER}",
    "500": "refused: internal error",
    "503": f"refused: no service, Retry-After: {RETRY_AFTER}",
    "504": f"carried out, but the answer is lost: a gateway gives it up after {GATEWAY_SECONDS:g} s",
    "latency": "answered so many seconds later: an API that is not on this computer",
    "slow": f"the tasks that the request begins take {SLOW_SECONDS:g} s longer (OVHcloud API)",
}
REASONS = {
    "429": "Too Many Requests",
    "500": "Internal Server Error",
    "503": "Service Unavailable",
    "504": "Gateway Time-out",
}
# Seconds that are added to the tasks of the request under way.
delay: contextvars.ContextVar[float] = contextvars.ContextVar("delay", default=0.0)


class Fault(NamedTuple):
    """What happens to a share (0 to 1) of the requests, as `POST /1.0/vrack/pn-1001/ip`, that a pattern is found in.

    For `latency` the share is seconds, and all of them are late.
    """

    kind: str
    share: float
    requests: str = ""

    @classmethod
    def parsed(cls, word: str) -> "Fault":
        found = re.fullmatch(r"(\w+)=([0-9.]+)(?:@(.*))?", word)
        if not found or found[1] not in KINDS:
            raise ValueError(f"{word}: not KIND=SHARE or KIND=SHARE@REQUESTS; kinds: {', '.join(KINDS)}")
        try:
            fault = cls(found[1], float(found[2]), found[3] or "")
            re.compile(fault.requests)
        except (ValueError, re.error) as error:
            raise ValueError(f"{word}: {error}") from None
        if fault.kind == "latency" and not 0 < fault.share <= LATEST:
            raise ValueError(f"{word}: seconds, more than 0 and at most {LATEST:g}")
        if fault.kind != "latency" and not 0 < fault.share <= 1:
            raise ValueError(f"{word}: a share is more than 0 and at most 1")
        return fault


def set_to(faults: Iterable[Fault]) -> None:
    """Put these in force instead of what was."""
    wanted = list(faults)
    MADE.unlink(missing_ok=True)
    if not wanted:
        FILE.unlink(missing_ok=True)
        return
    write(FILE, json.dumps(wanted))


def in_force() -> list[Fault]:
    try:
        return [Fault(*fault) for fault in json.loads(FILE.read_text())]
    except FileNotFoundError:
        return []


def made() -> list[str]:
    """Every fault since they were put in force: `429 POST /1.0/vrack/...`."""
    with contextlib.suppress(FileNotFoundError):
        return MADE.read_text().splitlines()
    return []


def told() -> str:
    """What is in force, then how many were made of it."""
    rules = [f"{f.kind}={f.share:g}{f.requests and '@'}{f.requests}  {KINDS[f.kind]}" for f in in_force()]
    counts = Counter(line.split()[0] for line in made())
    rules += [f"made: {', '.join(f'{kind} {count}' for kind, count in sorted(counts.items()))}"] if counts else []
    return "".join(f"{line}\n" for line in rules or ["no faults"])


def latency(request: str) -> float:
    """Seconds that this request is answered later."""
    late = (fault for fault in in_force() if fault.kind == "latency" and re.search(fault.requests, request))
    return sum(fault.share for fault in late)


def drawn(request: str) -> str | None:
    """What happens to this request."""
    for fault in in_force():
        if fault.kind == "latency":
            continue
        if re.search(fault.requests, request) and random.random() < fault.share:  # noqa: S311 (no secret)
            with MADE.open("a") as file:
                file.write(f"{fault.kind} {request}\n")
            return fault.kind
    return None


def headers(kind: str) -> dict[str, str]:
    return {"Retry-After": str(RETRY_AFTER)} if kind in ("429", "503") else {}


@contextlib.contextmanager
def slowly(kind: str | None) -> Iterator[None]:
    """Tasks that begin in the block take longer where the fault is `slow`."""
    token = delay.set(SLOW_SECONDS if kind == "slow" else 0.0)
    try:
        yield
    finally:
        delay.reset(token)


def wsgi(application: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """An OpenStack service whose answers to Pulumi's plugin may be faults. Other services are not customers."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        customer = "gophercloud" in environ.get("HTTP_USER_AGENT", "")
        request = f"{environ['REQUEST_METHOD']} {environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}"
        kind = drawn(request) if customer else None
        if customer:
            time.sleep(latency(request))
        if kind not in REASONS:
            return application(environ, start_response)
        if kind == "504":
            body = application(environ, lambda *_: lambda _: None)
            for _ in body:
                pass
            if hasattr(body, "close"):
                body.close()
            time.sleep(GATEWAY_SECONDS)
        said = {"Content-Type": "text/plain", **headers(kind)}
        start_response(f"{kind} {REASONS[kind]}", list(said.items()))
        return [REASONS[kind].encode()]

    return answer
