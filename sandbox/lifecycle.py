"""Start, stop, reset and status of the whole sandbox.

Every step of a start looks at what is there and does what is missing, so that a start repairs whatever a crash
left behind.
"""

import concurrent.futures
import contextlib
import fcntl
import json
import os
import pathlib
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterator

from sandbox import (
    BALANCERS,
    DATA,
    DNS,
    ETC,
    HOME,
    LOG,
    MACHINES,
    OVHCLOUD_PORT,
    PROJECT,
    ROOTFS,
    RUN,
    SSH_KEY,
    STATE,
    VOLUMES,
    authority,
    building,
    dns,
    edge,
    host,
    internet,
    packages,
    processes,
    rootfs,
    shelf,
)
from sandbox.machine import CGROUP, MEMORY_SCALE, Machine
from sandbox.openstack import balancer, configuration, daemons, routers, secrets, setup, venv, warm
from sandbox.openstack.configuration import AUTH_URL
from sandbox.processes import Daemon, answers
from sandbox.shell import FABRIC, ip, links, namespaces, run
from sandbox.wires import MACHINE, delete_namespace

# One sandbox per host: names of namespaces and bridges are fixed.
LOCK, OWNER = pathlib.Path("/run/lock/casebook-sandbox"), pathlib.Path("/run/casebook-sandbox")
FORGETTING = STATE / "forgetting"  # is there while a reset is under way
IPLB = "iplb-"  # namespaces of the OVHcloud API's load balancers
NAS = "nas-"  # of its NAS-HA
SERVER_NAMESPACES = (balancer.PREFIX, IPLB, NAS)
OWN_NAMESPACES = (MACHINE, routers.PREFIX, *SERVER_NAMESPACES)
FIRST_START, LATER_START = 6, 1  # GiB of free disk
POWER_OFF = 15.0  # seconds a machine gets at stop


class Progress:
    """Lines on standard error: seconds since the beginning, and what."""

    def __init__(self) -> None:
        self.begun = time.monotonic()

    def __call__(self, text: str) -> None:
        print(f"[{time.monotonic() - self.begun:6.1f} s] {text}", file=sys.stderr, flush=True)

    @contextlib.contextmanager
    def step(self, text: str) -> Iterator[None]:
        self(f"{text} ...")
        begun = time.monotonic()
        yield
        self(f"{text}: done in {time.monotonic() - begun:.1f} s")


@contextlib.contextmanager
def exclusive(action: str, say: Callable[[str], None]) -> Iterator[None]:
    """One action at a time on this host; the second waits, and says for whom."""
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    with LOCK.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            say(f"waiting for another command: {file.read().strip() or 'unknown'}")
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(f"`sandbox {action}`, process {os.getpid()}, since {time.strftime('%H:%M:%S')}")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


# ------------------------------------------------------------ start
def start() -> None:
    host.check_root()
    say = Progress()
    with exclusive("start", say):
        fallen = sorted(path.name for path in MACHINES.glob("*") if Machine(path.name).fell())
        if fallen:
            # Their clouds switch them on when they start.
            say(f"machines that died are switched on again: {', '.join(fallen)}")
            processes.end({"nova", "ovhcloud"})
        elif is_up():
            say("the sandbox is up")
            return
        _check_owner()
        # What a start that was killed has left half done; its children carry this mark.
        processes.end({"start"})
        os.environ[processes.MARK] = processes.mark("start")
        first = not (setup.is_done() and venv.is_made())
        building.check_space(HOME, "the sandbox", FIRST_START if first else LATER_START)
        _prepare(say)
        if FORGETTING.exists() or not setup.is_done():
            # Machines of databases that are no more would stop Nova.
            _halt()
            _forget(say)
        own = secrets.ensure()
        OWNER.write_text(str(STATE))
        internet.up()
        packages.configure()
        edge.configure()
        processes.start([dns.daemon(), packages.daemon(), shelf.daemon()], 30, say)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            image = pool.submit(_image, say)
            _environment(say)
            configuration.write(own, venv.path())
            daemons.write_entry_points()
            if setup.is_done():
                _control_planes(say)
            else:
                with say.step("first set-up of the control planes"):
                    setup.first(own, say)
            image.result()
        processes.start([edge.daemon(), daemons.fabric()], 60, say)
        warm.warm()
        say("all OpenStack services are ready")
        processes.start(_ovhcloud(), 60, say)
        say("the sandbox is up")


def _check_owner() -> None:
    """Two sandboxes on one host would take each other's namespaces for their own."""
    owner = OWNER.read_text() if OWNER.exists() else str(STATE)
    if owner != str(STATE) and FABRIC in namespaces():
        raise RuntimeError(
            f"another sandbox runs on this host: stop it with `CASEBOOK_HOME={pathlib.Path(owner).parent} "
            "python -m sandbox stop`, then start this one"
        )


def is_up() -> bool:
    living = processes.marked()
    return setup.is_done() and all(daemon.name in living and daemon.ready() for daemon in all_daemons())


def all_daemons() -> list[Daemon]:
    return [
        dns.daemon(),
        packages.daemon(),
        shelf.daemon(),
        daemons.database(),
        *daemons.services(),
        edge.daemon(),
        daemons.fabric(),
        *_ovhcloud(),
    ]


def _prepare(say: Progress) -> None:
    """Programs, kernel, directories, keys; and nothing left of machines that a crash or a reboot ended."""
    missing = host.missing_packages()
    if missing:
        with say.step(f"installing {' '.join(missing)}"):
            host.install(missing)
    host.check_kernel()
    host.grant()
    STATE.mkdir(mode=0o700, parents=True, exist_ok=True)
    for directory in (ETC, LOG, RUN, DNS, ROOTFS, MACHINES, VOLUMES, BALANCERS):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority.ensure()
    _customers_key()


def _customers_key() -> None:
    def make(draft: pathlib.Path) -> None:
        draft.mkdir(mode=0o700)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "customer@sandbox", "-f", draft / SSH_KEY.name)

    building.built(SSH_KEY.parent, make, "the customer's key", 0.01, lambda _: SSH_KEY.exists())


def _environment(say: Progress) -> None:
    if not venv.is_made():
        with say.step("installing the OpenStack services"):
            venv.make()


def _image(say: Progress) -> None:
    if not rootfs.is_made(authority.ensure()):
        with say.step("making the machines' root file system"):
            rootfs.make(authority.ensure())


def _control_planes(say: Progress) -> None:
    if not DATA.exists():
        setup.restore()
    processes.start([daemons.database()], 60, say)
    processes.start(daemons.services(), 120, say)


def _ovhcloud() -> list[Daemon]:
    if not configuration.ACCOUNT.exists():
        return []
    command = [
        venv.path() / "bin/python",
        "-m",
        "sandbox.ovhcloud",
        f"--account={configuration.ACCOUNT}",
        f"--database={DATA / 'ovhcloud.sqlite'}",
        f"--port={OVHCLOUD_PORT}",
    ]
    probe = f"http://127.0.0.1:{OVHCLOUD_PORT}/1.0/auth/time"
    return [Daemon("ovhcloud", command, lambda: answers(probe), daemons.environment(), [("127.0.0.1", OVHCLOUD_PORT)])]


# ------------------------------------------------------------ stop, reset
def stop() -> None:
    host.check_root()
    say = Progress()
    with exclusive("stop", say):
        _check_owner()
        _halt()
        say("the sandbox is stopped")


def reset() -> None:
    """Stop, and forget all machines and data: the next start has an empty account."""
    host.check_root()
    say = Progress()
    with exclusive("reset", say):
        _check_owner()
        _halt()
        if STATE.exists():
            _forget(say)
        say("all machines and data are forgotten; `python -m sandbox start` begins with an empty account")


def _forget(say: Progress) -> None:
    if setup.snapshots() and not setup.is_done():
        say("the control planes or their catalogue have a new release: what the sandbox held is forgotten")
    FORGETTING.touch()
    for machine in machines():
        machine.destroy()
    for directory in (MACHINES, VOLUMES, BALANCERS, DNS):
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(mode=0o700, exist_ok=True)
    shutil.rmtree(DATA, ignore_errors=True)
    # Images that customers made of their servers, and earlier recipes of ours.
    current = (ROOTFS / rootfs.IMAGE).resolve()
    for image in ROOTFS.glob("*"):
        if image.is_dir() and not image.is_symlink() and image != current:
            run("rm", "-rf", image)
    FORGETTING.unlink()


def machines() -> list[Machine]:
    return [Machine(directory.name) for directory in sorted(MACHINES.glob("*"))]


def _halt() -> None:
    """No process, mount, namespace, rule, loop device or control group is left; the files stay."""
    # First those that would bring machines back, last the database they write to.
    processes.end(set(processes.marked()) - {"mariadb"})
    processes.end()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda machine: machine.stop(POWER_OFF), machines()))
    for machine in machines():
        machine.put_away()
    for group in CGROUP.glob("*/sandbox"):
        with contextlib.suppress(OSError):
            group.rmdir()
    _clear_network()
    for file in (*RUN.glob("*"), OWNER):
        file.unlink(missing_ok=True)


def _clear_network() -> None:
    have = namespaces()
    if FABRIC in have:  # a namespace goes away later, a link at once
        internet.down()
        for name, link in links(FABRIC).items():
            if link.get("linkinfo", {}).get("info_kind") != "bridge":
                ip("link", "del", name, ns=FABRIC, check=False)
    for ns in have:
        if ns.startswith(SERVER_NAMESPACES):
            for pid in ip("netns", "pids", ns, check=False).split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), 9)
        if ns == FABRIC or ns.startswith(OWN_NAMESPACES):
            delete_namespace(ns)


# ------------------------------------------------------------ status, environment
def status() -> bool:
    """Print every part; True if all of them run."""
    host.check_root()
    living, total = processes.marked(), 0
    parts = [daemon.name for daemon in all_daemons()]
    print(f"{'part':<12} {'process':>8} {'MiB':>6}  up for")
    for name in [*parts, *sorted(set(living) - set(parts))]:
        pids = living.get(name, [])
        used = processes.memory(pids) >> 20
        total += used
        since = _duration(processes.uptime(pids[0])) if pids else "not running"
        print(f"{name:<12} {pids[0] if pids else '-':>8} {used:>6}  {since}")
    print(f"{'total':<12} {'':>8} {total:>6}")
    on = [machine for machine in machines() if machine.running()]
    used = sum(machine.memory() for machine in on) >> 20
    print(
        f"machines: {len(on)} running of {len(machines())}, {used} MiB; a machine may use 1/{MEMORY_SCALE} of the "
        "memory its flavor names"
    )
    return all(name in living for name in parts)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def environment() -> dict[str, str]:
    """What a stack's program needs to reach this cloud; RuntimeError before the first start."""
    if not PROJECT.exists():
        raise RuntimeError("the sandbox has never been started: run `python -m sandbox start` first")
    project = json.loads(PROJECT.read_text())
    return {
        "OS_AUTH_URL": AUTH_URL,
        "OS_USERNAME": project["user_name"],
        "OS_PASSWORD": project["password"],
        "OS_PROJECT_NAME": project["project_name"],
        "OS_USER_DOMAIN_NAME": "Default",
        "OS_PROJECT_DOMAIN_NAME": "Default",
        "OS_IDENTITY_API_VERSION": "3",
        "OVH_ENDPOINT": f"http://127.0.0.1:{OVHCLOUD_PORT}/1.0",
        "OVH_APPLICATION_KEY": project["ovh"]["application_key"],
        "OVH_APPLICATION_SECRET": project["ovh"]["application_secret"],
        "OVH_CONSUMER_KEY": project["ovh"]["consumer_key"],
        "OVH_CLOUD_PROJECT_SERVICE": project["project_id"],
        "CASEBOOK_SSH_KEY_FILE": str(SSH_KEY),
    }


def exports() -> str:
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment().items())
