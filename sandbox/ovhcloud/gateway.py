"""Gateways: the routers of private networks, and the operations that make and remove them."""

import uuid
from collections.abc import Sequence

from .cloud import BASE, region_of
from .errors import ApiError
from .fields import Fields, Needed, one_of, text
from .openstack import Gateway
from .private_network import network_with
from .routing import Call, route
from .store import Object, Store, now
from .tasks import Effect, effect

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
