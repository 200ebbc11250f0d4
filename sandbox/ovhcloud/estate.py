"""The estate: what makes this computer match the account.

A subject is one thing that can be made to match the store: a machine, a load balancer, a NAS, a vRack, a DNS zone, the
additional addresses. To converge it is idempotent, and says nothing of what happened before: the same code carries out
a task, repairs what a crash or a reboot left, and finds nothing to do when all is well.
"""

import threading
import time
from collections import defaultdict

from sandbox import internet

from . import addresses, vps, zones
from .backing import Backing
from .loadbalancer import BASE as BALANCERS
from .nas import Nas
from .nasha import BASE as NAS_HA
from .proxies import Monitor, Proxy
from .public_cloud import PublicCloud
from .servers import Server
from .store import Store
from .tasks import Subject
from .vrack import SERVERS

LOOK_SECONDS = 1.0  # between two looks at what machines have done by themselves


class Estate:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.locks: defaultdict[Subject, threading.Lock] = defaultdict(threading.Lock)

    def converge(self, subject: Subject) -> None:
        """Make one subject match the store; raises what stands in its way."""
        kind, name = subject
        match kind:
            case "machine":
                with self.locks[subject]:
                    Server(self.store, name).converge()
            case "balancer":
                with self.locks[subject]:
                    Proxy(self.store, name).converge()
            case "nas":
                with self.locks[subject]:
                    Nas(self.store, name).converge()
            case "zone":
                with self.locks[subject]:
                    zones.converge(self.store, name)
            case "vrack":
                self.wire()
            case "addresses":
                with self.locks[subject]:
                    addresses.converge(self.store)
                internet.forget_neighbours()
            case _:
                raise ValueError(f"{kind} {name}: no such kind of subject")

    def wire(self) -> None:
        """Plug every server into the vRacks and VLANs that it should be in, and out of all others."""
        for name in self.store.children(*SERVERS):
            Server(self.store, name).plug()

    def watch(self) -> None:
        """Notice what machines do by themselves, for as long as this process lives.

        A server that has been told to make a VLAN is plugged; of a VPS the API shows whether it runs.
        """
        known: dict[str, set[int]] = {}
        while True:
            for name in self.store.children("vps"):
                vps.seen(self.store, name, running=Server(self.store, name).machine.running())
            for name in self.store.children(*SERVERS):
                server = Server(self.store, name)
                if (tagged := server.tagged()) != known.get(name, set()):
                    known[name] = tagged
                    server.plug()
            time.sleep(LOOK_SECONDS)

    def subjects(self) -> list[Subject]:
        """Everything there is, in the order in which a start brings it back."""
        return [
            ("addresses", "additional"),
            *(("zone", name) for name in self.store.children("domain", "zone")),
            *(("balancer", name) for name in self.store.children(BALANCERS)),
            *(("nas", name) for name in self.store.children(*NAS_HA)),
            *(("machine", name) for name in [*self.store.children("vps"), *self.store.children(*SERVERS)]),
        ]


def real(store: Store) -> Backing:
    """Machines, wires and HAProxies on this computer, and the sandbox's OpenStack."""
    from sandbox.openstack.admin import connection

    estate = Estate(store)
    threading.Thread(target=estate.watch, daemon=True).start()
    return Backing(PublicCloud(connection()), Monitor(store), estate)
