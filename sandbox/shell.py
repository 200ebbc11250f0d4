"""Small helpers around `ip`, `nft` and other commands."""

import contextlib
import json
import pathlib
import socket
import subprocess
from typing import Any

from sandbox import RUN

FABRIC = "fabric"  # the network namespace that holds every bridge
WAKE = RUN / "fabric.sock"  # a datagram here tells the fabric that something changed


def run(*command: object, check: bool = True, stdin: str | None = None, cwd: pathlib.Path | None = None) -> str:
    """Run a command and return what it printed; RuntimeError with its last words if it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(words, check=False, input=stdin, text=True, capture_output=True, cwd=cwd)
    if check and done.returncode:
        said = done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}"
        raise RuntimeError(f"{' '.join(words)}: {said}")
    return done.stdout


def ip(*args: object, ns: str | None = None, check: bool = True) -> str:
    return run("ip", *(["-n", ns] if ns else []), *args, check=check)


def ip_json(*args: object, ns: str | None = None) -> list[dict[str, Any]]:
    # "ip -j" prints nothing, or an empty object, where there is nothing to show.
    return [item for item in json.loads(ip("-j", *args, ns=ns) or "[]") if item]


def nft(rules: str, ns: str | None = None) -> None:
    """Load a ruleset, all of it or nothing."""
    run(*(["ip", "netns", "exec", ns] if ns else []), "nft", "-f", "-", stdin=rules)


def sysctl(ns: str | None, *settings: str) -> None:
    run(*(["ip", "netns", "exec", ns] if ns else []), "sysctl", "-q", "-w", *settings)


def namespaces() -> set[str]:
    return {item["name"] for item in ip_json("netns", "list")}


def links(ns: str | None = None) -> dict[str, dict[str, Any]]:
    return {link["ifname"]: link for link in ip_json("link", "show", ns=ns)}


def wake() -> bool:
    """Tell the fabric that something changed; False if it does not listen."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        with contextlib.suppress(OSError):
            sender.sendto(b".", str(WAKE))
            return True
    return False
