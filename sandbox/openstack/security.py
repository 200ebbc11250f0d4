"""Neutron's security groups as one nftables ruleset in the fabric's namespace.

The kernels we meet have no connection tracking for bridges, so the work is shared:

- table bridge: the addresses a port may use; every packet gets a mark, "from port << 16 | to port", because only
  here both veths are known;
- table inet (bridge-nf-call-iptables): tracks connections, one zone per network, and runs the rules of both
  ports, found by the mark.

A Neutron port without rules here (it is new) gets nothing through.
"""

import ipaddress
import socket
from collections.abc import Iterable, Mapping

from sandbox.openstack.view import Thing, View
from sandbox.wires import bridge_name, tap_name

TYPES = {"IPv4": ("ipv4", "ip", 4), "IPv6": ("ipv6", "ip6", 6)}
FLUSH = "".join(f"table {t} sandbox\ndelete table {t} sandbox\n" for t in ("bridge", "inet"))
WITH_PORTS = (6, 17, 33, 132, 136)  # TCP, UDP, DCCP, SCTP, UDP-Lite


def is_filtered(port: Thing) -> bool:
    """All but routers and load balancers; also ports that are no machine's yet."""
    return bool(port["port_security_enabled"]) and not port["device_owner"].startswith(("network:", "Octavia"))


def address_set(addresses: Iterable[str], version: int) -> str:
    networks = [ipaddress.ip_network(address, strict=False) for address in addresses]
    if version == 4:
        v4 = [network for network in networks if isinstance(network, ipaddress.IPv4Network)]
        return ", ".join(map(str, ipaddress.collapse_addresses(v4)))
    v6 = [network for network in networks if isinstance(network, ipaddress.IPv6Network)]
    return ", ".join(map(str, ipaddress.collapse_addresses(v6)))


def port_addresses(port: Thing) -> list[str]:
    pairs = port.get("allowed_address_pairs") or []
    return [item["ip_address"] for item in [*port["fixed_ips"], *pairs]]


def protocol_number(name: str | None) -> int | None:
    """None: any protocol."""
    if name in (None, "any", "0", "-1"):
        return None
    if name in ("icmpv6", "ipv6-icmp"):
        return 58
    if name == "vrrp":
        return 112
    return int(name) if str(name).isdigit() else socket.getprotobyname(str(name))


def match(rule: Thing, members: Mapping[str, list[str]]) -> str | None:
    """The rule as an nft match; None if it cannot match anything."""
    family, header, version = TYPES[rule["ethertype"]]
    peer = "saddr" if rule["direction"] == "ingress" else "daddr"
    parts = [f"meta nfproto {family}"]
    if rule.get("remote_ip_prefix"):
        parts.append(f"{header} {peer} {rule['remote_ip_prefix']}")
    group = rule.get("remote_group_id") or rule.get("remote_address_group_id")
    if group:
        addresses = address_set(members.get(group, []), version)
        if not addresses:
            return None
        parts.append(f"{header} {peer} {{ {addresses} }}")
    number = protocol_number(rule.get("protocol"))
    low, high = rule.get("port_range_min"), rule.get("port_range_max")
    if number is not None:
        parts.append(f"meta l4proto {number}")
        if number in WITH_PORTS and low is not None:
            parts.append(f"th dport {low}" if low == high else f"th dport {low}-{high}")
        elif number in (1, 58) and low is not None:
            name = "icmp" if number == 1 else "icmpv6"
            parts.append(f"{name} type {low}")
            if high is not None:
                parts.append(f"{name} code {high}")
    return " ".join(parts)


def spoof_chain(number: int, port: Thing) -> list[str]:
    pairs = port.get("allowed_address_pairs") or []
    macs = sorted({port["mac_address"], *(pair["mac_address"] for pair in pairs)})
    v4 = address_set([*port_addresses(port), "0.0.0.0"], 4)  # noqa: S104 - who has no address yet
    v6 = address_set([*port_addresses(port), "fe80::/10", "::"], 6)
    return [
        f"chain from_{number} {{",
        f"  ether saddr != {{ {', '.join(macs)} }} drop",
        f"  ether type arp arp saddr ip != {{ {v4} }} drop",
        f"  ether type ip ip saddr != {{ {v4} }} drop",
        f"  ether type ip6 ip6 saddr != {{ {v6} }} drop",
        "}",
    ]


def rule_chain(name: str, rules: Iterable[Thing], members: Mapping[str, list[str]]) -> list[str]:
    found = sorted({text for rule in rules if (text := match(rule, members))})
    neighbours = "  icmpv6 type { 130-136, 143 } return"
    return [f"chain {name} {{", neighbours, *(f"  {text} return" for text in found), "  drop", "}"]


def ruleset(view: View) -> str:
    """The text for nft -f: replaces both tables at once."""
    rules = {group["id"]: group["security_group_rules"] for group in view.security_groups}
    members = {group["id"]: list(group["addresses"]) for group in view.address_groups}
    ports = [view.ports[port_id] for port_id in sorted(view.ports)]
    for port in ports:
        for group in port["security_groups"]:
            members.setdefault(group, []).extend(port_addresses(port))
    filtered = [(number, port) for number, port in enumerate(ports, 1) if is_filtered(port)]
    bridge: list[str] = []
    inet: list[str] = []
    for number, port in filtered:
        mine = [rule for group in port["security_groups"] for rule in rules.get(group, [])]
        bridge += spoof_chain(number, port)
        for direction in ("egress", "ingress"):
            some = [rule for rule in mine if rule["direction"] == direction]
            inet += rule_chain(f"{direction}_{number}", some, members)
    zones = sorted({bridge_name(view.key(network)) for network in view.networks})
    if zones:
        table = _map((f'"{name}"', str(number)) for number, name in enumerate(zones, 1))
        inet += [
            "chain zones {",
            "type filter hook prerouting priority -300",
            f"ct zone set iifname map {table}",
            "}",
        ]
    bridge += _bridge_forward(filtered, [tap_name(port["id"]) for port in ports])
    inet += _inet_forward(filtered)
    return FLUSH + "\n".join(["table bridge sandbox {", *bridge, "}", "table inet sandbox {", *inet, "}", ""])


def _bridge_forward(filtered: list[tuple[int, Thing]], known: list[str]) -> list[str]:
    lines = ["chain forward {", "type filter hook forward priority -200"]
    # A Neutron port that is not in this ruleset yet: nothing passes.
    names = ", ".join(f'"{name}"' for name in sorted(known))
    for direction in ("iifname", "oifname"):
        unknown = f"{direction} != {{ {names} }} " if known else ""
        lines.append(f'{direction} "tap*" {unknown}drop')
    taps = [(number, tap_name(port["id"])) for number, port in filtered]
    if taps:
        jumps = _map((f'"{tap}"', f"jump from_{number}") for number, tap in taps)
        marks = _map((f'"{tap}"', str(number << 16)) for number, tap in taps)
        lines += [f"iifname vmap {jumps}", f"meta mark set iifname map {marks}"]
        lines += [f'oifname "{tap}" meta mark set meta mark or {number}' for number, tap in taps]
    return [*lines, "}"]


def _inet_forward(filtered: list[tuple[int, Thing]]) -> list[str]:
    lines = ["chain forward {", "type filter hook forward priority 0"]
    # Between two ports that nobody filters.
    lines += ["meta mark 0 accept", "ct state established,related accept", "ct state invalid drop"]
    if filtered:
        out = _map((str(number << 16), f"jump egress_{number}") for number, _ in filtered)
        into = _map((str(number), f"jump ingress_{number}") for number, _ in filtered)
        lines += [f"meta mark and 0xffff0000 vmap {out}", f"meta mark and 0x0000ffff vmap {into}"]
    return [*lines, "}"]


def _map(pairs: Iterable[tuple[str, str]]) -> str:
    return "{ " + ", ".join(f"{key} : {value}" for key, value in pairs) + " }"
