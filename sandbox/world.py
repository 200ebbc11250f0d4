"""The world: somebody else's computer on the Internet, to look at a stack from outside.

python -m sandbox world -- COMMAND...
"""

import ipaddress
import subprocess
from collections.abc import Sequence

from sandbox import GATEWAY, INTERNET, NETWORK, wires
from sandbox.internet import MTU
from sandbox.shell import FABRIC, ip, namespaces

NAME, ADDRESS = "world", "198.18.127.254"


def run(command: Sequence[str]) -> int:
    """Run a command there and return its exit status; RuntimeError if the sandbox is not running."""
    if FABRIC not in namespaces():
        raise RuntimeError("the sandbox is not running: start it with `python -m sandbox start`")
    wires.ensure_namespace(NAME)
    try:
        wires.plug(NAME, wires.mac_address(NAME), INTERNET, MTU, NAME, "eth0")
        ip("addr", "replace", f"{ADDRESS}/{ipaddress.ip_network(NETWORK).prefixlen}", "dev", "eth0", ns=NAME)
        ip("route", "replace", "default", "via", GATEWAY, ns=NAME)
        return subprocess.run(["ip", "netns", "exec", NAME, *command], check=False).returncode
    finally:
        wires.unplug(NAME)
        wires.delete_namespace(NAME)
