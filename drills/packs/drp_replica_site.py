"""DrpReplicaSite: who asks by name, the first site is lost, the second takes over, the way home."""

import contextlib
import itertools
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from drills import faults
from drills.drill import Figure
from drills.outage import Watch, nothing, outage
from drills.patience import seconds_until
from sandbox import GATEWAY
from stacks.deployed_stack import DeployedStack, WithUrl, from_the_world, world
from stacks.environment import is_account

SERVES = 20  # seconds that a site serves until something else is done
STEP = 300  # seconds in which a site that is whole comes into step


class Visit(NamedTuple):
    """A request: its number, when the answer came (seconds since the epoch), and its status; 0 where none came."""

    number: int
    ended: float
    status: int


def by_name(stack: DeployedStack[WithUrl], path: str) -> str:
    """What a shell in the world asks for a page of the stack with, wherever its name leads just then."""
    url = urlsplit(stack.outputs.url)
    port = {"http": 80, "https": 443}[url.scheme]
    # The sandbox's name server knows what the world's do not.
    where = f"dig +short +time=2 {'' if is_account() else f'@{GATEWAY}'} {url.hostname} | shuf | head -1"
    return f"curl -sk --resolve {url.hostname}:{port}:$({where}) {url.scheme}://{url.hostname}{path}"


def asked(stack: DeployedStack[WithUrl], path: str) -> str:
    """A page, once, by its name."""
    return world("sh", "-c", f"{by_name(stack, path)} --fail --max-time 20")


def from_here(*command: str) -> list[str]:
    return list(command)


@contextlib.contextmanager
def visited(request: str, whence: Callable[..., list[str]] = from_the_world) -> Iterator[list[Visit]]:
    """One request after the other while the block runs; all told once it has ended.

    request  of `by_name`, or curl's, with more options; `$n` is the number of the visit
    """
    found: list[Visit] = []
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)  # who is in the world has no rights here
        script = f"""n=0
            while [ ! -e {folder}/stop ] && [ $n -lt 20000 ]; do
                n=$((n + 1))
                status=$({request} --max-time 5 -o {folder}/answer -w '%{{http_code}}')
                echo $n $(date +%s.%N) $status
                sleep 0.1
            done"""
        with subprocess.Popen(whence("sh", "-c", script), stdout=subprocess.PIPE, text=True) as visitor:
            try:
                yield found
            finally:
                Path(folder, "stop").touch()
                printed, _ = visitor.communicate(timeout=60)
    for line in printed.splitlines():
        number, ended, status = line.split()
        found.append(Visit(int(number), float(ended), int(status)))


def gap(visits: Sequence[Visit], good: int, moment: float) -> float:
    """The longest time without an answer of the `good` status, from a moment on, in seconds."""
    answers = sorted(one.ended for one in visits if one.status == good)
    last = max((ended for ended in answers if ended <= moment), default=moment)
    ends = [last, *(ended for ended in answers if ended > last), max((one.ended for one in visits), default=moment)]
    return round(max(after - before for before, after in itertools.pairwise(ends)), 1)


class Sites(NamedTuple):
    """The two sites of a stack.

    controller  the machine on which the commands are given
    doors       the first site's machines through which all its others are reached
    inside      those others
    """

    controller: str
    doors: Sequence[str]
    inside: Sequence[str]

    def command(self, stack: DeployedStack, word: str) -> str:
        return stack.on(self.controller, f"sudo drp {word}", timeout=600)

    def status(self, stack: DeployedStack) -> dict[str, Any]:
        """Both sites, as the controller sees them."""
        found: dict[str, Any] = json.loads(self.command(stack, "status"))
        return found

    def in_step(self, stack: DeployedStack, site: str, at_most: float = STEP) -> float:
        """Seconds until a site follows the other."""
        return seconds_until(
            lambda: bool(self.status(stack)[site]["follows"]), f"the {site} site in step", at_most, every=2
        )

    def home(self, stack: DeployedStack) -> None:
        """The first site serves again, by command."""
        self.in_step(stack, "primary", 900)
        self.command(stack, "failback")

    def at_home(self, stack: DeployedStack) -> None:
        """The first site serves, and the second is in step."""
        if self.status(stack)["serves"] != "primary":
            self.home(stack)
        self.in_step(stack, "replica")

    @contextlib.contextmanager
    def taken_over(self, stack: DeployedStack) -> Iterator[float]:
        """For `outage`: as it is rehearsed, for both sites are whole."""
        moment = time.time()
        self.command(stack, "failover")
        yield moment

    @contextlib.contextmanager
    def handed_back(self, stack: DeployedStack) -> Iterator[float]:
        """For `outage`: by command."""
        moment = time.time()
        self.home(stack)
        yield moment

    @contextlib.contextmanager
    def first_lost(self, stack: DeployedStack) -> Iterator[float]:
        """Every machine of the first site is without power. The doors go last, and come first."""
        with contextlib.ExitStack() as broken:
            moment = broken.enter_context(faults.power_loss_of_all(stack, self.inside))
            broken.enter_context(faults.power_loss_of_all(stack, self.doors))
            yield moment

    def first_site_lost(
        self,
        stack: DeployedStack,
        *watches: Watch,
        there: Callable[[], Sequence[Figure]] = nothing,
    ) -> list[Figure]:
        """Every machine of the first site loses power at once, and the second takes over by command.

        there  what is looked at in the second site while it serves
        """

        def meanwhile(moment: float) -> list[Figure]:
            commanded = time.time()
            self.command(stack, "failover")
            took = time.time() - commanded
            time.sleep(SERVES)
            return [
                Figure("until the command was given", round(commanded - moment), "s"),
                Figure("the command took", round(took), "s"),
                *there(),
            ]

        def recovered() -> list[Figure]:
            on = time.time()
            self.in_step(stack, "primary", 900)
            return [Figure("the first site in step again after it was switched on", round(time.time() - on), "s")]

        return outage(stack, self.first_lost, 0, *watches, meanwhile=meanwhile, recovered=recovered)
