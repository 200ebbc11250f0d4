"""/ipLoadbalancing: what is declared of an IP Load Balancing, and what is in force since the last refresh.

Every change is only declared, and counted in `pendingChanges`, until POST refresh puts the whole configuration in
force: `sandbox/applied/NAME` in the store, which is all that the balancer's HAProxy is ever rendered from.
"""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .errors import ApiError
from .fields import Default, Fields, ListOf, Needed, block, boolean, integer, ipv4, ipv4_block, one_of, text
from .routing import Call, route, seed
from .store import Object, Store, iam, now
from .tasks import effect

BASE = "ipLoadbalancing"
KINDS = ("http", "tcp")
PORT = integer(1, 65535)
MIN_NAT_IPS = 4
PROBE = Fields(
    type=Needed(one_of("http", "internal", "mysql", "oco", "pgsql", "smtp", "tcp")),
    port=PORT,
    interval=Default(integer(30, 3600), 30),
    match=one_of("contains", "default", "internal", "matches", "status"),
    pattern=text,
    negate=Default(boolean, False),
    url=text,
    forceSsl=Default(boolean, False),
    method=one_of("GET", "HEAD", "OPTIONS", "internal"),
)


def farm_fields(balances: tuple[str, ...], stickiness: tuple[str, ...]) -> Fields:
    return Fields(
        balance=one_of(*balances),
        displayName=text,
        port=PORT,
        probe=PROBE,
        stickiness=one_of(*stickiness),
        vrackNetworkId=integer(1),
        zone=Needed(text),
    )


FARM = {
    "http": farm_fields(("first", "leastconn", "roundrobin", "source", "uri"), ("sourceIp", "cookie")),
    "tcp": farm_fields(("first", "leastconn", "roundrobin", "source"), ("sourceIp",)),
}
_SERVER: dict[str, Any] = {
    "address": Needed(ipv4),
    "backup": Default(boolean, False),
    "chain": text,
    "displayName": text,
    "onMarkedDown": one_of("shutdown-sessions"),
    "port": PORT,
    "probe": Default(boolean, False),
    "proxyProtocolVersion": one_of("v1", "v2", "v2-ssl", "v2-ssl-cn"),
    "ssl": Default(boolean, False),
    "status": Needed(one_of("active", "inactive")),
    "weight": Default(integer(0, 256), 1),
}
SERVER = {"http": Fields(**_SERVER, cookie=text), "tcp": Fields(**_SERVER)}
_FRONTEND: dict[str, Any] = {
    "port": Needed(text),
    "zone": Needed(text),
    "allowedSource": Default(ListOf(block), []),
    "deniedSource": Default(ListOf(block), []),
    "dedicatedIpfo": Default(ListOf(block), []),
    "defaultFarmId": integer(1),
    "defaultSslId": integer(1),
    "disabled": Default(boolean, False),
    "ssl": Default(boolean, False),
    "displayName": text,
}
FRONTEND = {
    "http": Fields(
        **_FRONTEND, hsts=Default(boolean, False), redirectLocation=text, httpHeader=Default(ListOf(text), [])
    ),
    "tcp": Fields(**_FRONTEND),
}
_ROUTE: dict[str, Any] = {"displayName": text, "frontendId": integer(1), "weight": Default(integer(0, 255), 0)}
ROUTE = {
    "http": Fields(
        **_ROUTE,
        action=Needed(Fields(type=Needed(one_of("farm", "redirect", "reject")), target=text, status=integer(300, 599))),
    ),
    "tcp": Fields(**_ROUTE, action=Needed(Fields(type=Needed(one_of("farm", "reject")), target=text))),
}
RULE = Fields(
    field=Needed(text),
    negate=Default(boolean, False),
    pattern=text,
    subField=text,
    displayName=text,
    match=Needed(one_of("contains", "endswith", "exists", "in", "internal", "is", "matches", "startswith")),
)
TOKEN = re.compile(r"[A-Za-z0-9!#$&'*+.^_`|~-]+")
HEADER = re.compile(r"[A-Za-z0-9!#$&'*+.^_`|~-]+:[^\x00-\x1f\x7f]*")
REDIRECTIONS = (301, 302, 303, 307, 308)
RULE_FIELDS = {
    "http": ("cookie", "header", "host", "method", "protocol", "query", "source", "uri"),
    "tcp": ("protocol", "sni", "source"),
}
VRACK_NETWORK = Fields(
    subnet=Needed(ipv4_block),
    natIp=Needed(ipv4_block),
    vlan=Default(integer(0, 4094), 0),
    displayName=text,
    farmId=ListOf(integer(1)),
)


@seed
def owned(store: Store, account: Object) -> None:
    for name, given in account["load_balancers"].items():
        if store.get(BASE, name) is None:
            store.put(
                {
                    "serviceName": name,
                    "ipLoadbalancing": given["ipv4"],
                    "ipv4": given["ipv4"],
                    "ipv6": None,
                    "displayName": given.get("display_name", name),
                    "offer": "lb1",
                    "zone": given["zones"],
                    "orderableZone": [],
                    "state": "ok",
                    "sslConfiguration": None,
                    "vrackEligibility": True,
                    "vrackName": None,
                    "metricsToken": None,
                    "iam": iam("loadbalancer", name),
                },
                BASE,
                name,
            )
            store.put(declared_configuration(store, name), "sandbox", "applied", name)


def changed(store: Store, service: str, zone: str | None = None) -> None:
    """Note that the declared configuration has moved away from the applied one."""
    zones = store.need("serviceName", BASE, service)["zone"] if zone in (None, "all") else [zone]
    pending = store.get("sandbox", "pending", service) or {}
    store.put({**pending, **{z: pending.get(z, 0) + 1 for z in zones}}, "sandbox", "pending", service)


def declared_configuration(store: Store, service: str) -> Object:
    """The whole declared configuration as data, ready for a proxy to put in force. Certificates go by their id."""

    def listed(*path: object) -> list[Object]:
        return list(store.children(BASE, service, *path).values())

    def of_kind(kind: str) -> Object:
        return {
            "frontends": listed(kind, "frontend"),
            "farms": [
                {**farm, "servers": listed(kind, "farm", farm["farmId"], "server")} for farm in listed(kind, "farm")
            ],
            "routes": [
                {**found, "rules": listed(kind, "route", found["routeId"], "rule")} for found in listed(kind, "route")
            ],
        }

    owner = store.need("serviceName", BASE, service)
    return {
        "serviceName": service,
        "ipv4": owner["ipv4"],
        "sslConfiguration": owner["sslConfiguration"],
        "vrackNetworks": listed("vrack", "network"),
        "certificates": [found["id"] for found in listed("ssl")],
        **{kind: of_kind(kind) for kind in KINDS},
    }


# The service


@route("GET", "/ipLoadbalancing")
def services(call: Call) -> list[str]:
    return list(call.store.children(BASE))


@route("GET", "/ipLoadbalancing/{service}")
def service_info(call: Call, service: str) -> Object:
    return call.store.service(BASE, service)


@route("PUT", "/ipLoadbalancing/{service}")
def service_update(call: Call, service: str) -> None:
    call.store.service(BASE, service)
    changes = Fields(displayName=text, sslConfiguration=one_of("intermediate", "modern")).read(call.body, update=True)
    call.store.merge(changes, BASE, service)
    if "sslConfiguration" in changes:
        changed(call.store, service)


@route("GET", "/ipLoadbalancing/{service}/natIp")
def nat_ips(call: Call, service: str) -> list[Object]:
    """The addresses that servers see when they are reached over the Internet: here the balancer's own."""
    found = call.store.service(BASE, service)
    return [{"zone": zone, "ip": [found["ipv4"] + "/32"]} for zone in found["zone"]]


# Farms, frontends, routes, and what lives below them

Check = Callable[[Call, str, str, Object], None]
Delete = Callable[[Call, str, str, int], None]
View = Callable[[Call, str, Object], Object]


def allow(_call: Call, _service: str, _kind: str, _body: Object) -> None:
    """No check beyond the fields' own."""


def forget(_call: Call, _service: str, _kind: str, _number: int) -> None:
    """Nothing stands in the way of a deletion."""


@dataclass(frozen=True)
class Collection:
    """The five calls on one collection of a load balancer, farms for instance.

    name, number  the last part of the path, and the field that holds an object's id
    parent        the collection this one is below: (name, field of the id)
    check         refuses a body; `old` fields are merged in before an update
    born          the fields that only the API sets, from the object's body and its parent's id
    deletable     refuses a deletion
    frozen        fields that never change
    """

    kind: str
    name: str
    number: str
    fields: Fields
    parent: tuple[str, str] | None = None
    check: Check = allow
    deletable: Delete = forget
    born: Callable[[Object, int], Object] = field(default=lambda _body, _above: {})
    view: View = field(default=lambda _call, _service, found: found)
    frozen: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    answers_update: bool = False

    def path(self, service: str, above: int) -> list[object]:
        return [BASE, service, self.kind, *((self.parent[0], above) if self.parent else ()), self.name]

    def zone(self, call: Call, service: str, above: int, found: Object) -> str | None:
        if self.parent:
            found = call.store.need(self.parent[1], BASE, service, self.kind, self.parent[0], above)
        zone: str | None = found.get("zone")
        return zone

    def need(self, call: Call, service: str, above: int, number: int) -> Object:
        call.store.service(BASE, service)
        self.zone(call, service, above, {})
        return call.store.need(self.number, *self.path(service, above), number)

    def index(self, call: Call, service: str, above: int = 0) -> list[int]:
        call.store.service(BASE, service)
        self.zone(call, service, above, {})
        return [
            found[self.number]
            for found in call.store.children(*self.path(service, above)).values()
            if all(str(found[name]) == call.query.get(name, str(found[name])) for name in self.filters)
        ]

    def create(self, call: Call, service: str, above: int = 0) -> Object:
        call.store.service(BASE, service)
        self.zone(call, service, above, {})
        body = self.fields.read(call.body)
        check_zone(call, service, body)
        self.check(call, service, self.kind, body)
        number = call.store.next_id()
        made = call.store.put(
            {self.number: number, **body, **self.born(body, above)}, *self.path(service, above), number
        )
        changed(call.store, service, self.zone(call, service, above, made))
        return self.view(call, service, made)

    def show(self, call: Call, service: str, number: int, above: int = 0) -> Object:
        return self.view(call, service, self.need(call, service, above, number))

    def update(self, call: Call, service: str, number: int, above: int = 0) -> Object | None:
        old = self.need(call, service, above, number)
        body = self.fields.read(call.body, update=True)
        for name in self.frozen:
            if body.get(name, old[name]) != old[name]:
                raise ApiError(400, f"Invalid value for parameter {name}: the {name} of a {self.name} cannot change")
        check_zone(call, service, body)
        self.check(call, service, self.kind, {**old, **body})
        made = call.store.merge(body, *self.path(service, above), number)
        changed(call.store, service, self.zone(call, service, above, made))
        return made if self.answers_update else None

    def remove(self, call: Call, service: str, number: int, above: int = 0) -> None:
        old = self.need(call, service, above, number)
        self.deletable(call, service, self.kind, number)
        changed(call.store, service, self.zone(call, service, above, old))
        call.store.delete(*self.path(service, above), number)

    def register(self) -> None:
        below = f"{self.parent[0]}/{{above:int}}/" if self.parent else ""
        base = f"/ipLoadbalancing/{{service}}/{self.kind}/{below}{self.name}"
        route("GET", base)(self.index)
        route("POST", base)(self.create)
        route("GET", base + "/{number:int}")(self.show)
        route("PUT", base + "/{number:int}")(self.update)
        route("DELETE", base + "/{number:int}")(self.remove)


def check_zone(call: Call, service: str, body: Object) -> None:
    zones = call.store.service(BASE, service)["zone"]
    if "zone" in body and body["zone"] not in ("all", *zones):
        raise ApiError(400, f"Zone {body['zone']} is not available on this load balancer")


def check_farm(call: Call, service: str, _kind: str, body: Object) -> None:
    if body["vrackNetworkId"]:
        call.store.need("vrackNetworkId", BASE, service, "vrack", "network", body["vrackNetworkId"])
    probe = body["probe"] or {}
    if probe.get("match") in ("contains", "matches", "status") and not probe.get("pattern"):
        raise ApiError(400, f"Invalid value for parameter probe.pattern: match {probe['match']} needs a pattern")


def check_frontend(call: Call, service: str, kind: str, body: Object) -> None:
    listening = port_ranges(body["port"])
    for header in body.get("httpHeader", []):
        if not HEADER.fullmatch(header):
            raise ApiError(400, f"Invalid value for parameter httpHeader: {header!r} is not of the form 'Name: value'")
    if body["allowedSource"] and body["deniedSource"]:
        raise ApiError(400, "allowedSource and deniedSource cannot be used together")
    for other_kind in KINDS:
        for other in call.store.children(BASE, service, other_kind, "frontend").values():
            same_zone = "all" in (other["zone"], body["zone"]) or other["zone"] == body["zone"]
            if other["frontendId"] == body.get("frontendId") or not same_zone:
                continue
            if other["dedicatedIpfo"] != body["dedicatedIpfo"]:
                continue
            if any(
                low <= top and bottom <= high for low, high in listening for bottom, top in port_ranges(other["port"])
            ):
                raise ApiError(409, f"Port {body['port']} is already used by frontend {other['frontendId']}")
    if body["defaultFarmId"]:
        farm = call.store.need("farmId", BASE, service, kind, "farm", body["defaultFarmId"])
        if "all" not in (farm["zone"], body["zone"]) and farm["zone"] != body["zone"]:
            raise ApiError(400, "The default farm is not in the zone of the frontend")
    if body["defaultSslId"]:
        call.store.need("id", BASE, service, "ssl", body["defaultSslId"])


def port_ranges(ports: str) -> list[tuple[int, int]]:
    """A frontend listens on a port, a list (80,8080) or a range (70-90): the pairs of first and last port."""
    ranges = []
    for part in ports.split(","):
        ends = part.strip().split("-")
        if len(ends) > 2 or not all(end.isdecimal() and PORT(int(end)) for end in ends) or int(ends[0]) > int(ends[-1]):
            raise ApiError(400, f"Invalid value for parameter port: {ports!r}")
        ranges.append((int(ends[0]), int(ends[-1])))
    return ranges


def check_route(call: Call, service: str, kind: str, body: Object) -> None:
    if body["frontendId"]:
        call.store.need("frontendId", BASE, service, kind, "frontend", body["frontendId"])
    action = body["action"]
    if action["type"] == "farm":
        if not str(action["target"] or "").isdecimal():
            raise ApiError(400, "Invalid value for parameter action.target: a farm id is needed")
        call.store.need("farmId", BASE, service, kind, "farm", action["target"])
    if action["type"] == "redirect" and not action["target"]:
        raise ApiError(400, "Invalid value for parameter action.target: a redirect needs a location")
    if action["type"] == "redirect" and action["status"] not in (None, *REDIRECTIONS):
        raise ApiError(400, f"Invalid value for parameter action.status: {action['status']}, not one of {REDIRECTIONS}")


def check_rule(_call: Call, _service: str, kind: str, body: Object) -> None:
    if body["field"] not in RULE_FIELDS[kind]:
        raise ApiError(400, f"Invalid value for parameter field: {body['field']!r}, not one of {RULE_FIELDS[kind]}")
    if body["field"] in ("cookie", "header", "query") and not body["subField"]:
        raise ApiError(400, f"Missing parameter: subField, the name of the {body['field']}")
    if body["subField"] and not TOKEN.fullmatch(body["subField"]):
        raise ApiError(400, f"Invalid value for parameter subField: {body['subField']!r} is not a name")
    if body["match"] != "exists" and body["pattern"] is None:
        raise ApiError(400, f"Missing parameter: pattern, needed by match {body['match']}")


def farm_in_use(call: Call, service: str, kind: str, farm: int) -> None:
    for frontend in call.store.children(BASE, service, kind, "frontend").values():
        if frontend["defaultFarmId"] == farm:
            raise ApiError(409, f"This farm is still the default farm of frontend {frontend['frontendId']}")
    for found in call.store.children(BASE, service, kind, "route").values():
        if found["action"]["type"] == "farm" and found["action"]["target"] == str(farm):
            raise ApiError(409, f"This farm is still the target of route {found['routeId']}")


def server_born(body: Object, farm: int) -> Object:
    cookie = {"cookie": body["cookie"] or f"cookie-{body['address']}"} if "cookie" in body else {}
    return {"backendId": farm, "serverState": [], **cookie}


def server_view(call: Call, service: str, found: Object) -> Object:
    return {**found, "serverState": call.monitor.server_state(service, found["serverId"])}


def register(kind: str) -> None:
    def route_view(call: Call, service: str, found: Object) -> Object:
        rules = call.store.children(BASE, service, kind, "route", found["routeId"], "rule").values()
        return {
            **found,
            "rules": [{name: value for name, value in rule.items() if name != "displayName"} for rule in rules],
        }

    Collection(
        kind,
        "farm",
        "farmId",
        FARM[kind],
        check=check_farm,
        deletable=farm_in_use,
        frozen=("zone",),
        filters=("vrackNetworkId", "zone"),
    ).register()
    Collection(
        kind,
        "frontend",
        "frontendId",
        FRONTEND[kind],
        check=check_frontend,
        born=lambda _body, _above: {"vrackNetworkId": None, "vrackVrouterId": None},
        filters=("defaultFarmId", "port", "zone"),
    ).register()
    Collection(
        kind,
        "route",
        "routeId",
        ROUTE[kind],
        check=check_route,
        view=route_view,
        filters=("frontendId",),
        born=lambda _body, _above: {"status": "ok"},
    ).register()
    Collection(
        kind,
        "server",
        "serverId",
        SERVER[kind],
        parent=("farm", "farmId"),
        born=server_born,
        view=server_view,
        filters=("address", "status"),
    ).register()
    Collection(
        kind, "rule", "ruleId", RULE, parent=("route", "routeId"), check=check_rule, answers_update=True
    ).register()


for _kind in KINDS:
    register(_kind)


# Networks in the vRack


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


# Refresh


@route("GET", "/ipLoadbalancing/{service}/pendingChanges")
def pending_changes(call: Call, service: str) -> list[Object]:
    call.store.service(BASE, service)
    pending = call.store.get("sandbox", "pending", service) or {}
    return [{"number": number, "zone": zone} for zone, number in pending.items() if number]


@route("POST", "/ipLoadbalancing/{service}/refresh")
def refresh(call: Call, service: str) -> Object:
    """Put the declared configuration in force: all of it, as it stands now."""
    zones = call.store.service(BASE, service)["zone"]
    zone = Fields(zone=text).read(call.body)["zone"]
    if zone not in (None, "all", *zones):
        raise ApiError(400, f"Zone {zone} is not available on this load balancer")
    if any(found["status"] in ("todo", "doing") for found in call.store.children(BASE, service, "task").values()):
        raise ApiError(409, "A task is already running on this load balancer")
    # Servers of the vRack see a VLAN as soon as the balancer uses it.
    vrack = call.store.service(BASE, service)["vrackName"]
    wired = [("vrack", vrack)] if vrack else []
    number = call.store.next_id()
    call.store.put({}, "sandbox", "pending", service)
    body = {
        "id": number,
        "action": "refreshIplb",
        "creationDate": now(),
        "doneDate": None,
        "progress": 0,
        "zones": zones,
    }
    return call.tasks.start(
        [BASE, service, "task", number],
        body,
        then=put_in_force,
        args=(service, declared_configuration(call.store, service)),
        subjects=[("balancer", service), *wired],
        done_date="doneDate",
    )


@effect
def put_in_force(store: Store, service: str, configuration: Object) -> None:
    store.put(configuration, "sandbox", "applied", service)


@route("GET", "/ipLoadbalancing/{service}/task")
def tasks(call: Call, service: str) -> list[int]:
    call.store.service(BASE, service)
    wanted = {name: call.query[name] for name in ("action", "status") if name in call.query}
    return [
        found["id"]
        for found in call.store.children(BASE, service, "task").values()
        if all(found[name] == value for name, value in wanted.items())
    ]


@route("GET", "/ipLoadbalancing/{service}/task/{number:int}")
def task(call: Call, service: str, number: int) -> Object:
    call.store.service(BASE, service)
    return call.store.need("id", BASE, service, "task", number)
