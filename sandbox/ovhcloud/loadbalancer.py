"""/ipLoadbalancing: what is declared of an IP Load Balancing, and what is in force since the last refresh.

Every change is only declared, and counted in `pendingChanges`, until POST refresh puts the whole configuration in
force: `sandbox/applied/NAME` in the store, which is all that the balancer's HAProxy is ever rendered from.
"""

from .errors import ApiError
from .fields import Fields, one_of, text
from .routing import Call, route, seed
from .store import Object, Store, iam, now
from .tasks import effect

BASE = "ipLoadbalancing"
KINDS = ("http", "tcp")


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
    old = store.need("applied", "sandbox", "applied", service)
    store.put(configuration, "sandbox", "applied", service)
    for number in set(old["certificates"]) - set(configuration["certificates"]):
        store.delete("sandbox", "certificate", number)


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
