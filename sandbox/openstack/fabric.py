"""The fabric: makes this host's network what Neutron says it is.

One process.  It reads Neutron's API when something wakes it (shell.wake: the ML2 driver after every change, the
Nova driver after plugging) and every few seconds anyway, and converges: security groups, routers, load
balancers, the host's leg on the Internet.  What it did last is remembered per object, so a pass without changes
costs seven requests and nothing else.

    python -m sandbox.openstack.fabric
"""

import functools
import json
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from typing import Any

import keystoneauth1.exceptions

from sandbox import internet, wires
from sandbox.openstack import admin, balancer, routers, security
from sandbox.openstack.view import Api, View
from sandbox.shell import FABRIC, WAKE, ip, links, namespaces, nft

PERIOD = 5.0  # seconds between two looks without any news
REPAIR = 60.0  # seconds: forget what was applied, apply everything anew
BURST = 0.05  # seconds: changes come in bursts


class Fabric:
    def __init__(self, api: Api) -> None:
        self.api, self.since = api, 0.0
        self.applied: dict[str, str] = {}

    def once(self, name: str, want: Any, apply: Callable[[Any], None]) -> None:
        """Apply what is wanted, unless that was done before."""
        text = json.dumps(want, sort_keys=True)
        if self.applied.get(name) != text:
            self.applied.pop(name, None)
            try:
                apply(want)
                self.applied[name] = text
            except Exception:  # the others must not suffer; tried again next time
                traceback.print_exc()

    def converge(self) -> None:
        if time.monotonic() - self.since > REPAIR:
            self.applied.clear()
            self.since = time.monotonic()
            internet.up()
        # Looked at before Neutron: what appears in between is not swept away.
        old_links, old_namespaces, old_balancers = links(FABRIC), namespaces(), balancer.known()
        view = View(self.api)
        balancers = balancer.wanted(view)
        self.once("security", security.ruleset(view), lambda text: nft(text, FABRIC))
        for router in view.routers:
            ns = routers.PREFIX + router["id"]
            self.once(ns, routers.wanted(router, view), functools.partial(routers.apply, ns))
        for ns, want in balancers.items():
            self.once(ns, want, functools.partial(balancer.apply, ns))
        # A floating IP has moved to another router: the host must ask again who has it.
        moved = sorted((f["floating_ip_address"], str(f["router_id"])) for f in view.floating_ips)
        self.once("floating", moved, lambda _: internet.forget_neighbours())
        self.sweep(view, {*balancers, *(routers.PREFIX + r["id"] for r in view.routers)}, old_links, old_namespaces)
        for name in old_balancers - {ns.removeprefix(balancer.PREFIX) for ns in balancers}:
            balancer.forget(name)

    def sweep(self, view: View, keep: set[str], old_links: Iterable[str], old_namespaces: set[str]) -> None:
        """Remove what stands for a Neutron object that is no more."""
        bridges = {wires.bridge_name(view.key(network)) for network in view.networks}
        taps = {wires.tap_name(port) for port in view.ports}
        for name in old_links:
            if name.startswith("tap") and name not in taps:
                ip("link", "del", name, ns=FABRIC, check=False)
            elif name.startswith("br-") and name not in bridges:
                wires.remove_empty_bridge(name)
        for ns in old_namespaces - keep:
            if ns.startswith(balancer.PREFIX):
                balancer.stop(ns)
            if ns.startswith((routers.PREFIX, balancer.PREFIX)):
                wires.delete_namespace(ns)
                self.applied.pop(ns, None)


def connect() -> Fabric:
    neutron: Any = admin.connection(project="admin").network
    return Fabric(neutron)


def main() -> None:
    WAKE.unlink(missing_ok=True)
    news = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    news.bind(str(WAKE))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    fabric = None
    while True:
        pause = PERIOD
        try:
            fabric = fabric or connect()
            fabric.converge()
        except (ConnectionError, keystoneauth1.exceptions.ConnectFailure) as error:
            print(time.strftime("%T"), f"Neutron is away: {error}", flush=True)
            pause = 1
        except Exception:
            traceback.print_exc()
            pause = 1
            if fabric:
                fabric.applied.clear()
        _wait(news, pause)


def _wait(news: socket.socket, seconds: float) -> None:
    """Until there is news, or that much later."""
    news.settimeout(seconds)
    try:
        news.recv(1)
        time.sleep(BURST)
        news.setblocking(False)
        while news.recv(1):
            pass
    except OSError:
        pass


if __name__ == "__main__":
    main()
