"""A stack that is changed by `up` while it serves: a setting, a secret, a certificate."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from drills.deployment import up
from drills.drill import Figure, NotSeen
from drills.ledger import told
from drills.load import load
from drills.outage import AFTER, BEFORE, LONGEST
from stacks.deployed_stack import DeployedStack, WithDatabase, WithUrl, world

S = TypeVar("S", bound=DeployedStack)
D = TypeVar("D", bound=DeployedStack[WithDatabase])


@contextlib.contextmanager
def serving(targets: Sequence[str], rate: int) -> Iterator[list[Figure]]:
    """Load while the block runs; the figures are there once it has ended."""
    figures: list[Figure] = []
    with load(targets, rate=rate, seconds=LONGEST) as seen:
        time.sleep(BEFORE)
        began = time.monotonic()
        yield figures
        took = time.monotonic() - began
        time.sleep(AFTER)
        seen.stop()
    figures += [
        Figure("requests sent", len(seen.requests)),
        Figure("requests failed", len(seen.failed), goal=0),
        Figure("99 % answered within", round(1000 * seen.percentile(0.99)), "ms"),
        Figure("the change took", round(took), "s"),
    ]


def held(stack: DeployedStack, machines: Sequence[str], *files: str) -> list[str]:
    """What the machines hold in these files, by digest."""
    return [stack.on(machine, f"sudo sha256sum {file}").split()[0] for machine in machines for file in files]


def changed(stack: DeployedStack, look: Callable[[], Sequence[Any]], *options: str) -> None:
    """One `up` with these options; NotSeen where something that `look` returns is as before."""
    before = look()
    up(stack.name, *options)
    same = sum(old == new for old, new in zip(before, look(), strict=True))
    if same:
        raise NotSeen(f"up {' '.join(options)} left {same} of {len(before)} as they were")


def changed_and_back(
    stack: DeployedStack, targets: Sequence[str], rate: int, look: Callable[[], Sequence[Any]], setting: str
) -> list[Figure]:
    """A setting is changed under load, and changed back."""
    with serving(targets, rate) as figures:
        changed(stack, look, "--set", setting)
        changed(stack, look)
    return figures


def rotated(
    stack: S,
    targets: Sequence[str],
    rate: int,
    look: Callable[[S], Sequence[Any]],
    secret: str,
    taken: Callable[[S, S], Sequence[Figure]] = lambda *_: (),
) -> list[Figure]:
    """A secret is rotated under load; `taken` tells, of the stack before and after, what is taken now."""
    with serving(targets, rate) as figures:
        changed(stack, lambda: look(stack), "--rotate", secret)
        found = taken(stack, stack.again())
    return [*found, *figures]


def password_rotated(
    stack: D,
    targets: Sequence[str],
    rate: int,
    look: Callable[[D], Sequence[Any]],
    secret: str,
    over: str,
) -> list[Figure]:
    """A database's password is rotated under load; the last one opens it as well, until the next.

    over  a machine of the application's
    """

    def opens(known: D) -> int:
        """Whether the password that a stack tells opens its database."""
        return int(told(known, over, "SELECT 1") is not None)

    def taken(old: D, new: D) -> list[Figure]:
        return [
            Figure("the new one is taken", opens(new), goal=1, least=True),
            Figure("the last one, too, for who has not been given the new one", opens(old), goal=1, least=True),
        ]

    figures = rotated(stack, targets, rate, look, secret, taken)
    changed(stack, lambda: look(stack), "--rotate", secret)
    return [*figures, Figure("the last one is taken, once another is generated", opens(stack), goal=0)]


def serials(host: str) -> list[str]:
    """The number of the certificate that visitors of a host see."""
    return [world("sh", "-c", f"openssl s_client -connect {host}:443 </dev/null | openssl x509 -noout -serial")]


def serves(stack: DeployedStack[WithUrl], machine: str) -> Callable[[], bool]:
    """Whether one of some visitors meets the machine."""
    look = f"for n in 1 2 3; do curl -skI --max-time 5 {stack.outputs.url}; done"
    return lambda: f"x-served-by: {machine}" in world("sh", "-c", look, check=False).lower()
