"""A load balancer's networks: its legs in the VLANs of its vRack."""

import ipaddress

from .errors import ApiError
from .fields import Default, Fields, ListOf, Needed, integer, ipv4_block, text
from .loadbalancer import BASE, KINDS, changed
from .routing import Call, route
from .store import Object

MIN_NAT_IPS = 4
VRACK_NETWORK = Fields(
    subnet=Needed(ipv4_block),
    natIp=Needed(ipv4_block),
    vlan=Default(integer(0, 4094), 0),
    displayName=text,
    farmId=ListOf(integer(1)),
)


def check_network(call: Call, service: str, body: Object) -> None:
    """The NAT range is a part of the subnet, large enough, and meets no other network's."""
    subnet, nat = ipaddress.IPv4Network(body["subnet"]), ipaddress.IPv4Network(body["natIp"])
    if not nat.subnet_of(subnet):
        raise ApiError(400, f"Invalid value for parameter natIp: {nat} is not inside the subnet {subnet}")
    if nat.num_addresses < MIN_NAT_IPS:
        raise ApiError(400, f"Invalid value for parameter natIp: {nat} holds fewer than {MIN_NAT_IPS} addresses")
    for other in call.store.children(BASE, service, "vrack", "network").values():
        if other["vrackNetworkId"] != body.get("vrackNetworkId") and other["vlan"] == body["vlan"]:
            raise ApiError(409, f"VLAN {body['vlan']} is already used by network {other['vrackNetworkId']}")


@route("GET", "/ipLoadbalancing/{service}/vrack/networkCreationRules")
def network_rules(call: Call, service: str) -> Object:
    found = call.store.service(BASE, service)
    used = len(call.store.children(BASE, service, "vrack", "network"))
    return {"vrackName": found["vrackName"], "minNatIps": MIN_NAT_IPS, "remainingNetworks": 12 - used}


@route("GET", "/ipLoadbalancing/{service}/vrack/network")
def networks(call: Call, service: str) -> list[int]:
    call.store.service(BASE, service)
    return [int(number) for number in call.store.children(BASE, service, "vrack", "network")]


@route("POST", "/ipLoadbalancing/{service}/vrack/network")
def network_create(call: Call, service: str) -> Object:
    found = call.store.service(BASE, service)
    body = VRACK_NETWORK.read(call.body)
    del body["farmId"]
    if not found["vrackName"]:
        raise ApiError(409, "This load balancer is not attached to a vRack")
    check_network(call, service, body)
    number = call.store.next_id()
    changed(call.store, service)
    call.store.put({"vrackNetworkId": number, **body}, BASE, service, "vrack", "network", number)
    return network(call, service, number)


@route("GET", "/ipLoadbalancing/{service}/vrack/network/{number:int}")
def network(call: Call, service: str, number: int) -> Object:
    call.store.service(BASE, service)
    found = call.store.need("vrackNetworkId", BASE, service, "vrack", "network", number)
    users = [
        {"type": kind, "id": farm["farmId"]}
        for kind in KINDS
        for farm in call.store.children(BASE, service, kind, "farm").values()
        if farm["vrackNetworkId"] == number
    ]
    return {**found, "farmId": users}


@route("PUT", "/ipLoadbalancing/{service}/vrack/network/{number:int}")
def network_update(call: Call, service: str, number: int) -> Object:
    old = network(call, service, number)
    body = Fields(natIp=ipv4_block, vlan=integer(0, 4094), displayName=text).read(call.body, update=True)
    check_network(call, service, {**old, **body})
    changed(call.store, service)
    call.store.merge(body, BASE, service, "vrack", "network", number)
    return network(call, service, number)


@route("DELETE", "/ipLoadbalancing/{service}/vrack/network/{number:int}")
def network_delete(call: Call, service: str, number: int) -> None:
    for farm in network(call, service, number)["farmId"]:
        raise ApiError(409, f"This network is still used by {farm['type']} farm {farm['id']}")
    changed(call.store, service)
    call.store.delete(BASE, service, "vrack", "network", number)
