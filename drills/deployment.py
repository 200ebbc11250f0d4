"""The deployment itself is broken: `up` is killed, the API fails, a machine is lost while it works.

`make drill-deployment`. These drills take the stack away and build it again; it is up before and after each.
"""

import functools
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from drills.drill import Drill, Figure, NotSeen
from drills.faults import answers, boot_id, power_loss
from drills.patience import seconds_until
from stacks.cloud_resources import LISTINGS, matching
from stacks.clouds import Clouds
from stacks.deployed_stack import CommandFailed, DeployedStack, credentials
from stacks.environment import CHECKOUT, Stop, is_account, prepare
from stacks.state_recovery import exported, pulumi

KILLS = 20
LONGEST = 3600  # seconds that an `up` may take
ATTEMPTS = 3  # of `up` while the API fails
CONVERGES = "the same command continues, also after a kill -9 (README.md)"
LOST = "what is lost while `up` works is made up for by the next one"
API = "`up` converges by itself, or the next one does; nothing is made twice"
NO_RETRIES = (
    "Pulumi's plugins make no request again that has failed (sandbox/README.md, Errors on purpose), only look-ups are "
    "made again: the run ends, and the next one goes on"
)
TASK = "ovh:Dedicated/serverReinstallTask:ServerReinstallTask"  # something that was done, not something that is there


def drills(seed: int) -> list[Drill]:
    """For any stack. The moments of the kills follow from the seed."""

    def drill(name: str, promise: str, run: Callable[[DeployedStack], Sequence[Figure]], limit: str = "") -> Drill:
        return Drill(name=name, claims=(), promise=promise, limit=limit, run=run)

    api = {
        "the API answers 429 or 503 during up": ("429=0.02", "503=0.01"),
        "the API answers 500 during up": ("500=0.02",),
        "the API's answers are lost during up": ("504=0.02@POST|PUT|DELETE",),
        "tasks of the API are slow during up": ("slow=0.5",),
    }
    return [
        drill("up is killed at random moments", CONVERGES, functools.partial(killed, seed)),
        drill("a server loses power during up", LOST, functools.partial(without_a_server, seed)),
        *(drill(name, API, functools.partial(failing, faults), NO_RETRIES) for name, faults in api.items()),
    ]


def killed(seed: int, stack: DeployedStack) -> list[Figure]:
    moments = random.Random(seed)  # noqa: S311 (no secret)
    destroy(stack.name)
    began = time.monotonic()
    up(stack.name)
    whole = time.monotonic() - began
    destroy(stack.name)
    kills, ended, failed, found = 0, 0, 0, Counter[str]()
    while kills < KILLS:
        status = killed_after(stack.name, moments.uniform(0.5, whole / 2))
        if status is None:
            kills += 1
            continue
        ended, failed = ended + 1, failed + (status != 0)
        if status == 0:
            found += disagreements(stack.name)
            destroy(stack.name)
    last = up(stack.name, check=False)
    found += disagreements(stack.name)
    return [
        Figure("times killed", kills, goal=KILLS, least=True),
        Figure("seed of the moments", seed),
        Figure("an up alone", round(whole), "s"),
        Figure("times it ended before it was killed", ended),
        Figure("runs that failed", failed + (last.returncode != 0), goal=0),
        *told(found),
    ]


def without_a_server(seed: int, stack: DeployedStack) -> list[Figure]:
    """A dedicated server, installed a moment ago, or a VPS, adopted as it is, is off until the run has ended."""
    moments = random.Random(seed)  # noqa: S311 (no secret)
    rented = {name: where.kind for name, where in stack.machines.items() if where.kind != "instance"}
    machine = moments.choice(list(rented))
    destroy(stack.name)
    before = boot_id(stack, machine)

    def installed() -> bool:
        with suppress(CommandFailed):  # it restarts while it is asked
            return answers(stack, machine) and (rented[machine] == "vps" or boot_id(stack, machine) != before)
        return False

    with subprocess.Popen(command("up", stack.name), cwd=CHECKOUT, stdout=subprocess.DEVNULL) as process:
        seconds_until(installed, f"{machine} installed", LONGEST)
        time.sleep(moments.uniform(0, 10))
        if process.poll() is not None:
            raise NotSeen("up had ended already")
        with power_loss(stack, machine):
            status = process.wait(LONGEST)
    last = up(stack.name, check=False)
    return [
        Figure("seed", seed),
        Figure("the run converged without it", status == 0),
        Figure("runs that failed when it was back", last.returncode != 0, goal=0),
        *told(disagreements(stack.name)),
    ]


def failing(faults: Sequence[str], stack: DeployedStack) -> list[Figure]:
    if is_account():
        raise NotSeen("the API of a real account fails when it likes")
    destroy(stack.name)
    sandbox("faults", *faults)
    try:
        began, runs, converged = time.monotonic(), 0, False
        while runs < ATTEMPTS and not converged:
            runs += 1
            converged = up(stack.name, check=False).returncode == 0
        took = time.monotonic() - began
        _, _, made = sandbox("faults").partition("made: ")
    finally:
        sandbox("faults", "off")
    if not made:
        raise NotSeen(f"no request met one of {', '.join(faults)}")
    count = sum(int(one.split()[1]) for one in made.strip().split(", "))
    last = up(stack.name, check=False)
    return [
        Figure("requests that met it", count),
        Figure("runs while it lasted", runs),
        Figure("the last of them converged", converged),
        Figure("these runs took", round(took), "s"),
        Figure("runs that failed afterwards", last.returncode != 0, goal=0),
        *told(disagreements(stack.name)),
    ]


def told(found: Counter[str]) -> list[Figure]:
    return [
        Figure("a further up changed something", found["changed"], goal=0),
        Figure("resources there twice", found["twice"], goal=0),
        Figure("resources in the state and not in the account", found["missing"], goal=0),
        Figure("a refresh found a difference", found["refreshed"], goal=0),
    ]


def disagreements(stack: str) -> Counter[str]:
    """Where program, state and account differ."""
    found: Counter[str] = Counter()
    found["changed"] = up(stack, "--expect-no-changes", check=False).returncode != 0
    given = prepare(cloud=True)
    clouds = Clouds(credentials())
    for one in exported(stack, given)["deployment"]["resources"]:
        if one["type"] in LISTINGS and one["type"] != TASK and not one.get("external"):
            ids = [found.id for found in matching(clouds, one["type"], one["inputs"])]
            for what, wrong in (("missing", one["id"] not in ids), ("twice", len(ids) > 1)):
                if wrong:
                    print(f"  {what}: {one['urn']} {one['id']}, the account has {ids}", file=sys.stderr)
                found[what] += wrong
    try:
        pulumi("refresh", "--preview-only", "--expect-no-changes", "--stack", stack, environment=given)
    except Stop as error:
        print(f"  refresh: {str(error)[-2000:]}", file=sys.stderr)
        found["refreshed"] += 1
    return found


def up(stack: str, *options: str, check: bool = True, checkout: Path = CHECKOUT) -> subprocess.CompletedProcess[str]:
    return run("up", stack, *options, check=check, checkout=checkout)


def destroy(stack: str) -> None:
    """Copies as well: it is built from nothing."""
    run("destroy", stack, "--ignore-protect")


def command(action: str, stack: str, *options: str) -> list[str]:
    return [sys.executable, "-m", "stacks", action, stack, *options]


def run(
    action: str, stack: str, *options: str, check: bool = True, checkout: Path = CHECKOUT
) -> subprocess.CompletedProcess[str]:
    words = command(action, stack, *options)
    # The environment's package is this checkout's; another one goes before it.
    chosen = {} if checkout == CHECKOUT else {"PYTHONPATH": f"{checkout / 'components'}:{checkout}"}
    done = subprocess.run(
        words, cwd=checkout, env={**os.environ, **chosen}, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode and check:
        raise CommandFailed(f"{' '.join(words[2:])}: {reason(done.stdout)}")
    if done.returncode:
        print(f"  {' '.join(words[2:])} ended with {done.returncode}: {reason(done.stdout)}", file=sys.stderr)
    return done


def reason(said: str) -> str:
    """Why a run failed: what Pulumi tells between its progress and the stack's outputs, if it came as far as that."""
    _, _, told = said.partition("\nDiagnostics:\n")
    return told.partition("\nOutputs:\n")[0][:3000] or said[-3000:]


def sandbox(*words: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "sandbox", *words], cwd=CHECKOUT, text=True, stdout=subprocess.PIPE, check=True
    ).stdout


def killed_after(stack: str, seconds: float, when: Callable[[], bool] = lambda: False) -> int | None:
    """Start `up`, and after so many seconds, or `when`, kill it with all that it has started; its status if it ended
    before that.

    As with a lost terminal or runner: SIGKILL to every process of its session, for plugins are in groups of their own.
    """
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command("up", stack), cwd=CHECKOUT, start_new_session=True, stdout=said, stderr=said)
        end = time.monotonic() + seconds
        while process.poll() is None and time.monotonic() < end and not when():
            time.sleep(0.1)
        status = process.poll()
        while living := of_session(process.pid):
            for one in living:
                with suppress(ProcessLookupError):
                    os.kill(one, signal.SIGKILL)
            process.wait()
        if status:
            said.seek(0)
            print(f"  up ended with {status}: {reason(said.read().decode())}", file=sys.stderr)
    return status


def of_session(leader: int) -> list[int]:
    """The living processes of a session."""
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, words = int(file.parent.name), file.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        found += [pid] if int(words[3]) == leader and words[0] != "Z" else []
    return found
