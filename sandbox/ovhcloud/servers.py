"""Dedicated servers and VPS as machines: installing, booting, and the wires they hang on.

A dedicated server's public interface is `eno1`, its vRack interface `eno2`. This kernel makes no VLAN devices, so the
fabric presents them ready-made, as production configuration names them: VLAN `n` of a vRack appears in the server as
`vrack.n` when a private network or a load balancer of that vRack uses it, or the server's own systemd-networkd is told
to make it.
"""

import json
import re
import threading
import time
import uuid
from pathlib import Path
from typing import Any

from sandbox import INTERNET, wires
from sandbox.building import write
from sandbox.machine import Machine
from sandbox.shell import FABRIC, links, namespaces, wake

from . import machines, seed
from .store import Object, Store
from .vrack import SERVERS

MTU = 1500
PLUGGING = threading.Lock()  # what should be plugged must not change between looking and plugging
BOOT_SECONDS = 300  # until its SSH server listens: eight installations at once on two cores take minutes
POWER_OFF_SECONDS = 30
SSH = 22
LISTEN = "0A"  # a socket's state in /proc/net/tcp


class Server:
    """One dedicated server or VPS of the store, and its machine."""

    def __init__(self, store: Store, name: str) -> None:
        self.store, self.name = store, name
        self.is_vps = store.get("vps", name) is not None
        label = name.partition(".")[0]
        self.machine = Machine(label if self.is_vps else f"dedicated-{label}")
        self.identity = str(uuid.uuid5(uuid.NAMESPACE_DNS, name))

    # Wires

    def nic(self) -> seed.PublicNic:
        if self.is_vps:
            detail = self.store.need("vps", "vps", self.name, "detail")
            return seed.PublicNic(detail["mac"], detail["ips"][0])
        public = next(found for found in self.interfaces() if not found["mode"].startswith("vrack"))
        return seed.PublicNic(public["networkInterfaceController"][0], self.store.service(*SERVERS, self.name)["ip"])

    def interfaces(self) -> list[Object]:
        return list(self.store.children(*SERVERS, self.name, "virtualNetworkInterface").values())

    def ports(self) -> dict[str, tuple[str, str, str]]:
        """Id of each port it should have -> (MAC address, network, name inside)."""
        wanted = {"eno1": (self.nic().mac, INTERNET)}
        attached = [found for found in self.interfaces() if found["vrack"]]
        for number, found in enumerate(attached, 2):
            name = found["vrack"]
            wanted[f"eno{number}"] = (found["networkInterfaceController"][0], wires.vrack(name, 0))
            for vlan in sorted({*vlans(self.store, name), *self.tagged()}):
                # An address of its own: cloud-init refuses two interfaces with the same one.
                wanted[f"vrack.{vlan}"] = (wires.mac_address(f"{self.name}:{name}:{vlan}"), wires.vrack(name, vlan))
        return {f"{self.name}:{inner}@{key}": (mac, key, inner) for inner, (mac, key) in wanted.items()}

    def tagged(self) -> set[int]:
        """The VLANs that its own systemd-networkd is to make."""
        found = set()
        for file in (self.machine.root / "etc/systemd/network").glob("*.netdev"):
            if number := re.search(r"^Kind=vlan$.*^Id=(\d+)$", file.read_text(), re.MULTILINE | re.DOTALL):
                found.add(int(number[1]))
        return found

    def plug(self) -> None:
        """Give it exactly the ports it should have, if it is there at all."""
        with PLUGGING:
            if self.machine.ns not in namespaces():
                return
            wanted = self.ports()
            for port in self.plugged() - wanted.keys():
                wires.unplug(port)
            for port, (mac, key, inner) in wanted.items():
                wires.plug(port, mac, key, MTU, self.machine.ns, inner)

    def plugged(self) -> set[str]:
        aliases = {str(link.get("ifalias", "")) for link in links(FABRIC).values()}
        return {alias for alias in aliases if alias.startswith(f"{self.name}:")}

    # Life

    @property
    def _record(self) -> Path:
        return self.machine.dir / "installed.json"

    def installed(self) -> Any:
        """What was last made so: `install` and `boot` of machines.py; {} after nothing, or half of something."""
        try:
            return json.loads(self._record.read_text())
        except (OSError, ValueError):
            return {}

    def note(self, wanted: Object) -> None:
        write(self._record, json.dumps({"install": wanted["install"], "boot": wanted["boot"]}))

    def converge(self) -> None:
        """Make the machine what its record asks for; returns when it has booted, or is off."""
        wanted = machines.machine_of(self.store, self.name)
        if wanted["system"] is None:
            self.remove()
            return
        have = self.installed()
        if have.get("install") != wanted["install"] or not self.machine.exists():
            self.install(wanted)
        elif have.get("boot") != wanted["boot"]:
            self.machine.kill()
            self.note(wanted)
        if not wanted["on"]:
            self.machine.stop(POWER_OFF_SECONDS)
            return
        wires.ensure_namespace(self.machine.ns)
        self.plug()
        self.machine.boot()
        wake()
        self.wait_for_ssh()

    def remove(self) -> None:
        """Off, and its disk empty."""
        if self.machine.dir.exists():
            self.machine.destroy()
        with PLUGGING:
            if self.machine.ns in namespaces():
                for port in self.plugged():
                    wires.unplug(port)
                wires.delete_namespace(self.machine.ns)

    def install(self, wanted: Object) -> None:
        """Wipe it and lay down the system with its config drive."""
        hardware = self.store.need("hardware", "sandbox", "hardware", self.name)
        rootfs = machines.SYSTEMS[wanted["system"]]
        # Another installation is another instance: cloud-init does all of its work again.
        identity = str(uuid.uuid5(uuid.UUID(self.identity), str(wanted["install"])))
        self.machine.create(rootfs, seed.files(identity, wanted, self.nic()), hardware["disk"])
        self.machine.limit(hardware["memory"], hardware["cores"])
        self.note(wanted)

    def wait_for_ssh(self) -> None:
        """Until its SSH server listens; TimeoutError with the console's last words after BOOT_SECONDS."""
        end = time.monotonic() + BOOT_SECONDS
        while not self.listens(SSH):
            if time.monotonic() > end or not self.machine.running():
                words = self.machine.console()[-400:].decode(errors="replace").strip()
                raise TimeoutError(f"{self.name} does not listen for SSH; its console ends: {words}")
            time.sleep(0.25)

    def listens(self, port: int) -> bool:
        """Looked at from outside: the machine's own firewall may refuse a connection from here."""
        leader = self.machine.leader()
        if leader is None:
            return False
        for family in ("tcp", "tcp6"):
            try:
                rows = Path(f"/proc/{leader}/net/{family}").read_text().splitlines()[1:]
            except OSError:
                continue
            if any(row.split()[1].endswith(f":{port:04X}") and row.split()[3] == LISTEN for row in rows):
                return True
        return False


def vlans(store: Store, vrack: str) -> list[int]:
    """The VLANs in use in a vRack, 0 aside: of its projects' private networks and its load balancers' networks."""
    used = set()
    for project in store.children("vrack", vrack, "cloudProject"):
        used |= {
            found["vlanId"]
            for found in store.children("cloud", "project", project, "network").values()
            if found["status"] != "DELETING"
        }
    for balancer in store.children("vrack", vrack, "ipLoadbalancing"):
        applied = store.need("applied", "sandbox", "applied", balancer)["vrackNetworks"]
        declared = store.children("ipLoadbalancing", balancer, "vrack", "network").values()
        used |= {found["vlan"] for found in [*applied, *declared]}
    return sorted(used - {0})
