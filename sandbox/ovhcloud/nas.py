"""A NAS-HA as an NFS server: rpcbind and NFS-Ganesha in a namespace of their own, at the NAS's address.

Partitions are directories; what each may hold is not enforced, and a snapshot is an entry of the API alone.
"""

import contextlib
import ipaddress
import os
import shutil
import signal
import zlib
from pathlib import Path

import jinja2

from sandbox import GATEWAY, INTERNET, NETWORK, STATE, wires
from sandbox.shell import ip, run

from .nasha import BASE
from .proxies import set_addresses
from .store import Object, Store

HOME = STATE / "nas"
PREFIX = "nas-"
MTU = 1500
# rpcbind's lock and socket are at fixed places: each NAS has a /run of its own.
SERVE = """
mount -t tmpfs nas /run
rpcbind -w
exec ganesha.nfsd -f "$PWD/ganesha.conf" -L "$PWD/ganesha.log" -p "$PWD/ganesha.pid"
"""


class Nas:
    """One NAS-HA of the store, and its server."""

    def __init__(self, store: Store, name: str) -> None:
        self.store, self.name = store, name
        self.ns, self.home = PREFIX + name, HOME / name

    def converge(self) -> None:
        """Serve exactly the partitions that there are, to exactly those who may."""
        partitions = self.partitions()
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.home / "data").mkdir(exist_ok=True)
        for left in (self.home / "data").iterdir():
            if left.name not in {partition["name"] for partition in partitions}:
                shutil.rmtree(left)
        for partition in partitions:
            partition["path"].mkdir(exist_ok=True)
        text, file = self.configuration(partitions), self.home / "ganesha.conf"
        changed = not file.exists() or file.read_text() != text
        file.write_text(text)
        pid = self.pid()
        if not partitions:
            self.stop()
        elif pid is None:
            self.start()
        elif changed:
            os.kill(pid, signal.SIGHUP)

    def partitions(self) -> list[Object]:
        """With the number by which clients' file handles name each: it stays the same."""
        found = self.store.children(*BASE, self.name, "partition")
        return [
            {
                "name": name,
                "number": zlib.crc32(name.encode()) % 65535 + 1,
                "path": self.home / "data" / name,
                "accesses": [
                    {"ip": ipaddress.ip_network(access["ip"], strict=False), "type": access["type"]}
                    for access in self.store.children(*BASE, self.name, "partition", name, "access").values()
                ],
            }
            for name in found
        ]

    def configuration(self, partitions: list[Object]) -> str:
        folder = Path(__file__).parent / "templates"
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(folder),
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            autoescape=False,  # noqa: S701 (a configuration file, not a page)
        )
        address = self.store.service(*BASE, self.name)["ip"]
        return environment.get_template("ganesha.conf.j2").render(name=self.name, ip=address, partitions=partitions)

    def start(self) -> None:
        self.stop()
        port = f"{self.name}:internet"
        wires.ensure_namespace(self.ns)
        wires.plug(port, wires.mac_address(port), INTERNET, MTU, self.ns, "internet")
        address = self.store.service(*BASE, self.name)["ip"]
        set_addresses(self.ns, "internet", [f"{address}/{NETWORK.partition('/')[2]}"])
        ip("route", "replace", "default", "via", GATEWAY, ns=self.ns)
        # Without this process's environment: a NAS is no part of the API, and outlives it.
        alone = ["env", "-i", f"PATH={os.environ['PATH']}"]
        run(*alone, "ip", "netns", "exec", self.ns, "sh", "-ec", SERVE, cwd=self.home)

    def stop(self) -> None:
        for pid in ip("netns", "pids", self.ns, check=False).split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)

    def pid(self) -> int | None:
        """The server, if it serves: one of that number, in the NAS's namespace."""
        try:
            pid = int((self.home / "ganesha.pid").read_text())
            own = Path(f"/proc/{pid}/ns/net").samefile(f"/run/netns/{self.ns}")
        except (OSError, ValueError):
            return None
        return pid if own else None
