"""Machines made of namespaces: Debian as machines run it, each with its own network, firewall, files and processes.

A box takes bundles as a real machine does, by the real apply program, and runs the real daemons; only systemd is
played, by a short script. When the process that holds a box ends, nothing of it is left.
"""

import os
import shlex
import subprocess
from pathlib import Path
from types import TracebackType

from pulumi_casebook.machines.configuration.component import PROGRAM
from sandbox import REPOSITORY
from tests.debian import ROOT, VIEW
from tests.waiting import until

SYSTEMCTL = Path(__file__).with_name("systemctl.sh")


class Box:
    """One machine. `run` executes in it; `apply` gives it a role."""

    def __init__(self, name: str) -> None:
        assert os.geteuid() == 0, "these tests make namespaces: run them as root"
        self.name, self._plugged = name, 0
        # It lives until it is ended, or the thread that made it. (By setpriv: a preexec_fn forks with gRPC's handlers.)
        holder = "unshare --net --mount --pid --uts --fork --kill-child --mount-proc sleep infinity"
        self._holder = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *holder.split()])
        self._pid = until(lambda: _child(self._holder.pid), f"box {name} has no process")
        until(lambda: self.run("test -e /proc/1/status && ! test -d /proc/2", check=False) == "", f"box {name}")
        view = ["sh", "-c", VIEW, "view", str(ROOT), str(REPOSITORY)]
        subprocess.run(["nsenter", f"--target={self._pid}", "--net", "--mount", "--pid", *view], check=True)
        self.run(f"hostname {name} && mkdir -p /run/lock && ip link set lo up")
        self.run("cat > /usr/local/bin/systemctl && chmod +x /usr/local/bin/systemctl", SYSTEMCTL.read_text())
        self.run(
            "cat > /usr/local/bin/journalctl && chmod +x /usr/local/bin/journalctl", "#!/bin/sh\ntail /run/journal\n"
        )

    def plug(self, other: "Box", address: str) -> None:
        """Put another box, with its address, on the bridge of this one."""
        if not self._plugged:
            self.run("ip link add bridge type bridge && ip link set bridge up")
        self._plugged += 1
        port = f"port{self._plugged}"
        # In this network, but in the host's view of processes, where the other has a number.
        subprocess.run(
            ["nsenter", f"--target={self._pid}", "--net", "ip", "link", "add", port, "master", "bridge", "up",
             "type", "veth", "peer", "name", "eth0", "netns", str(other._pid)], check=True
        )  # fmt: skip
        other.run(f"ip addr add {address}/24 dev eth0 && ip link set eth0 up")

    def run(self, command: str, given: str = "", check: bool = True) -> str:
        """Standard output of a shell command; with `check=False` also of one that failed."""
        done = subprocess.run(
            ["nsenter", f"--target={self._pid}", "--net", "--mount", "--pid", "--uts", "sh", "-c", command],
            input=given, capture_output=True, text=True, check=False, timeout=60,
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"},
        )  # fmt: skip
        assert not check or done.returncode == 0, f"{self.name}: {command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def start(self, command: str) -> None:
        """Leave a command running."""
        self.run(f"setsid sh -c {shlex.quote(command)} >/run/started.log 2>&1 </dev/null &")

    def apply(self, role: str, bundle: str, secrets: str = "") -> str:
        """Give the box a role, as `pulumi up` does; what the apply program says."""
        self.run("cat > /usr/local/sbin/casebook-apply", PROGRAM.read_text())
        if secrets:
            self.run(f"python3 /usr/local/sbin/casebook-apply secrets {role}", secrets)
        return self.run(f"python3 /usr/local/sbin/casebook-apply apply {role} 2>&1", bundle)

    def cut(self) -> None:
        """Take the machine off the network, as if its power had gone."""
        self.run("ip link set eth0 down")

    def __enter__(self) -> "Box":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._holder.kill()
        self._holder.wait()


def _child(pid: int) -> int:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if children else 0
