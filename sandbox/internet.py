"""The sandbox's Internet: one bridge, and this host's leg on it with the gateway's address.

Machines reach on this host the sandbox's name server, package cache, shelf and edge, and nothing else; there is no
way through to the world behind it: a test must neither depend on it nor touch it.
"""

import ipaddress

from sandbox import GATEWAY, GATEWAY6, INTERNET, NETWORK, NETWORK6, hosting, packages, shelf, wires
from sandbox.shell import ip, nft

DNS_PORT, EDGE_PORT = 53, 443
MTU = 1500
FLUSH = "table ip sandbox\ndelete table ip sandbox\ntable ip6 sandbox\ndelete table ip6 sandbox\n"
PRIVATE = "{ 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 }"  # on the way to nowhere, as on the Internet
# Whatever name server a machine uses, the sandbox's answers.
RULES = f"""\
table ip sandbox {{
    chain names {{
        type nat hook prerouting priority dstnat
        ip daddr {PRIVATE} return
        iifname {INTERNET} ip daddr != {NETWORK} meta l4proto {{ tcp, udp }} th dport {DNS_PORT} dnat to {GATEWAY}
    }}
    chain arriving {{
        type filter hook prerouting priority -50
        iifname != {INTERNET} accept
        ip daddr != {NETWORK} reject with icmp admin-prohibited
    }}
    chain into {{
        type filter hook input priority 0
        iifname != {INTERNET} accept
        ct state established,related accept
        meta l4proto icmp accept
        meta l4proto {{ tcp, udp }} th dport {DNS_PORT} accept
        tcp dport {{ {EDGE_PORT}, {packages.PORT}, {shelf.PORT} }} accept
        ip daddr {hosting.ADDRESSES} tcp dport {hosting.PORT} accept
        reject with icmp admin-prohibited
    }}
}}
table ip6 sandbox {{
    chain into {{
        type filter hook input priority 0
        iifname != {INTERNET} accept
        ct state established,related accept
        meta l4proto icmpv6 accept
        reject with icmpv6 admin-prohibited
    }}
    chain through {{
        type filter hook forward priority 0
        iifname {INTERNET} reject with icmpv6 admin-prohibited
    }}
}}
"""


def up() -> None:
    """Make the bridge, the leg and the rules, or repair them."""
    wires.plug("host", wires.mac_address("host"), INTERNET, MTU, None, INTERNET)
    ip("link", "set", INTERNET, "up")
    prefix = ipaddress.ip_network(NETWORK).prefixlen
    for address in (f"{GATEWAY}/{prefix}", *hosting.addresses()):
        ip("addr", "replace", address, "dev", INTERNET)
    # A host may be without IPv6 altogether; machines then have it among themselves.
    length = ipaddress.ip_network(NETWORK6).prefixlen
    ip("addr", "replace", f"{GATEWAY6}/{length}", "dev", INTERNET, "nodad", check=False)
    nft(FLUSH + RULES)


def down() -> None:
    wires.unplug("host")
    nft(FLUSH)


def forget_neighbours() -> None:
    """Who has an address may have changed."""
    ip("neigh", "flush", "dev", INTERNET)
