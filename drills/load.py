"""Requests at a constant rate from the world, whatever becomes of them: vegeta, and what its figures say of a fault."""

import contextlib
import csv
import functools
import math
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from drills.drill import NotSeen
from sandbox import GATEWAY
from sandbox.toolchain import golang
from stacks.deployed_stack import from_the_world
from stacks.environment import CHECKOUT, is_account

TIMEOUT = 5.0  # seconds after which a visitor has gone


class Request(NamedTuple):
    """One request: when it began and ended (seconds since the epoch), its status (0: no answer), what went wrong."""

    began: float
    ended: float
    status: int
    error: str

    @property
    def failed(self) -> bool:
        return not 200 <= self.status < 400


class Load:
    """The requests of one run of load, there once its block has ended."""

    def __init__(self, process: Path) -> None:
        self.requests: list[Request] = []
        self._process = process  # the file that holds vegeta's process id

    def stop(self) -> None:
        """Send no more; what is under way is waited for by the end of the block."""
        os.kill(int(self._process.read_text()), signal.SIGINT)

    @property
    def failed(self) -> list[Request]:
        return [one for one in self.requests if one.failed]

    @property
    def rate(self) -> float:
        """Answered requests a second."""
        span = max(one.ended for one in self.requests) - min(one.began for one in self.requests)
        return (len(self.requests) - len(self.failed)) / span

    def clean_after(self, moment: float, until: float = math.inf) -> float:
        """Seconds from a moment (since the epoch) to the end of the last request that failed, sent before `until`."""
        return max((one.ended - moment for one in self.failed if moment < one.ended and one.began < until), default=0.0)

    def percentile(self, part: float) -> float:
        """Seconds within which that part (0 to 1) of the answers came."""
        took = sorted(one.ended - one.began for one in self.requests if not one.failed)
        if not took:
            raise NotSeen("no request was answered")
        return took[min(len(took) - 1, int(part * len(took)))]


@functools.cache
def vegeta() -> str:
    """The program: what is on PATH, else built from its Go module, once."""
    if found := shutil.which("vegeta"):
        return found
    package = "github.com/tsenart/vegeta/v12"
    return str(golang.built(Path(__file__).parent / "vegeta", "vegeta", package, "", "vegeta (a minute)", 0.5))


@contextlib.contextmanager
def load(
    targets: Sequence[str],
    *,
    rate: int,
    seconds: float,
    connect_to: Sequence[str] = (),
    body: Path | None = None,
    strangers: bool = False,
    from_here: bool = False,
) -> Iterator[Load]:
    """Sends requests from the world while the block runs, and for `seconds` at most; the block waits for the last.

    targets     in turn: `GET http://198.18.30.1/`, headers in further lines
    rate        requests a second, kept up however slowly they are answered
    connect_to  `host:port:address:port`, for names that the world's name servers do not have
    body        what each request sends
    strangers   each request is another visitor's, on a connection of its own; else connections are kept
    from_here   not from the world: by somebody whom the stack knows by this computer's address
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found, process = folder / "found.gob", folder / "process"
        result = Load(process)
        (folder / "targets").write_text("\n\n".join(targets) + "\n")
        command = [
            *(vegeta(), "attack", "-targets", f"{folder}/targets", "-output", str(found), "-rate", f"{rate}/1s"),
            *("-duration", f"{seconds}s", "-timeout", f"{TIMEOUT:g}s", "-insecure", "-redirects=-1", "-max-body=0"),
            # Strangers ask for the name; the sandbox's name server knows what the world's do not.
            *("-dns-ttl", "-1s", *(() if is_account() else ("-resolvers", f"{GATEWAY}:53"))),
            *(word for pair in connect_to for word in ("-connect-to", pair)),
            *(("-body", str(body)) if body else ()),
            *(("-keepalive=false", "-http2=false") if strangers else ()),
        ]
        script = f"echo $$ > {process}; exec {shlex.join(command)}"
        words = ["sh", "-c", script] if from_here else from_the_world("sh", "-c", script)
        attack = subprocess.Popen(words, cwd=CHECKOUT, stderr=subprocess.PIPE, text=True)
        try:
            time.sleep(1)
            yield result
            _, said = attack.communicate(timeout=seconds + 2 * TIMEOUT + 30)
        finally:
            if attack.poll() is None:
                result.stop()
                attack.wait()
        if attack.returncode or not found.exists():
            raise NotSeen(f"no load: vegeta said {said!r}")
        encoded = subprocess.run(
            [vegeta(), "encode", "--to", "csv", str(found)], capture_output=True, text=True, check=True
        )
        csv.field_size_limit(2**30)
        for began, status, latency, _, _, error, *_ in csv.reader(encoded.stdout.splitlines()):
            start = int(began) / 1e9
            result.requests.append(Request(start, start + int(latency) / 1e9, int(status), error))
    if not result.requests:
        raise NotSeen("no load: vegeta sent no request")
