"""/vrack: what is attached to each private network, through tasks that vanish when they end."""

import ipaddress
from collections.abc import Callable

from .errors import ApiError, not_found
from .fields import Fields, Needed, block, text
from .routing import Call, route, seed
from .store import Object, Store, iam, now
from .tasks import Effect, effect

BASE = "vrack"
SERVERS = ("dedicated", "server")


@seed
def owned(store: Store, account: Object) -> None:
    for name, given in account["vracks"].items():
        if store.get(BASE, name) is None:
            store.put(
                {
                    "name": given.get("name", name),
                    "description": given.get("description", ""),
                    "iam": iam("vrack", name),
                },
                BASE,
                name,
            )


@route("GET", "/vrack")
def vracks(call: Call) -> list[str]:
    return list(call.store.children(BASE))


@route("GET", "/vrack/{vrack}")
def info(call: Call, vrack: str) -> Object:
    return call.store.service(BASE, vrack)


@route("PUT", "/vrack/{vrack}")
def change(call: Call, vrack: str) -> Object:
    call.store.service(BASE, vrack)
    return call.store.merge(Fields(name=text, description=text).read(call.body, update=True), BASE, vrack)


@route("GET", "/vrack/{vrack}/task")
def tasks(call: Call, vrack: str) -> list[int]:
    call.store.service(BASE, vrack)
    return [found["id"] for found in call.store.children(BASE, vrack, "task").values()]


@route("GET", "/vrack/{vrack}/task/{number:int}")
def task(call: Call, vrack: str, number: int) -> Object:
    call.store.service(BASE, vrack)
    return call.store.need("id", BASE, vrack, "task", number)


# What is where


def vrack_of(store: Store, kind: str, target: str) -> str | None:
    """The vRack that a project, a load balancer, an interface or a block is in."""
    return next((name for name in store.children(BASE) if store.get(BASE, name, kind, target)), None)


def server_with(store: Store, interface: str) -> str | None:
    """The dedicated server that an interface belongs to."""
    return next(
        (name for name in store.children(*SERVERS) if store.get(*SERVERS, name, "virtualNetworkInterface", interface)),
        None,
    )


# Attach and detach


def begin(call: Call, vrack: str, function: str, kind: str, target: str, then: Effect, *args: object) -> Object:
    running = {
        found["targetDomain"]: name
        for name in call.store.children(BASE)
        for found in call.store.children(BASE, name, "task").values()
    }
    if target in running:
        raise ApiError(409, f"A task is already running on {target}, in vRack {running[target]}")
    subjects = [("balancer", target)] if kind == "ipLoadbalancing" else []
    number = call.store.next_id()
    body = {
        "id": number,
        "serviceName": vrack,
        "function": function,
        "targetDomain": target,
        "orderId": None,
        "lastUpdate": now(),
        "todoDate": now(),
    }
    return call.tasks.start(
        [BASE, vrack, "task", number],
        body,
        states=("init", "todo", "doing"),
        vanish=True,
        then=then,
        args=(vrack, kind, target, *args),
        subjects=[*subjects, ("vrack", vrack)],
        failure="cancelled",
    )


@effect
def attach(store: Store, vrack: str, kind: str, target: str, body: Object) -> None:
    store.put(body, BASE, vrack, kind, target)
    mark(store, kind, target, vrack)


@effect
def detach(store: Store, vrack: str, kind: str, target: str) -> None:
    store.delete(BASE, vrack, kind, target)
    mark(store, kind, target, None)


def mark(store: Store, kind: str, target: str, vrack: str | None) -> None:
    """Some things name their vRack themselves."""
    if kind == "ipLoadbalancing":
        store.merge({"vrackName": vrack}, "ipLoadbalancing", target)
    if kind == "dedicatedServerInterface":
        store.merge({"vrack": vrack}, *SERVERS, server_with(store, target), "virtualNetworkInterface", target)


Owner = Callable[[Store, str], object]
View = Callable[[str, Object], Object]
Removable = Callable[[Call, str], None]


def removable(_call: Call, _target: str) -> None:
    """Nothing stands in the way of a detachment."""


def link(kind: str, fields: Fields, field: str, owner: Owner, view: View, check: Removable = removable) -> None:
    """Attach, read and detach for one kind of target."""
    noun = kind[0].upper() + kind[1:]

    @route("GET", f"/vrack/{{vrack}}/{kind}")
    def index(call: Call, vrack: str) -> list[str]:
        call.store.service(BASE, vrack)
        return list(call.store.children(BASE, vrack, kind))

    @route("POST", f"/vrack/{{vrack}}/{kind}")
    def create(call: Call, vrack: str) -> Object:
        call.store.service(BASE, vrack)
        body = fields.read(call.body)
        target = body[field]
        if not owner(call.store, target):
            raise not_found(field, target)
        if holder := vrack_of(call.store, kind, target):
            raise ApiError(409, f"{target} is already in vRack {holder}")
        return begin(call, vrack, f"add{noun}ToVrack", kind, target, attach, view(vrack, body))

    @route("GET", f"/vrack/{{vrack}}/{kind}/{{target}}")
    def show(call: Call, vrack: str, target: str) -> Object:
        call.store.service(BASE, vrack)
        return call.store.need(field, BASE, vrack, kind, target)

    @route("DELETE", f"/vrack/{{vrack}}/{kind}/{{target}}")
    def remove(call: Call, vrack: str, target: str) -> Object:
        show(call, vrack, target)
        check(call, target)
        return begin(call, vrack, f"remove{noun}FromVrack", kind, target, detach)


def vrack_interface(store: Store, interface: str) -> bool:
    """Only an interface in a vRack mode can be attached."""
    server = server_with(store, interface)
    found = server and store.get(*SERVERS, server, "virtualNetworkInterface", interface)
    return bool(found and found["mode"].startswith("vrack"))


def without_networks(call: Call, project: str) -> None:
    if call.store.children("cloud", "project", project, "network"):
        raise ApiError(409, f"Project {project} still has private networks in this vRack")


def gateway_of(value: str) -> str:
    """OVHcloud keeps the last usable address of a block for the gateway."""
    network = ipaddress.ip_network(value)
    return str(network[-2] if network.num_addresses > 2 else network[0])


def block_view(_vrack: str, body: Object) -> Object:
    region = body["region"] or "eu-west-rbx"
    return {
        "ip": body["block"],
        "gateway": gateway_of(body["block"]),
        "zone": region.rpartition("-")[2],
        "region": region,
    }


link(
    "cloudProject",
    Fields(project=Needed(text)),
    "project",
    lambda store, project: store.get("cloud", "project", project),
    lambda vrack, body: {"vrack": vrack, **body},
    without_networks,
)
link(
    "dedicatedServerInterface",
    Fields(dedicatedServerInterface=Needed(text)),
    "dedicatedServerInterface",
    vrack_interface,
    lambda vrack, body: {"vrack": vrack, **body},
)
link(
    "ipLoadbalancing",
    Fields(ipLoadbalancing=Needed(text)),
    "ipLoadbalancing",
    lambda store, name: store.get("ipLoadbalancing", name),
    lambda vrack, body: {"vrack": vrack, **body},
)
link("ip", Fields(block=Needed(block), region=text), "block", lambda store, name: store.get("ip", name), block_view)
