"""Subnets of a private network: by network, and by region, which is the newer way."""

import ipaddress

from .cloud import BASE, region_of
from .errors import ApiError
from .fields import Default, Fields, ListOf, Needed, address, boolean, integer, ipv4_block, text
from .private_network import network_of, network_with
from .routing import Call, route
from .store import Object

SUBNET = Fields(
    dhcp=Default(boolean, False),
    noGateway=Default(boolean, False),
    start=Needed(address),
    end=Needed(address),
    network=Needed(ipv4_block),
    region=Needed(text),
    serviceName=text,
    networkId=text,
)
POOL = Fields(start=Needed(address), end=Needed(address))
SUBNET_V2 = Fields(
    name=text,
    cidr=Needed(ipv4_block),
    ipVersion=Default(integer(4, 4), 4),
    gatewayIp=address,
    enableDhcp=Default(boolean, True),
    enableGatewayIp=Default(boolean, True),
    allocationPools=Default(ListOf(POOL), []),
    dnsNameServers=Default(ListOf(address), []),
    hostRoutes=Default(ListOf(Fields(destination=Needed(ipv4_block), nextHop=Needed(address))), []),
    useDefaultPublicDNSResolver=Default(boolean, True),
)


def add_subnet(
    call: Call,
    project: str,
    number: str,
    openstack_id: str,
    region: str,
    cidr: str,
    pool: tuple[str, str],
    *,
    dhcp: bool,
    gateway: str | None,
    dns: list[str],
) -> Object:
    network = ipaddress.ip_network(cidr)
    for name, value in (("start", pool[0]), ("end", pool[1])):
        if ipaddress.ip_address(value) not in network:
            raise ApiError(400, f"Invalid value for parameter {name}: {value} is not inside {cidr}")
    if int(ipaddress.ip_address(pool[0])) > int(ipaddress.ip_address(pool[1])):
        raise ApiError(400, f"Invalid value for parameter end: {pool[1]} is before {pool[0]}")
    made = call.openstack.create_subnet(openstack_id, cidr, pool, dhcp=dhcp, gateway=gateway, dns=dns)
    return call.store.put(
        {
            "id": made,
            "cidr": cidr,
            "gatewayIp": gateway,
            "ipPools": [{"network": cidr, "region": region, "dhcp": dhcp, "start": pool[0], "end": pool[1]}],
        },
        *BASE,
        project,
        "network",
        number,
        "subnet",
        made,
    )


@route("GET", "/cloud/project/{project}/network/private/{network}/subnet")
def subnets(call: Call, project: str, network: str) -> list[Object]:
    network_of(call, project, network)
    return list(call.store.children(*BASE, project, "network", network, "subnet").values())


@route("POST", "/cloud/project/{project}/network/private/{network}/subnet")
def subnet_create(call: Call, project: str, network: str) -> Object:
    """The gateway, where one is wanted, has the first address."""
    found = network_of(call, project, network)
    body = SUBNET.read(call.body)
    region = next((part for part in found["regions"] if part["region"] == body["region"]), None)
    if not region or region["status"] != "ACTIVE":
        raise ApiError(400, f"Network {network} is not active in region {body['region']}")
    gateway = None if body["noGateway"] else str(ipaddress.ip_network(body["network"])[1])
    return add_subnet(
        call,
        project,
        network,
        region["openstackId"],
        region["region"],
        body["network"],
        (body["start"], body["end"]),
        dhcp=body["dhcp"],
        gateway=gateway,
        dns=[],
    )


@route("DELETE", "/cloud/project/{project}/network/private/{network}/subnet/{subnet}")
def subnet_delete(call: Call, project: str, network: str, subnet: str) -> None:
    network_of(call, project, network)
    call.store.need("subnetId", *BASE, project, "network", network, "subnet", subnet)
    for gateway in call.store.children(*BASE, project, "gateway").values():
        if any(part["subnetId"] == subnet for part in gateway["interfaces"]):
            raise ApiError(400, "This subnet is still used by a gateway")
    call.openstack.delete_subnet(subnet)
    call.store.delete(*BASE, project, "network", network, "subnet", subnet)


# By region


def subnet_v2(found: Object) -> Object:
    pool = found["ipPools"][0]
    return {
        "id": found["id"],
        "name": found.get("name") or "",
        "cidr": found["cidr"],
        "ipVersion": 4,
        "gatewayIp": found["gatewayIp"],
        "dhcpEnabled": pool["dhcp"],
        "dnsNameServers": found.get("dns", []),
        "allocationPools": [{"start": pool["start"], "end": pool["end"]}],
        "hostRoutes": [],
    }


@route("GET", "/cloud/project/{project}/region/{region}/network/{openstack_id}/subnet")
def region_subnets(call: Call, project: str, region: str, openstack_id: str) -> list[Object]:
    region_of(call, project, region)
    number = network_with(call.store, project, openstack_id)["id"]
    return [
        subnet_v2(found)
        for found in call.store.children(*BASE, project, "network", number, "subnet").values()
        if found["ipPools"][0]["region"] == region
    ]


@route("POST", "/cloud/project/{project}/region/{region}/network/{openstack_id}/subnet")
def region_subnet_create(call: Call, project: str, region: str, openstack_id: str) -> Object:
    region_of(call, project, region)
    body = SUBNET_V2.read(call.body)
    number = network_with(call.store, project, openstack_id)["id"]
    network = ipaddress.ip_network(body["cidr"])
    if body["hostRoutes"]:
        raise ApiError(400, "Invalid value for parameter hostRoutes: machines of this sandbox take none from a subnet")
    if len(body["allocationPools"]) > 1:
        raise ApiError(400, "Invalid value for parameter allocationPools: one pool is all a subnet can have here")
    gateway = (body["gatewayIp"] or str(network[1])) if body["enableGatewayIp"] else None
    given = body["allocationPools"] or [{"start": str(network[2]), "end": str(network[-2])}]
    found = add_subnet(
        call,
        project,
        number,
        openstack_id,
        region,
        body["cidr"],
        (given[0]["start"], given[0]["end"]),
        dhcp=body["enableDhcp"],
        gateway=gateway,
        dns=body["dnsNameServers"],
    )
    kept = {**found, "name": body["name"], "dns": body["dnsNameServers"]}
    return subnet_v2(call.store.put(kept, *BASE, project, "network", number, "subnet", found["id"]))


@route("GET", "/cloud/project/{project}/region/{region}/network/{openstack_id}/subnet/{subnet}")
def region_subnet_info(call: Call, project: str, region: str, openstack_id: str, subnet: str) -> Object:
    region_of(call, project, region)
    number = network_with(call.store, project, openstack_id)["id"]
    return subnet_v2(call.store.need("subnetId", *BASE, project, "network", number, "subnet", subnet))


@route("DELETE", "/cloud/project/{project}/region/{region}/network/{openstack_id}/subnet/{subnet}")
def region_subnet_delete(call: Call, project: str, region: str, openstack_id: str, subnet: str) -> None:
    region_of(call, project, region)
    subnet_delete(call, project, network_with(call.store, project, openstack_id)["id"], subnet)
