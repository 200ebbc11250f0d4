"""So Foot is worked on while it serves: settings of each tier, secrets, a certificate (SOF-10)."""

import functools
import subprocess
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from drills.changes import changed, serving
from drills.drill import Drill, Figure
from drills.ledger import Account, answer, client, ledger, tunnel
from drills.patience import seconds_until
from stacks.running import CommandFailed, Running, world

RATE = 50  # requests a second
DATABASES = ("db-1", "db-2")
PROMISE = "no interruption for a month, while it is worked on"
RESTART = (
    "a setting of the server restarts MariaDB on the writer, too, unless it is promoted before (components/mysql_pair)"
)


def drill(name: str, run: Callable[[Running], Sequence[Figure]], limit: str = "") -> Drill:
    return Drill(name=name, claims=("SOF-10",), promise=PROMISE, limit=limit, run=run)


def targets(stack: Running) -> list[str]:
    url = str(stack.outputs["url"])
    return [f"GET {url}/", f"GET {url.replace('http://', 'https://')}/"]


def held(stack: Running, machines: Sequence[str], *files: str) -> list[str]:
    """What the machines hold in these files, by digest."""
    return [stack.on(machine, f"sudo sha256sum {file}").split()[0] for machine in machines for file in files]


# Settings, changed and changed back


def rolling(machines: Sequence[str], file: str, setting: str, stack: Running) -> list[Figure]:
    look = functools.partial(held, stack, machines, file)
    with serving(targets(stack), RATE) as figures:
        changed(stack, look, "--set", setting)
        changed(stack, look)
    return figures


def database_setting(stack: Running) -> list[Figure]:
    server = "/etc/mysql/mariadb.conf.d/90-mysql-pair.cnf"
    with ledger(stack, **database(stack)) as book:
        figures = rolling(DATABASES, server, "database_connections=201", stack)
    return [*figures, *book.figures()]


# Secrets


def renewed(
    secret: str,
    look: Callable[[Running], Sequence[Any]],
    taken: Callable[[Running, Running], Sequence[Figure]],
    stack: Running,
) -> list[Figure]:
    """A secret is drawn anew; `taken` tells, of the stack before and after, what is taken now."""
    with serving(targets(stack), RATE) as figures:
        changed(stack, functools.partial(look, stack), "--renew", secret)
        found = taken(stack, Running.named(stack.name))
    return [*found, *figures]


def old_and_new(works: Callable[[Running], bool]) -> Callable[[Running, Running], list[Figure]]:
    return lambda old, new: [
        Figure("the new one is taken", works(new), goal=1, least=True),
        Figure("the old one is taken", works(old), goal=0),
    ]


def database(stack: Running) -> dict[str, Any]:
    """Where a ledger writes, and as whom."""
    where = stack.outputs["database"]
    account = Account(where["name"], where["user"], where["password"])
    return {"over": "back-office", "write": where["address"], "read": where["address"], "account": account}


def logs_in(stack: Running) -> bool:
    """Whether the application's password that this stack tells opens the database."""
    found = database(stack)
    with tunnel(stack, found["over"], [found["write"]]) as [port]:
        return answer(client(port, found["account"]), "SELECT 1") is not None


def edits(stack: Running) -> bool:
    """Whether the editors' password that this stack tells opens the back office."""
    office = stack.outputs["back_office"]
    options = ("--insecure", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--config", "-")
    said = subprocess.run(
        ["curl", *options, "--upload-file", __file__, f"{office['url']}/edit/drill.txt"],
        input=f"user = {office['user']}:{office['password']}\n",
        text=True,
        capture_output=True,
        check=True,
    )
    return said.stdout in ("201", "204")


def replicates(_: Running, new: Running) -> list[Figure]:
    def ready() -> bool:
        try:
            new.on("db-2", "sudo mysql-pair ready")
        except CommandFailed:
            return False
        return True

    new.on("db-2", "sudo mariadb -e 'STOP REPLICA; START REPLICA'")
    took = seconds_until(ready, "the replica in step again", 60)
    return [Figure("the replica has logged in anew after", round(took, 1), "s")]


def saves(_: Running, new: Running) -> list[Figure]:
    for machine, name in (("back-office", "site"), ("db-2", "database")):
        new.on(machine, f"sudo backup-{name} run", timeout=600)
    return [Figure("backups that ran with the new one", 2)]


def serials(stack: Running) -> list[str]:
    """The number of the certificate that readers see."""
    host = urlsplit(stack.outputs["url"]).hostname
    return [world("sh", "-c", f"openssl s_client -connect {host}:443 </dev/null | openssl x509 -noout -serial")]


SECRETS: dict[str, tuple[Callable[[Running], Sequence[Any]], Callable[[Running, Running], Sequence[Figure]]]] = {
    "database-application": (lambda s: held(s, DATABASES, "/etc/mysql-pair.json"), old_and_new(logs_in)),
    "database-pair": (lambda s: held(s, DATABASES, "/etc/mysql-pair.json"), replicates),
    "back-office-editor": (lambda s: held(s, ["back-office"], "/etc/nginx/editors"), old_and_new(edits)),
    "storage-backup": (
        lambda s: [
            *held(s, ["back-office"], "/etc/casebook/backup-site.env"),
            *held(s, ["db-2"], "/etc/casebook/backup-database.env"),
        ],
        saves,
    ),
}
WEB = [f"web-{number}" for number in range(1, 9)]
DRILLS = [
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
        drill(f"the secret {secret} is drawn anew", functools.partial(renewed, secret, look, taken))
        for secret, (look, taken) in SECRETS.items()
    ),
    drill(
        "the site's certificate is renewed",
        functools.partial(renewed, "site", serials, lambda *_: []),
    ),
]
