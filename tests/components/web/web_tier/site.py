"""A small So Foot without its database: what the tests of its tiers declare."""

from collections.abc import Callable
from typing import Any

from pulumi_casebook import (
    AddressPlan,
    Backend,
    BackOffice,
    Certificate,
    DedicatedServer,
    Frontend,
    HaproxyTier,
    Listener,
    LoadBalancerIp,
    VrackNetwork,
    WebTier,
    ssh_key,
)

ADMINS = "198.18.0.1/32"
PLAN = AddressPlan("10.8.0.0/24", office="2/31", haproxy="10/31", web="32/28", balancer="128/28")
NAT = PLAN.range("balancer")


def servers(
    network: VrackNetwork, tier: str, count: int, first: int, plan: AddressPlan = PLAN
) -> list[DedicatedServer]:
    return [
        DedicatedServer(
            f"{tier}-{number}",
            service_name=f"ns{first + number}.ip-198-18-16.eu",
            network=network,
            address=plan.address(tier, number),
            ssh_key=ssh_key(),
            admin_cidrs=[ADMINS],
        )
        for number in range(1, count + 1)
    ]


def site(
    webs: int = 8,
    *,
    balancer: dict[str, Any] | None = None,
    haproxy: dict[str, Any] | None = None,
    backend: dict[str, Any] | None = None,
    web: dict[str, Any] | None = None,
) -> Callable[[], None]:
    """A program: the balancer, two HAProxy, web servers, the back office. The rest goes to the components."""

    def program() -> None:
        network = VrackNetwork("private", vrack="pn-1001", vlan=8, cidr=PLAN.cidr)
        members = servers(network, "haproxy", 2, 100)
        certificate = Certificate("site", names=["www.example.org"])
        office = BackOffice(
            "office",
            machine=servers(network, "office", 1, 300)[0],
            certificate=certificate,
            editors_cidrs=["198.18.127.0/24"],
            network=network,
            title='"So $Foot" \\ <40 journalists>',
        )
        tier = WebTier(
            "web",
            machines=servers(network, "web", webs, 200),
            source=office,
            proxies=members,
            **{"sync_seconds": 1, **(web or {})},
        )
        HaproxyTier(
            "front",
            machines=members,
            **{
                "backends": {"web": Backend(to=tier.service, **(backend or {}))},
                "frontends": {
                    "http": Frontend(port=80, backend="web", proxy_protocol_from=(NAT,)),
                    "https": Frontend(port=443, backend="web", proxy_protocol_from=(NAT,), certificate=certificate),
                },
                "clients": [NAT],
                **(haproxy or {}),
            },
        )
        LoadBalancerIp(
            "lb",
            service_name="loadbalancer-0123",
            network=network,
            **{
                "nat_cidr": NAT,
                "servers": {member.name: member.address for member in members},
                "listeners": [Listener(port=80), Listener(port=443)],
                **(balancer or {}),
            },
        )

    return program
