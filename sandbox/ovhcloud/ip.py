"""/ip: additional addresses: where they are routed, moves, reverses, the edge firewall.

A block is on the wire where it is routed, and nowhere else (addresses.py); reverses and the edge firewall are records,
which filters nothing.
"""

import ipaddress
from collections.abc import Iterator

from .errors import ApiError, no_service
from .fields import Fields, Needed, address, boolean, text
from .routing import Call, route, seed
from .store import Object, Store, iam, now
from .tasks import effect

SERVICES = (("dedicated", "server"), ("vps",), ("ipLoadbalancing",), ("cloud", "project"), ("vrack",))
RUNNING = ("init", "todo", "doing")


@seed
def owned(store: Store, account: Object) -> None:
    for block, given in account["ip_blocks"].items():
        if store.get("ip", block) is None:
            store.put(
                {
                    "ip": block,
                    "type": "failover",
                    "country": given.get("country", "fr"),
                    "description": None,
                    "organisationId": None,
                    "canBeTerminated": True,
                    "isAdditionalIp": True,
                    "version": 4,
                    "campus": None,
                    "rir": None,
                    "regions": [],
                    "bringYourOwnIp": False,
                    "routedTo": {"serviceName": given["routed_to"]} if given.get("routed_to") else None,
                    "iam": iam("ip", block),
                },
                "ip",
                block,
            )


def block_of(call: Call, block: str) -> tuple[str, Object]:
    """A block by any of the names the API takes for a single address: with /32 or without."""
    for name in (block, block.removesuffix("/32"), block + "/32"):
        if found := call.store.get("ip", name):
            return name, found
    raise no_service()


def member(call: Call, block: str, value: str) -> str:
    """The block, once `value` was found to be one of its addresses."""
    name, _ = block_of(call, block)
    if ipaddress.ip_address(value) not in ipaddress.ip_network(name):
        raise ApiError(400, f"{value} is not part of {block}")
    return name


@route("GET", "/ip")
def blocks(call: Call) -> list[str]:
    return list(call.store.children("ip"))


@route("GET", "/ip/{block}")
def info(call: Call, block: str) -> Object:
    return block_of(call, block)[1]


@route("PUT", "/ip/{block}")
def change(call: Call, block: str) -> None:
    name, _ = block_of(call, block)
    call.store.merge(Fields(description=text).read(call.body, update=True), "ip", name)


# Moves


def destinations(call: Call) -> Iterator[str]:
    """The services which can hold a block."""
    for path in SERVICES:
        yield from call.store.children(*path)


def begin(call: Call, name: str, function: str, destination: Object | None) -> Object:
    if any(found["status"] in RUNNING for found in call.store.children("ip", name, "task").values()):
        raise ApiError(409, "A task is already running on this block")
    number = call.store.next_id()
    body = {
        "taskId": number,
        "function": function,
        "comment": None,
        "startDate": now(),
        "lastUpdate": now(),
        "doneDate": None,
        "destination": destination,
    }
    return call.tasks.start(
        ["ip", name, "task", number],
        body,
        states=(*RUNNING, "done"),
        then=moved,
        args=(name, destination),
        subjects=[("addresses", "additional")],
        failure="ovhError",
        done_date="doneDate",
    )


@effect
def moved(store: Store, name: str, destination: Object | None) -> None:
    store.merge({"routedTo": destination}, "ip", name)


@route("POST", "/ip/{block}/move")
def move(call: Call, block: str) -> Object:
    name, found = block_of(call, block)
    to = Fields(to=Needed(text), nexthop=text).read(call.body)["to"]
    if to not in destinations(call):
        raise ApiError(400, f"Destination service {to} does not exist")
    if (found["routedTo"] or {}).get("serviceName") == to:
        raise ApiError(400, f"This block is already routed to {to}")
    return begin(call, name, "genericMoveFloatingIp", {"serviceName": to})


@route("POST", "/ip/{block}/park")
def park(call: Call, block: str) -> Object:
    name, found = block_of(call, block)
    if not found["routedTo"]:
        raise ApiError(400, "This block is already parked")
    return begin(call, name, "genericMoveFloatingIp", None)


@route("GET", "/ip/{block}/task")
def tasks(call: Call, block: str) -> list[int]:
    name, _ = block_of(call, block)
    return [found["taskId"] for found in call.store.children("ip", name, "task").values()]


@route("GET", "/ip/{block}/task/{number:int}")
def task(call: Call, block: str, number: int) -> Object:
    return call.store.need("taskId", "ip", block_of(call, block)[0], "task", number)


# Reverses


@route("GET", "/ip/{block}/reverse")
def reverses(call: Call, block: str) -> list[str]:
    return list(call.store.children("ip", block_of(call, block)[0], "reverse"))


@route("POST", "/ip/{block}/reverse")
def reverse_create(call: Call, block: str) -> Object:
    body = Fields(ipReverse=Needed(address), reverse=Needed(text)).read(call.body)
    name = member(call, block, body["ipReverse"])
    if not body["reverse"].endswith("."):
        body["reverse"] += "."
    return call.store.put(body, "ip", name, "reverse", body["ipReverse"])


@route("GET", "/ip/{block}/reverse/{value}")
def reverse(call: Call, block: str, value: str) -> Object:
    return call.store.need("ipReverse", "ip", block_of(call, block)[0], "reverse", value)


@route("DELETE", "/ip/{block}/reverse/{value}")
def reverse_delete(call: Call, block: str, value: str) -> None:
    reverse(call, block, value)
    call.store.delete("ip", block_of(call, block)[0], "reverse", value)


# Edge firewall: states move by themselves

PENDING = ("enableFirewallPending", "ok")


@route("POST", "/ip/{block}/firewall")
def firewall_create(call: Call, block: str) -> Object:
    value = Fields(ipOnFirewall=Needed(address), enabled=boolean).read(call.body)["ipOnFirewall"]
    name = member(call, block, value)
    if call.store.get("ip", name, "firewall", value):
        raise ApiError(409, f"{value} is already on the firewall")
    return call.tasks.start(
        ["ip", name, "firewall", value], {"ipOnFirewall": value, "enabled": False}, states=PENDING, field="state"
    )


@route("GET", "/ip/{block}/firewall")
def firewalls(call: Call, block: str) -> list[str]:
    return list(call.store.children("ip", block_of(call, block)[0], "firewall"))


@route("GET", "/ip/{block}/firewall/{value}")
def firewall(call: Call, block: str, value: str) -> Object:
    return call.store.need("ipOnFirewall", "ip", block_of(call, block)[0], "firewall", value)


@route("PUT", "/ip/{block}/firewall/{value}")
def firewall_change(call: Call, block: str, value: str) -> None:
    found = firewall(call, block, value)
    if found["state"] != "ok":
        raise ApiError(409, "A change is already running on this firewall")
    body = {**found, **Fields(enabled=Needed(boolean)).read(call.body)}
    call.tasks.start(["ip", block_of(call, block)[0], "firewall", value], body, states=PENDING, field="state")


@route("DELETE", "/ip/{block}/firewall/{value}")
def firewall_delete(call: Call, block: str, value: str) -> None:
    firewall(call, block, value)
    call.store.delete("ip", block_of(call, block)[0], "firewall", value)
