"""/cloud/project: projects, regions, private networks, subnets, gateways, in front of a real OpenStack."""

import ipaddress
import uuid
from collections.abc import Sequence

from .errors import ApiError
from .fields import Default, Fields, ListOf, Needed, address, boolean, integer, ipv4_block, one_of, text
from .openstack import Gateway, Segment
from .routing import Call, route, seed
from .store import Object, Store, iam, now
from .tasks import Effect, effect
from .vrack import vrack_of

BASE = ("cloud", "project")
COMPUTE = ("network", "instance", "volume", "image", "workflow")
STORAGE = ("storage",)


@seed
def owned(store: Store, account: Object) -> None:
    for project, given in account["cloud_projects"].items():
        if store.get(*BASE, project) is None:
            store.put(
                {
                    "project_id": project,
                    "projectName": given.get("name"),
                    "description": given.get("name"),
                    "planCode": "project.2018",
                    "status": "ok",
                    "access": "full",
                    "unleash": False,
                    "orderId": None,
                    "creationDate": "2024-01-01T00:00:00+00:00",
                    "expiration": None,
                    "manualQuota": False,
                    "iam": iam("publicCloudProject", project),
                },
                *BASE,
                project,
            )
            for region in given["regions"]:
                add_region(store, project, region, COMPUTE)
            for region in given["storage_regions"]:
                add_region(store, project, region, STORAGE)


def add_region(store: Store, project: str, region: str, services: tuple[str, ...]) -> None:
    store.put(
        {
            "name": region,
            "type": "region",
            "status": "UP",
            "continentCode": "EU",
            "countryCode": "fr",
            "datacenterLocation": region[:3],
            "ipCountries": [],
            "availabilityZones": [],
            "services": [{"name": service, "status": "UP", "endpoint": ""} for service in services],
        },
        *BASE,
        project,
        "region",
        region,
    )


def region_of(call: Call, project: str, region: str) -> Object:
    call.store.service(*BASE, project)
    found = call.store.get(*BASE, project, "region", region)
    if found is None:
        raise ApiError(404, f"Region {region} not found")
    return found


def has_service(region: Object, name: str) -> bool:
    return any(service["name"] == name for service in region["services"])


def network_region(call: Call, project: str, region: str) -> None:
    if not has_service(region_of(call, project, region), "network"):
        raise ApiError(400, f"Region {region} has no networks: it is for object storage only")


@route("GET", "/cloud/project")
def projects(call: Call) -> list[str]:
    return list(call.store.children(*BASE))


@route("GET", "/cloud/project/{project}")
def info(call: Call, project: str) -> Object:
    return call.store.service(*BASE, project)


@route("PUT", "/cloud/project/{project}")
def change(call: Call, project: str) -> None:
    call.store.service(*BASE, project)
    call.store.merge(Fields(description=text, manualQuota=boolean).read(call.body, update=True), *BASE, project)


@route("GET", "/cloud/project/{project}/region")
def regions(call: Call, project: str) -> list[str]:
    call.store.service(*BASE, project)
    return list(call.store.children(*BASE, project, "region"))


@route("GET", "/cloud/project/{project}/region/{region}")
def region_info(call: Call, project: str, region: str) -> Object:
    return region_of(call, project, region)


@route("GET", "/cloud/project/{project}/vrack")
def project_vrack(call: Call, project: str) -> Object:
    call.store.service(*BASE, project)
    name = vrack_of(call.store, "cloudProject", project)
    if not name:
        raise ApiError(404, "This project is not in a vRack")
    found = call.store.need("vrack", "vrack", name)
    return {"id": name, "name": found["name"], "description": found["description"]}


# Private networks

NETWORK = Fields(name=Needed(text), vlanId=Default(integer(0, 4000), 0), regions=ListOf(text), serviceName=text)


def network_of(call: Call, project: str, network: str) -> Object:
    call.store.service(*BASE, project)
    return call.store.need("networkId", *BASE, project, "network", network)


@route("GET", "/cloud/project/{project}/network/private")
def networks(call: Call, project: str) -> list[Object]:
    call.store.service(*BASE, project)
    return list(call.store.children(*BASE, project, "network").values())


@route("POST", "/cloud/project/{project}/network/private")
def network_create(call: Call, project: str) -> Object:
    """A VLAN of the project's vRack, as one OpenStack network in every region asked for (none: all of them)."""
    call.store.service(*BASE, project)
    body = NETWORK.read(call.body)
    vrack = vrack_of(call.store, "cloudProject", project)
    if not vrack:
        raise ApiError(409, "This project is not attached to a vRack")
    wanted = body["regions"] or [
        name for name, found in call.store.children(*BASE, project, "region").items() if has_service(found, "network")
    ]
    for name in wanted:
        network_region(call, project, name)
    number = f"{vrack}_{body['vlanId']}"
    if call.store.get(*BASE, project, "network", number):
        raise ApiError(409, f"vlanId {body['vlanId']} is already used")
    network = {
        "id": number,
        "name": body["name"],
        "type": "private",
        "vlanId": body["vlanId"],
        "status": "BUILDING",
        "regions": [],
    }
    call.store.put(network, *BASE, project, "network", number)
    for name in dict.fromkeys(wanted):
        network = add_to_region(call, project, network, vrack, name)
    return network


def add_to_region(call: Call, project: str, network: Object, vrack: str, region: str) -> Object:
    """The network, being built in one more region; the vRack's machines see its VLAN before it is active."""
    path = [*BASE, project, "network", network["id"]]
    made = call.openstack.create_network(region, network["name"], Segment(vrack, network["vlanId"]))
    building = {"region": region, "status": "BUILDING", "openstackId": None}
    network = call.store.put({**network, "status": "BUILDING", "regions": [*network["regions"], building]}, *path)
    call.tasks.later(call.tasks.seconds, activate, project, network["id"], region, made)
    call.tasks.settle(path, "status", "ACTIVE", "ERROR", subjects=[("vrack", vrack)])
    return network


@effect
def activate(store: Store, project: str, number: str, region: str, openstack_id: str) -> None:
    found = store.get(*BASE, project, "network", number)
    if found:
        now_active = {"region": region, "status": "ACTIVE", "openstackId": openstack_id}
        store.put(
            {**found, "regions": [now_active if part["region"] == region else part for part in found["regions"]]},
            *BASE,
            project,
            "network",
            number,
        )


@route("GET", "/cloud/project/{project}/network/private/{network}")
def network_info(call: Call, project: str, network: str) -> Object:
    return network_of(call, project, network)


@route("PUT", "/cloud/project/{project}/network/private/{network}")
def network_rename(call: Call, project: str, network: str) -> None:
    network_of(call, project, network)
    call.store.merge(Fields(name=Needed(text)).read(call.body), *BASE, project, "network", network)


@route("DELETE", "/cloud/project/{project}/network/private/{network}")
def network_delete(call: Call, project: str, network: str) -> None:
    found = network_of(call, project, network)
    if call.store.children(*BASE, project, "network", network, "subnet"):
        raise ApiError(409, "This network still has subnets")
    if found["status"] == "BUILDING":
        raise ApiError(409, "This network is still being built")
    for region in found["regions"]:
        call.openstack.delete_network(region["openstackId"])
    wired = [("vrack", network.rpartition("_")[0])]
    call.tasks.start([*BASE, project, "network", network], found, states=("DELETING",), vanish=True, subjects=wired)


@route("POST", "/cloud/project/{project}/network/private/{network}/region")
def network_add_region(call: Call, project: str, network: str) -> Object:
    found = network_of(call, project, network)
    region = Fields(region=Needed(text)).read(call.body)["region"]
    network_region(call, project, region)
    if any(part["region"] == region for part in found["regions"]):
        raise ApiError(409, f"Network already activated in region {region}")
    return add_to_region(call, project, found, network.rpartition("_")[0], region)


@route("DELETE", "/cloud/project/{project}/region/{region}/network/{openstack_id}")
def region_network_delete(call: Call, project: str, region: str, openstack_id: str) -> None:
    region_of(call, project, region)
    found = network_with(call.store, project, openstack_id)
    for subnet in call.store.children(*BASE, project, "network", found["id"], "subnet").values():
        if subnet["ipPools"][0]["region"] == region:
            raise ApiError(409, "This network still has subnets in the region")
    call.openstack.delete_network(openstack_id)
    remaining = [part for part in found["regions"] if part["openstackId"] != openstack_id]
    call.store.put({**found, "regions": remaining}, *BASE, project, "network", found["id"])


def network_with(store: Store, project: str, openstack_id: str) -> Object:
    """The private network which is `openstack_id` in one of its regions."""
    for found in store.children(*BASE, project, "network").values():
        if any(part["openstackId"] == openstack_id for part in found["regions"]):
            return found
    raise ApiError(404, f"Network {openstack_id} not found")


# Subnets

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


# The same by region, the newer way


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


# Gateways and operations

MODELS = ("s", "m", "l", "xl", "2xl")
GATEWAY = Fields(name=Needed(text), model=Needed(one_of(*MODELS)))


def operation(
    call: Call,
    project: str,
    action: str,
    region: str,
    then: Effect,
    args: Sequence[object],
    resource: str | None = None,
) -> Object:
    number = str(uuid.uuid4())
    body = {
        "id": number,
        "action": action,
        "createdAt": now(),
        "startedAt": now(),
        "completedAt": None,
        "progress": 0,
        "regions": [region],
        "resourceId": resource,
        "subOperations": [],
    }
    path = [*BASE, project, "operation", number]
    return call.tasks.start(
        path, body, states=("in-progress", "completed"), then=then, args=(*args, path), done_date="completedAt"
    )


@route("GET", "/cloud/project/{project}/operation/{number}")
def operation_info(call: Call, project: str, number: str) -> Object:
    call.store.service(*BASE, project)
    return call.store.need("operationId", *BASE, project, "operation", number)


@route("POST", "/cloud/project/{project}/region/{region}/network/{network}/subnet/{subnet}/gateway")
def gateway_create(call: Call, project: str, region: str, network: str, subnet: str) -> Object:
    region_of(call, project, region)
    body = GATEWAY.read(call.body)
    number = network_with(call.store, project, network)["id"]
    found = call.store.need("subnetId", *BASE, project, "network", number, "subnet", subnet)
    if not found["gatewayIp"]:
        raise ApiError(400, "This subnet has no gateway address")
    for gateway in call.store.children(*BASE, project, "gateway").values():
        if any(part["subnetId"] == subnet for part in gateway["interfaces"]):
            raise ApiError(409, f"This subnet already has the gateway {gateway['id']}")
    made = call.openstack.create_gateway(subnet, body["name"])
    shown = gateway_view(made, body, region, found["gatewayIp"], network, subnet)
    return operation(call, project, "gateway#create", region, gateway_ready, (project, shown))


def gateway_view(made: Gateway, body: Object, region: str, address: str, network: str, subnet: str) -> Object:
    inside = {"id": made.interface, "ip": address, "networkId": network, "subnetId": subnet}
    outside = {"networkId": made.external_network, "ips": [{"ip": made.external_ip, "subnetId": made.external_subnet}]}
    return {
        "id": made.id,
        "name": body["name"],
        "model": body["model"],
        "region": region,
        "status": "active",
        "externalInformation": outside,
        "interfaces": [inside],
    }


@effect
def gateway_ready(store: Store, project: str, gateway: Object, path: list[object]) -> None:
    store.put(gateway, *BASE, project, "gateway", gateway["id"])
    store.merge({"resourceId": gateway["id"]}, *path)


def gateway_of(call: Call, project: str, region: str, gateway: str) -> Object:
    region_of(call, project, region)
    found = call.store.need("gatewayId", *BASE, project, "gateway", gateway)
    if found["region"] != region:
        raise ApiError(404, f"Gateway {gateway} not found in region {region}")
    return found


@route("GET", "/cloud/project/{project}/region/{region}/gateway")
def gateways(call: Call, project: str, region: str) -> list[Object]:
    region_of(call, project, region)
    return [found for found in call.store.children(*BASE, project, "gateway").values() if found["region"] == region]


@route("GET", "/cloud/project/{project}/region/{region}/gateway/{gateway}")
def gateway_info(call: Call, project: str, region: str, gateway: str) -> Object:
    return gateway_of(call, project, region, gateway)


@route("PUT", "/cloud/project/{project}/region/{region}/gateway/{gateway}")
def gateway_change(call: Call, project: str, region: str, gateway: str) -> Object:
    old = gateway_of(call, project, region, gateway)
    body = GATEWAY.read(call.body, update=True)
    if MODELS.index(body.get("model", old["model"])) < MODELS.index(old["model"]):
        raise ApiError(400, "A gateway cannot become smaller")
    if body.get("name", old["name"]) != old["name"]:
        call.openstack.rename_gateway(gateway, body["name"])
    return call.store.merge(body, *BASE, project, "gateway", gateway)


@route("DELETE", "/cloud/project/{project}/region/{region}/gateway/{gateway}")
def gateway_delete(call: Call, project: str, region: str, gateway: str) -> Object:
    gateway_of(call, project, region, gateway)
    call.openstack.delete_gateway(gateway)
    return operation(call, project, "gateway#delete", region, gateway_gone, (project, gateway), gateway)


@effect
def gateway_gone(store: Store, project: str, gateway: str, _path: list[object]) -> None:
    store.delete(*BASE, project, "gateway", gateway)
