"""The wires: a bridge per network, a veth pair per port.

All bridges, and the outer ends of all veth pairs, are in the namespace `fabric`, so that the host sees none of
them and overlapping addresses do no harm.  The inner end of a port is in the namespace of a machine, a router
or a load balancer.

A network's key is the id of a Neutron network, :data:`sandbox.INTERNET`, or :func:`vrack`.  A port whose id is
a UUID is Neutron's: the fabric filters it, and removes it when Neutron forgets it.  A port with any other id
belongs to whoever plugged it.  Kernel names are short, so they are digests; `ip -d -n fabric link` shows the
key of a bridge and the id of a port as the link's alias.
"""

import contextlib
import fcntl
import hashlib
import os
import uuid
from collections.abc import Iterator

from sandbox import STATE
from sandbox.shell import FABRIC, ip, links, namespaces, sysctl

MACHINE = "machine-"  # namespaces of machines begin so


def vrack(name: str, vlan: int) -> str:
    """The key of VLAN `vlan` of the vRack `name` (pn-...); VLAN 0 is the untagged network."""
    return f"vrack:{name}:{vlan}"


def is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def bridge_name(network: str) -> str:
    return "br-" + _digest(network)


def tap_name(port: str) -> str:
    """The outer end of a port: `tap...` for Neutron's ports, `nic...` for all others."""
    return ("tap" if is_uuid(port) else "nic") + _digest(port)


def mac_address(seed: str) -> str:
    """A stable address, locally administered, for a port that nobody gave one."""
    digest = hashlib.blake2s(seed.encode(), digest_size=5).hexdigest()
    return ":".join(["fe", *(digest[i : i + 2] for i in range(0, 10, 2))])


def ensure_namespace(name: str) -> bool:
    """Make a namespace; False if it was there."""
    if name in namespaces():
        return False
    ip("netns", "add", name)
    ip("link", "set", "lo", "up", ns=name)
    return True


def delete_namespace(name: str) -> None:
    with _lock():
        ip("netns", "del", name, check=False)


def ensure_fabric() -> None:
    if ensure_namespace(FABRIC):
        # Bridged packets must pass the stateful filter of the inet family, too: see openstack/security.py.
        sysctl(
            FABRIC,
            "net/bridge/bridge-nf-call-iptables=1",
            "net/bridge/bridge-nf-call-ip6tables=1",
            "net/ipv6/conf/default/disable_ipv6=1",
        )


def plug(port_id: str, mac: str, network_id: str, mtu: int, ns: str | None, inner: str) -> str:
    """Connect interface `inner` of namespace `ns` (None: this host) to a network; nothing if it is connected.

    Returns the name of the outer end.  Interfaces of machines stay down: the machine brings them up.
    """
    with _lock():
        ensure_fabric()
        bridge, tap = bridge_name(network_id), tap_name(port_id)
        have = links(FABRIC)
        if bridge not in have:
            ip(
                "link",
                "add",
                bridge,
                "mtu",
                mtu,
                "type",
                "bridge",
                "forward_delay",
                0,
                "mcast_snooping",
                0,
                ns=FABRIC,
            )
            ip("link", "set", bridge, "up", "alias", network_id, ns=FABRIC)
        if tap not in have:
            peer = ["peer", "name", inner, "address", mac, "mtu", mtu, "netns", ns or os.getpid()]
            ip("link", "add", tap, "mtu", mtu, "type", "veth", *peer, ns=FABRIC)
            ip("link", "set", tap, "master", bridge, "up", "alias", port_id, ns=FABRIC)
            if ns is None or not ns.startswith(MACHINE):
                ip("link", "set", inner, "up", ns=ns)
        return tap


def unplug(port_id: str) -> None:
    with _lock():
        ip("link", "del", tap_name(port_id), ns=FABRIC, check=False)


def remove_empty_bridge(name: str) -> None:
    with _lock():
        if not any(link.get("master") == name for link in links(FABRIC).values()):
            ip("link", "del", name, ns=FABRIC, check=False)


def _digest(text: str) -> str:
    return text[:11] if is_uuid(text) else hashlib.blake2s(text.encode()).hexdigest()[:11]


@contextlib.contextmanager
def _lock() -> Iterator[None]:
    """Nova's threads, the fabric and the OVHcloud API may plug at the same time."""
    with (STATE / "wires.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
