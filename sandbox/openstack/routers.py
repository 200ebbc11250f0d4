"""Neutron's routers: a namespace each, with NAT, floating IPs and port forwarding."""

from typing import Any

from sandbox import wires
from sandbox.openstack.view import Thing, View
from sandbox.shell import ip, ip_json, links, nft, sysctl

PREFIX = "qrouter-"  # of their namespaces
OURS = "99"  # the routing protocol's number that marks our routes

Wanted = dict[str, Any]


def wanted(router: Thing, view: View) -> Wanted:
    """What the router's namespace must look like, as plain data."""
    legs, floating = [], []
    for port in view.ports.values():
        owner = port["device_owner"]
        if port["device_id"] != router["id"] or not owner.startswith("network:router_"):
            continue
        outer = owner == "network:router_gateway"
        legs.append(
            {
                "port": port["id"],
                "mac": port["mac_address"],
                "network": view.key(port["network_id"]),
                "mtu": view.mtu(port),
                "outer": outer,
                "inner": ("qg-" if outer else "qr-") + port["id"][:11],
                "addresses": view.addresses(port),
                "gateway": view.gateway(port) if outer else None,
            }
        )
    for f in view.floating_ips:
        if f["router_id"] == router["id"]:
            fields = ("protocol", "external_port", "internal_port", "internal_ip_address")
            forwards = [
                {name: forward[name] for name in fields}
                for forward in view.forwards.get(f["id"], [])
                if forward["external_port"]
            ]
            addresses = {"outside": f["floating_ip_address"], "inside": f["fixed_ip_address"]}
            floating.append({**addresses, "forwards": forwards})
    gateway = router["external_gateway_info"] or {}
    return {
        "up": router["admin_state_up"],
        "legs": sorted(legs, key=lambda leg: str(leg["port"])),
        "floating": sorted(floating, key=lambda f: str(f["outside"])),
        "snat": gateway.get("enable_snat", False),
        "routes": sorted((route["destination"], route["nexthop"]) for route in router["routes"]),
    }


def apply(ns: str, want: Wanted) -> None:
    if wires.ensure_namespace(ns):
        sysctl(ns, "net/ipv6/conf/all/forwarding=1")
    sysctl(ns, f"net/ipv4/ip_forward={int(want['up'])}")
    keep, default, outer = {leg["inner"] for leg in want["legs"]}, None, None
    for name in links(ns):
        if name.startswith(("qr-", "qg-")) and name not in keep:
            ip("link", "del", name, ns=ns)
    for leg in want["legs"]:
        wires.plug(leg["port"], leg["mac"], leg["network"], leg["mtu"], ns, leg["inner"])
        addresses = leg["addresses"]
        if leg["outer"]:
            addresses = addresses + [f"{f['outside']}/32" for f in want["floating"]]
            default, outer = leg["gateway"], leg
        set_addresses(ns, leg["inner"], addresses)
    routes = dict(want["routes"])
    if default:
        routes.setdefault("default", default)
    for route in ip_json("route", "show", "proto", OURS, ns=ns):
        if routes.get(route["dst"]) != route.get("gateway"):
            ip("route", "del", route["dst"], "proto", OURS, ns=ns, check=False)
    for destination, hop in routes.items():
        ip("route", "replace", destination, "via", hop, "proto", OURS, ns=ns, check=False)
    nft(translation(want, outer), ns)


def set_addresses(ns: str, inner: str, addresses: list[str]) -> None:
    have = {
        f"{address['local']}/{address['prefixlen']}"
        for link in ip_json("addr", "show", "dev", inner, ns=ns)
        for address in link["addr_info"]
        if address["scope"] != "link"
    }
    for address in have - set(addresses):
        ip("addr", "del", address, "dev", inner, ns=ns)
    for address in set(addresses) - have:
        ip("addr", "add", address, "dev", inner, *(["nodad"] if ":" in address else []), ns=ns)


def translation(want: Wanted, outer: Wanted | None) -> str:
    """The NAT rules of a router, for nft -f."""
    arriving, leaving = [], []
    for f in want["floating"]:
        if f["inside"] and not f["forwards"]:
            arriving.append(f"ip daddr {f['outside']} dnat to {f['inside']}")
            if outer:
                leaving.append(f"oifname {outer['inner']} ip saddr {f['inside']} snat to {f['outside']}")
        for forward in f["forwards"]:
            arriving.append(
                f"ip daddr {f['outside']} {forward['protocol']} dport {forward['external_port']} "
                f"dnat to {forward['internal_ip_address']}:{forward['internal_port']}"
            )
    own = [address.split("/")[0] for address in (outer["addresses"] if outer else []) if ":" not in address]
    if outer and own:
        # A neighbour that used the floating IP must get its answer through this router.
        leaving.append(f'iifname "qr-*" oifname "qr-*" ct status dnat snat to {own[0]}')
        if want["snat"]:
            leaving.append(f"oifname {outer['inner']} snat to {own[0]}")
    lines = [
        "table ip sandbox",
        "delete table ip sandbox",
        "table ip sandbox {",
        "chain arriving {",
        "type nat hook prerouting priority dstnat",
        *arriving,
        "}",
        "chain leaving {",
        "type nat hook postrouting priority srcnat",
        *leaving,
        "}",
        "}",
    ]
    return "\n".join(lines) + "\n"
