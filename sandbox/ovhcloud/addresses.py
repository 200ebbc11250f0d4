"""Where additional addresses are on the Internet's wire: with the service that /ip routes them to, and nobody else.

A machine that configures an address which is routed elsewhere neither gets its traffic nor is believed when it
answers for it; a parked address is nowhere.
"""

from sandbox import INTERNET, wires
from sandbox.shell import FABRIC, nft

from .balancer import INTERNET_LEG
from .loadbalancer import BASE as BALANCERS
from .store import Store

TABLE = "additional"
FLUSH = f"table bridge {TABLE}\ndelete table bridge {TABLE}\n"


def converge(store: Store) -> None:
    """Make the wire match where each block is routed."""
    wires.ensure_fabric()
    nft(FLUSH + rules(store), FABRIC)


def rules(store: Store) -> str:
    """Per block: what is not its service's port may neither use its addresses nor hear of them.

    On every bridge, for no other network has these addresses; a rule cannot ask for the bridge on all kernels.
    """
    lines = []
    for block, found in store.children("ip").items():
        if found["version"] != 4:
            continue
        port = wires.tap_name(port_of(store, found["routedTo"]["serviceName"])) if found["routedTo"] else "nobody"
        for address in ("ip saddr", "arp saddr ip"):
            lines.append(f'{address} {block} iifname != "{port}" drop')
        for address in ("ip daddr", "arp daddr ip"):
            lines.append(f'{address} {block} oifname != "{port}" drop')
    body = "\n        ".join(lines)
    return f"""\
table bridge {TABLE} {{
    chain forward {{
        type filter hook forward priority -10
        {body}
    }}
}}
"""


def port_of(store: Store, service: str) -> str:
    """The id of a service's port on the Internet."""
    inner = INTERNET_LEG if store.get(BALANCERS, service) else "eno1"
    return f"{service}:{inner}@{INTERNET}"
