"""A running HAProxy per IP Load Balancing, in a namespace of its own with a leg on the Internet and one per network.

Reloading is hitless: the new process takes the listening sockets over from the old one, which finishes its
connections. A configuration that HAProxy refuses leaves the old one in force.
"""

import contextlib
import hashlib
import os
import signal
import socket
from pathlib import Path

from sandbox import GATEWAY, INTERNET, NETWORK, STATE, authority, building, wires
from sandbox.shell import FABRIC, ip, ip_json, links, namespaces, run

from . import balancer
from .loadbalancer import BASE, KINDS
from .store import Object, Store

HOME = STATE / "iplb"
PREFIX = "iplb-"
MTU = 1500


class Proxy:
    """One IP Load Balancing of the store, and its HAProxy."""

    def __init__(self, store: Store, name: str) -> None:
        self.store, self.name = store, name
        self.ns = PREFIX + name.removeprefix("loadbalancer-")[:16]
        self.home = HOME / name

    def converge(self) -> None:
        """Put the applied configuration in force."""
        applied = self.store.need("applied", "sandbox", "applied", self.name)
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        wires.ensure_namespace(self.ns)
        self.plug(applied)
        certificates, chains = self.certificates(applied), self.chains(applied)
        text = balancer.render(applied, certificates, chains)
        if text is None:
            self.stop()
        else:
            self.run(text)
        for file in {*self.home.glob("*.pem"), *self.home.glob("*.chain")}:
            if file.name not in {*certificates.values(), *chains.values()}:
                file.unlink()

    # Files

    def write(self, name: str, text: str) -> str:
        """A file that only root reads; its name, relative to the balancer's home."""
        building.write(self.home / name, text, 0o600)
        return name

    def certificates(self, applied: Object) -> dict[int | None, str]:
        if not (self.home / "own.pem").exists():
            authority.issue([f"{self.name}.example"], self.home / "own.pem")
        pems = {number: self.store.get("sandbox", "certificate", number) for number in applied["certificates"]}
        return {
            None: "own.pem",
            **{number: self.write(f"{number}.pem", found["pem"]) for number, found in pems.items() if found},
        }

    def chains(self, applied: Object) -> dict[int, str]:
        return {
            found["serverId"]: self.write(f"{found['serverId']}.chain", found["chain"])
            for kind in KINDS
            for farm in applied[kind]["farms"]
            for found in farm["servers"]
            if found["chain"]
        }

    # Wires

    def plug(self, applied: Object) -> None:
        """A leg on the Internet, and one in each of its networks, while it is in a vRack."""
        length = NETWORK.partition("/")[2]
        blocks = {
            block for kind in KINDS for frontend in applied[kind]["frontends"] for block in frontend["dedicatedIpfo"]
        }
        public = [f"{applied['ipv4']}/{length}", *sorted(block.partition("/")[0] + f"/{length}" for block in blocks)]
        wanted = {balancer.INTERNET_LEG: (INTERNET, public)}
        vrack = self.store.service(BASE, self.name)["vrackName"]
        for network in applied["vrackNetworks"] if vrack else []:
            key = wires.vrack(vrack, network["vlan"])
            wanted[balancer.leg(network["vlan"])] = (key, [balancer.nat_address(network)])
        ports = {f"{self.name}:{inner}@{key}": (inner, key) for inner, (key, _) in wanted.items()}
        aliases = {str(link.get("ifalias", "")) for link in links(FABRIC).values()} if FABRIC in namespaces() else set()
        for port in aliases - ports.keys():
            if port.startswith(f"{self.name}:"):
                wires.unplug(port)
        for port, (inner, key) in ports.items():
            wires.plug(port, wires.mac_address(port), key, MTU, self.ns, inner)
            set_addresses(self.ns, inner, wanted[inner][1])
        ip("route", "replace", "default", "via", GATEWAY, ns=self.ns)

    # The process

    def run(self, text: str) -> None:
        """Start HAProxy, or let a new one take over from the old; RuntimeError if it refuses the configuration."""
        digest = hashlib.sha256(text.encode())
        for file in sorted([*self.home.glob("*.pem"), *self.home.glob("*.chain")]):
            digest.update(file.read_bytes())
        mark = self.home / "running"
        old = self.pid()
        if old and mark.exists() and mark.read_text() == digest.hexdigest():
            return
        self.write("haproxy.cfg", text)
        take_over = ["-sf", old, "-x", "haproxy.sock"] if old else []
        # Without this process's environment: a balancer is no part of the API, and outlives it.
        alone = ["env", "-i", f"PATH={os.environ['PATH']}"]
        haproxy = ["haproxy", "-D", "-f", "haproxy.cfg", "-p", "haproxy.pid", *take_over]
        run(*alone, "ip", "netns", "exec", self.ns, *haproxy, cwd=self.home)
        self.write("running", digest.hexdigest())

    def stop(self) -> None:
        """Nothing listens any more; what is under way may finish."""
        if pid := self.pid():
            os.kill(pid, signal.SIGUSR1)
        (self.home / "running").unlink(missing_ok=True)
        (self.home / "haproxy.pid").unlink(missing_ok=True)

    def pid(self) -> int | None:
        """The process that serves, if it does: one of that number, in the balancer's namespace."""
        try:
            pid = int((self.home / "haproxy.pid").read_text().split()[0])
            own = Path(f"/proc/{pid}/ns/net").samefile(f"/run/netns/{self.ns}")
        except (OSError, ValueError, IndexError):
            return None
        return pid if own else None

    def statistics(self) -> str:
        """What HAProxy says of its servers: CSV."""
        folder = os.open(self.home, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with contextlib.closing(socket.socket(socket.AF_UNIX)) as client:
                client.settimeout(5)
                # Through the descriptor: a socket's path may have 107 characters.
                client.connect(f"/proc/self/fd/{folder}/haproxy.sock")
                client.sendall(b"show stat\n")
                return b"".join(iter(lambda: client.recv(65536), b"")).decode()
        finally:
            os.close(folder)


def set_addresses(ns: str, inner: str, wanted: list[str]) -> None:
    have = {
        f"{found['local']}/{found['prefixlen']}"
        for link in ip_json("addr", "show", "dev", inner, ns=ns)
        for found in link["addr_info"]
        if found["scope"] == "global"
    }
    for address in have - set(wanted):
        ip("addr", "del", address, "dev", inner, ns=ns)
    for address in [address for address in wanted if address not in have]:
        ip("addr", "add", address, "dev", inner, ns=ns)


class Monitor(balancer.Monitor):
    """Asks the running HAProxies."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def server_state(self, service: str, server: int) -> list[Object]:
        proxy = Proxy(self.store, service)
        if proxy.pid() is None:
            return []
        try:
            return balancer.read_state(proxy.statistics(), server)
        except OSError:
            return []
