"""So Foot is worked on while it serves: settings of each tier, secrets, a certificate (SOF-10)."""

import functools
import subprocess
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from architectures.sofoot import SoFootOutputs
from drills.changes import changed_and_back, held, rotated, serials
from drills.drill import Drill, Figure
from drills.ledger import ledger
from drills.packs.mysql_pair import Pair
from drills.patience import seconds_until
from drills.release import released
from stacks.deployed_stack import CommandFailed, DeployedStack

Stack: TypeAlias = DeployedStack[SoFootOutputs]
RATE = 50  # requests a second
PAIR = Pair("db-1", "db-2", over="web-3", claims=("SOF-4",))
PROMISE = "no interruption for a month, while it is worked on"
RESTART = "a setting of the server restarts MariaDB on the writer, too, unless it is promoted before (MysqlPair)"


def drill(name: str, run: Callable[[Stack], Sequence[Figure]], limit: str = "") -> Drill:
    return Drill(name=name, claims=("SOF-10",), promise=PROMISE, limit=limit, run=run)


def targets(stack: Stack) -> list[str]:
    url = str(stack.outputs.url)
    return [f"GET {url}/", f"GET {url.replace('http://', 'https://')}/"]


# Settings, changed and changed back


def rolling(machines: Sequence[str], file: str, setting: str, stack: Stack) -> list[Figure]:
    return changed_and_back(stack, targets(stack), RATE, lambda: held(stack, machines, file), setting)


def database_setting(stack: Stack) -> list[Figure]:
    server = "/etc/mysql/mariadb.conf.d/90-mysql-pair.cnf"
    address = stack.outputs.database.address
    with ledger(stack, over="back-office", write=address, read=address) as book:
        figures = rolling((PAIR.first, PAIR.second), server, "database_connections=201", stack)
    return [*figures, *book.figures()]


# Secrets


def rotating(
    secret: str,
    look: Callable[[Stack], Sequence[Any]],
    taken: Callable[[Stack, Stack], Sequence[Figure]],
    stack: Stack,
) -> list[Figure]:
    return rotated(stack, targets(stack), RATE, look, secret, taken)


def enters(old: Stack, new: Stack) -> list[Figure]:
    return [
        Figure("the new one is taken", int(edits(new)), goal=1, least=True),
        Figure("the old one is taken", int(edits(old)), goal=0),
    ]


def edits(stack: Stack) -> bool:
    """Whether the editors' password that this stack tells opens the back office."""
    office = stack.outputs.back_office
    options = ("--insecure", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--config", "-")
    said = subprocess.run(
        ["curl", *options, "--upload-file", __file__, f"{office.url}/edit/drill.txt"],
        input=f"user = {office.user}:{office.password}\n",
        text=True,
        capture_output=True,
        check=True,
    )
    return said.stdout in ("201", "204")


def replicates(_: Stack, new: Stack) -> list[Figure]:
    def ready() -> bool:
        try:
            new.on("db-2", "sudo mysql-pair ready")
        except CommandFailed:
            return False
        return True

    new.on("db-2", "sudo mariadb -e 'STOP REPLICA; START REPLICA'")
    took = seconds_until(ready, "the replica in step again", 60)
    return [Figure("the replica has logged in anew after", round(took, 1), "s")]


def saves(_: Stack, new: Stack) -> list[Figure]:
    for machine, name in (("back-office", "site"), ("db-2", "database")):
        new.on(machine, f"sudo backup-{name} run", timeout=600)
    return [Figure("backups that ran with the new one", 2)]


def serial(stack: Stack) -> list[str]:
    return serials(str(urlsplit(stack.outputs.url).hostname))


SECRETS: dict[str, tuple[Callable[[Stack], Sequence[Any]], Callable[[Stack, Stack], Sequence[Figure]]]] = {
    "database-pair": (PAIR.accounts, replicates),
    "back-office-editor": (lambda s: held(s, ["back-office"], "/etc/nginx/editors"), enters),
    "storage-site": (lambda s: held(s, ["back-office"], "/etc/casebook/backup-site.env"), saves),
    "storage-database": (lambda s: held(s, ["db-2"], "/etc/casebook/backup-database.env"), saves),
}
WEB = [f"web-{number}" for number in range(1, 9)]
DRILLS = [
    released(targets, RATE),
    drill(
        "a setting of HAProxy changes",
        functools.partial(rolling, ("haproxy-1", "haproxy-2"), "/etc/haproxy/haproxy.cfg", "log_requests=true"),
    ),
    drill(
        "a setting of the web servers changes",
        functools.partial(rolling, WEB, "/etc/nginx/nginx.conf", "page_seconds=60"),
    ),
    drill("a setting of the databases changes", database_setting, RESTART),
    *(
        drill(f"the secret {secret} is rotated", functools.partial(rotating, secret, look, taken))
        for secret, (look, taken) in SECRETS.items()
    ),
    drill(
        "the secret database-application is rotated",
        PAIR.password_rotated(targets, RATE, over="back-office"),
    ),
    drill(
        "the site's certificate is renewed",
        lambda stack: rotated(stack, targets(stack), RATE, serial, "site"),
    ),
]
