"""IP Load Balancing: farms, servers, frontends, routes, its vRack networks, and the refresh that puts them in force."""

# The methods take what a kind of resource may need; class attributes are settings that nobody changes.
# ruff: noqa: ARG002, RUF012

from sandbox.toolchain.standin.ovh.client import Api, path
from sandbox.toolchain.standin.ovh.rest import Rest
from sandbox.toolchain.standin.ovh.rules import BLOCK, IPV4, among
from sandbox.toolchain.standin.shapes import ANY, ZEROS, filled
from sandbox.toolchain.standin.values import Values, empty

MODULE = "iploadbalancing"


def interval(value: int) -> str | None:
    return None if 30 <= value <= 3600 else "Probe interval not in 30..3600 range"


class Farm(Rest):
    number = "farmId"
    zero = ("balance", "displayName", "port", "stickiness")
    replace = ("serviceName", "zone")
    body = "balance? displayName? port probe? stickiness vrackNetworkId? zone"
    together = {"probe.negate": "probe.match"}

    def request(self, inputs: Values, update: bool = False) -> Values:
        result = super().request(inputs)
        if probe := result.get("probe"):
            sent = {name: value for name, value in probe.items() if not empty(value) or isinstance(value, bool)}
            negate = probe.get("negate") if probe.get("match") else None
            result["probe"] = {"forceSsl": False, **sent, "negate": negate}
        return result

    def view(self, answer: Values, inputs: Values) -> Values:
        result = super().view(answer, inputs)
        if probe := result.get("probe"):
            kinds = self.outputs.properties["probe"].properties
            result["probe"] = {
                k: ZEROS.get(kind.kind) if probe.get(k) is None else probe[k] for k, kind in kinds.items()
            }
        return result


class FarmServer(Rest):
    number, import_id = "serverId", "{serviceName}/{farmId}/{id}"
    body = "address backup chain? displayName? port probe proxyProtocolVersion? onMarkedDown ssl status weight?"
    wire = {"farmId": "backendId"}
    replace = ("address", "farmId", "serviceName")
    defaults = {"backup": False, "probe": False, "ssl": False, "weight": 1}
    checks = {
        "address": IPV4,
        "status": among("active", "inactive"),
        "onMarkedDown": among("shutdown-sessions"),
        "proxyProtocolVersion": among("v1", "v2", "v2-ssl", "v2-ssl-cn"),
    }

    def request(self, inputs: Values, update: bool = False) -> Values:
        result = super().request(inputs)
        if self.name == "HttpFarmServer" and not inputs.get("weight"):
            result.pop("weight", None)  # 0 is as good as none: made with the API's own 1, and left as it is
        if update:  # then unset properties are sent as null
            result = {**dict.fromkeys(("chain", "displayName", "proxyProtocolVersion")), **result}
        return result


class Frontend(Rest):
    sets = ("allowedSources", "dedicatedIpfos", "deniedSources")
    number = "frontendId"
    wire = {
        "allowedSources": "allowedSource",
        "dedicatedIpfos": "dedicatedIpfo",
        "deniedSources": "deniedSource",
        "httpHeaders": "httpHeader",
    }
    zero = ("defaultFarmId", "defaultSslId", "displayName", "redirectLocation")
    kept = ("defaultFarmId", "defaultSslId")


class Route(Rest):
    number, body, kept = "routeId", "action displayName? frontendId? weight", ("frontendId", "weight")
    blank, delete_missing_ok = {"weight": 0}, True

    def request(self, inputs: Values, update: bool = False) -> Values:
        result = super().request(inputs)
        result["action"] = {k: v for k, v in result["action"].items() if not empty(v)}
        return result

    def view(self, answer: Values, inputs: Values) -> Values:
        result = super().view(answer, inputs)
        result["action"] = filled(result["action"], self.outputs.properties["action"])
        rule = self.outputs.properties["rules"].item or ANY
        result["rules"] = [
            {k: "" if found.get(k) is None else found[k] for k in rule.properties} for found in result["rules"]
        ]
        return result


class RouteRule(Rest):
    number, import_id = "ruleId", "{serviceName}/{routeId}/{id}"
    body, blank = "displayName? field match negate? pattern? subField?", {"negate": False}
    kept, zero, replace = ("negate",), ("subField",), ("routeId", "serviceName")
    delete_missing_ok = True
    checks = {"match": among("contains", "endswith", "exists", "in", "internal", "is", "matches", "startswith")}


class VrackNetwork(Rest):
    number, ident, import_id = "vrackNetworkId", "{serviceName}_{id}", "{serviceName}/{vrackNetworkId}"
    item, body, kept, replace = "/{vrackNetworkId}", "subnet vlan? displayName? natIp", ("vlan",), ()
    checks = {"natIp": BLOCK, "subnet": BLOCK}
    import_ident = "{serviceName}_{vrackNetworkId}"

    def request(self, inputs: Values, update: bool = False) -> Values:
        result = super().request(inputs)
        if update:
            del result["subnet"]
        return result


class Refresh(Rest):
    """Puts in force what was declared. There is no such object: nothing to read or remove."""

    replace, import_id = "*", None

    def make(self, api: Api, inputs: Values) -> tuple[str, Values]:
        base = path("/ipLoadbalancing/{serviceName}", inputs)

        def running() -> tuple[None, str]:
            busy = any(api.get(f"{base}/task?action=refreshIplb&status={state}") for state in ("todo", "doing"))
            return None, "exists" if busy else "empty"

        api.wait(running, (), ("empty",), "running load balancer tasks", 10)
        if api.get(base + "/pendingChanges"):
            task = api.post(base + "/refresh")
            api.settle(f"{base}/task/{task['id']}", (), ("done",), "load balancer refresh", 10)
        return inputs["serviceName"], {}

    def look(self, api: Api, values: Values) -> Values:
        return {}

    def remove(self, api: Api, values: Values, inputs: Values) -> None:
        """What was put in force stays so."""


BASE = "/ipLoadbalancing/{serviceName}"
BALANCES = ("first", "leastconn", "roundrobin", "source")
PROBES = {
    "probe.interval": interval,
    "probe.match": among("contains", "default", "internal", "matches", "status"),
    "probe.method": among("GET", "HEAD", "OPTIONS", "internal"),
    "probe.type": among("http", "internal", "mysql", "oco", "pgsql", "smtp", "tcp"),
}
RESOURCES: dict[str, Rest] = {
    "IpLoadBalancing/httpFarm:HttpFarm": Farm(
        MODULE,
        "HttpFarm",
        base=BASE + "/http/farm",
        kept=("probe.match", "probe.port", "probe.pattern", "probe.url", "probe.method"),
        defaults={"probe.interval": 30, "probe.negate": False},
        checks={"balance": among(*BALANCES, "uri"), "stickiness": among("sourceIp", "cookie"), **PROBES},
    ),
    "IpLoadBalancing/tcpFarm:TcpFarm": Farm(
        MODULE,
        "TcpFarm",
        base=BASE + "/tcp/farm",
        kept=("probe.match",),
        zero=(*Farm.zero, "vrackNetworkId"),
        defaults={"probe.interval": 30, "probe.negate": False, "probe.forceSsl": False},
        checks={"balance": among(*BALANCES), "stickiness": among("sourceIp"), **PROBES},
    ),
    "IpLoadBalancing/httpFarmServer:HttpFarmServer": FarmServer(
        MODULE, "HttpFarmServer", base=BASE + "/http/farm/{farmId}/server"
    ),
    "IpLoadBalancing/tcpFarmServer:TcpFarmServer": FarmServer(
        MODULE, "TcpFarmServer", base=BASE + "/tcp/farm/{farmId}/server"
    ),
    "IpLoadBalancing/httpFrontend:HttpFrontend": Frontend(
        MODULE,
        "HttpFrontend",
        base=BASE + "/http/frontend",
        body="port zone allowedSources dedicatedIpfos defaultFarmId? defaultSslId? disabled ssl hsts "
        "redirectLocation? displayName? httpHeaders",
        blank={"allowedSources": [], "dedicatedIpfos": [], "httpHeaders": []},
        defaults={"disabled": False, "hsts": False, "ssl": False},
    ),
    "IpLoadBalancing/tcpFrontend:TcpFrontend": Frontend(
        MODULE,
        "TcpFrontend",
        base=BASE + "/tcp/frontend",
        body="port zone allowedSources dedicatedIpfos defaultFarmId? defaultSslId? deniedSources "
        "disabled ssl displayName",
        blank={"allowedSources": [], "dedicatedIpfos": [], "deniedSources": [], "displayName": ""},
        defaults={"disabled": False, "ssl": False},
    ),
    "IpLoadBalancing/httpRoute:HttpRoute": Route(MODULE, "HttpRoute", base=BASE + "/http/route"),
    "IpLoadBalancing/tcpRoute:TcpRoute": Route(MODULE, "TcpRoute", base=BASE + "/tcp/route"),
    "IpLoadBalancing/httpRouteRule:HttpRouteRule": RouteRule(
        MODULE, "HttpRouteRule", base=BASE + "/http/route/{routeId}/rule"
    ),
    "IpLoadBalancing/tcpRouteRule:TcpRouteRule": RouteRule(
        MODULE, "TcpRouteRule", base=BASE + "/tcp/route/{routeId}/rule"
    ),
    "IpLoadBalancing/vrackNetwork:VrackNetwork": VrackNetwork(MODULE, "VrackNetwork", base=BASE + "/vrack/network"),
    "IpLoadBalancing/refresh:Refresh": Refresh(MODULE, "Refresh"),
}
