"""A stack's secrets, looked for wherever somebody could read them who is not to.

The secrets are the stack's own: those of its state. While they are given to the machines anew, every machine is
watched, and this one; then logs, files that anybody reads, what `preview` and `up` print, and the stored state are
searched.
"""

import json
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlparse

from drills.drill import Drill, Figure, NotSeen
from drills.lookout import arguments, files
from stacks.deployed_stack import DeployedStack, ssh_client
from stacks.environment import CHECKOUT, prepare

SECRET, MARK = "4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270"  # Pulumi's, around a secret
SHORTEST = 12  # characters; what is shorter is a setting that came along, and is found everywhere
OPEN = ("host", "user")  # of a connection, all of which Pulumi hides for the sake of its key
LOOKOUT = Path(__file__).with_name("lookout.py")


class State(NamedTuple):
    """The stack's state, as it is stored and in clear, and how to ask for more."""

    stored: str
    clear: dict[str, Any]
    environment: dict[str, str]

    @classmethod
    def of(cls, stack: str) -> "State":
        environment = prepare(cloud=False)

        def export(*options: str) -> str:
            command = ("pulumi", "--cwd", str(CHECKOUT), "stack", "export", "--stack", stack, *options)
            return subprocess.run(command, env=environment, text=True, stdout=subprocess.PIPE, check=True).stdout

        return cls(export(), json.loads(export("--show-secrets")), environment)

    @property
    def resources(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.clear["deployment"]["resources"]
        return found

    def secrets(self) -> dict[str, str]:
        """Text -> whose it is. What commands carry comes from others, but for the operator's key."""
        found: dict[str, str] = {}
        for resource in self.resources:
            for values in (resource.get("inputs"), resource.get("outputs")):
                command = resource["type"].startswith("command:")
                kept = {"connection": (values or {}).get("connection")} if command else values
                for text in texts(kept, known=OPEN if command else ()):
                    found[text] = resource["urn"].rpartition("::")[2]
        return found


def texts(value: Any, secret: bool = False, known: Sequence[str] = ()) -> Iterator[str]:
    """What of a value of the state is secret, but for fields that are `known`; of a key in several lines one that no
    other key has."""
    if isinstance(value, Mapping) and value.get(SECRET) == MARK:
        yield from texts(json.loads(value["plaintext"]), True, known)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from texts(item, secret, known) if name not in known else ()
    elif isinstance(value, list):
        for item in value:
            yield from texts(item, secret, known)
    elif secret and isinstance(value, str):
        # The first line of a key is its format's name.
        lines = [line for line in value.splitlines() if "-----" not in line]
        text = max(lines[1:] or lines, key=len, default="")
        if len(text) >= SHORTEST:
            yield text


class Lookout:
    """The search on one machine."""

    def __init__(self, stack: DeployedStack, machine: str, searched: list[str]) -> None:
        where = stack.machines[machine]
        # The program, which holds no secret, is an argument; the secrets are not.
        command = ["sudo", "python3", "-c", shlex.quote(LOOKOUT.read_text())]
        words = [*ssh_client(where.via), f"debian@{where.public}", *command]
        self.machine = machine
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdin  # noqa: S101
        assert self._process.stdout  # noqa: S101
        self._process.stdin.write(json.dumps(searched) + "\n")
        self._process.stdin.flush()
        if self._process.stdout.readline() != "ready\n":
            raise NotSeen(f"{machine} cannot be searched")

    def found(self) -> list[tuple[int, str]]:
        printed, _ = self._process.communicate(timeout=600)
        if self._process.returncode:
            raise NotSeen(f"{self.machine} was not searched to the end")
        return [(number, f"{self.machine}: {where}") for number, where in json.loads(printed)]


def printed(action: str, stack: str, *options: str) -> str:
    """What a make target prints for its operator."""
    command = [sys.executable, "-m", "stacks", action, stack, *options]
    done = subprocess.run(command, cwd=CHECKOUT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        raise NotSeen(f"{action} of {stack} failed, so its output proves nothing: {done.stdout[-300:]}")
    return done.stdout


def run(stack: DeployedStack) -> list[Figure]:
    state = State.of(stack.name)
    secrets = state.secrets()
    searched = list(secrets)
    if not searched:
        raise NotSeen("the state holds no secret, so none can be found")
    # As when one of them is rotated: every machine gets its secrets once more.
    given = [one["urn"] for one in state.resources if one["urn"].endswith("-secrets")]
    encoded, over = [text.encode() for text in searched], threading.Event()
    with ThreadPoolExecutor() as pool:
        watched = list(pool.map(lambda machine: Lookout(stack, machine, searched), stack.machines))
        here: Future[set[tuple[int, str]]] = pool.submit(arguments, encoded, lambda: over.wait(0.02))
        try:
            shown = {
                action: printed(action, stack.name, *options)
                for action, *options in (
                    ("preview",),
                    ("up", *(f"--replace={urn}" for urn in given)),
                )
            }
        finally:
            over.set()
            # Ends the look at processes.
            found = [place for places in pool.map(Lookout.found, watched) for place in places]
    state = State.of(stack.name)
    held = {**shown, "the state as it is stored": state.stored}
    found += [(number, where) for where, text in held.items() for number, one in enumerate(searched) if one in text]
    found += [(number, f"here: {where}") for number, where in here.result() | files(stored_in(state), encoded)]
    for number, where in sorted(found):
        print(f"  the secret of {secrets[searched[number]]}: {where}", file=sys.stderr)
    return [
        Figure("secrets looked for", len(searched)),
        Figure("machines searched", len(watched)),
        Figure("times that machines were given secrets meanwhile", len(given)),
        Figure("places with a secret", len(found), goal=0),
    ]


def stored_in(state: State) -> tuple[str, ...]:
    """Where a backend of files keeps the state, its history and its backups."""
    backend = urlparse(state.environment.get("PULUMI_BACKEND_URL", ""))
    return (backend.path,) if backend.scheme == "file" else ()


CANARY = Drill(
    name="a canary for every secret",
    claims=(),
    promise="no secret in a log, an argument of a process, a file that anybody reads, a preview, or a plain state",
    run=run,
)
