"""The world: somebody else's computer on the Internet, to look at a stack from outside.

python -m sandbox world -- COMMAND...
"""

import contextlib
import fcntl
import ipaddress
import subprocess
from collections.abc import Iterator, Sequence

from sandbox import GATEWAY, INTERNET, NETWORK, RUN, wires
from sandbox.internet import MTU
from sandbox.shell import FABRIC, ip, namespaces

NAME, ADDRESS = "world", "198.18.127.254"


def run(command: Sequence[str]) -> int:
    """Run a command there and return its exit status; RuntimeError if the sandbox is not running."""
    if FABRIC not in namespaces():
        raise RuntimeError("the sandbox is not running: start it with `python -m sandbox start`")
    with (RUN / "world.users").open("a") as users:
        with gate():
            fcntl.flock(users, fcntl.LOCK_SH)
            wires.ensure_namespace(NAME)
            wires.plug(NAME, wires.mac_address(NAME), INTERNET, MTU, NAME, "eth0")
            ip("addr", "replace", f"{ADDRESS}/{ipaddress.ip_network(NETWORK).prefixlen}", "dev", "eth0", ns=NAME)
            ip("route", "replace", "default", "via", GATEWAY, ns=NAME)
        try:
            return subprocess.run(["ip", "netns", "exec", NAME, *command], check=False).returncode
        finally:
            # The last who is there takes it away.
            with gate(), contextlib.suppress(BlockingIOError):
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                wires.unplug(NAME)
                wires.delete_namespace(NAME)


@contextlib.contextmanager
def gate() -> Iterator[None]:
    """One after the other comes or goes."""
    with (RUN / "world.gate").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
