"""Farms and their servers, frontends, routes and their rules: what is in their bodies, and what is refused."""

import re
from typing import Any

from .collection import Collection
from .errors import ApiError
from .fields import Default, Fields, ListOf, Needed, block, boolean, integer, ipv4, one_of, text
from .loadbalancer import BASE, KINDS
from .routing import Call
from .store import Object

PORT = integer(1, 65535)
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
