"""/domain/zone: records as declared, and the zone as served since its last refresh (`sandbox/zone/NAME`)."""

from .errors import ApiError
from .fields import Default, Fields, Needed, address, integer, ipv4, one_of, text
from .routing import Call, route, seed
from .store import Object, Store, iam, now

BASE = ("domain", "zone")
TYPES = (
    "A",
    "AAAA",
    "CAA",
    "CNAME",
    "DKIM",
    "DMARC",
    "DNAME",
    "LOC",
    "MX",
    "NAPTR",
    "NS",
    "PTR",
    "SPF",
    "SRV",
    "SSHFP",
    "TLSA",
    "TXT",
)
MIN_TTL = 60  # seconds; 0 stands for the zone's own
RECORD = Fields(
    fieldType=Needed(one_of(*TYPES)), subDomain=Default(text, ""), target=Needed(text), ttl=Default(integer(0), 0)
)


@seed
def owned(store: Store, account: Object) -> None:
    for name in account["zones"]:
        if store.get(*BASE, name) is None:
            store.put(
                {
                    "name": name,
                    "nameServers": ["dns200.anycast.me", "ns200.anycast.me"],
                    "dnssecSupported": True,
                    "hasDnsAnycast": False,
                    "dnssecActivated": False,
                    "lastUpdate": "2024-01-01T00:00:00+00:00",
                    "iam": iam("dnsZone", name),
                },
                *BASE,
                name,
            )
            store.put({"records": []}, "sandbox", "zone", name)


def check(call: Call, zone: str, record: Object) -> None:
    """A target that fits its type; a lifetime that OVHcloud serves; one CNAME alone on a name."""
    kind, target = record["fieldType"], record["target"]
    fits = {"A": ipv4(target), "AAAA": address(target) and ":" in target}.get(kind, bool(target))
    if not fits:
        raise ApiError(400, f"Invalid subfield: {target!r} is not a target for {kind}")
    if record["ttl"] not in (0, None) and record["ttl"] < MIN_TTL:
        raise ApiError(400, f"Invalid value for parameter ttl: {record['ttl']}, not 0 and below {MIN_TTL}")
    for other in call.store.children(*BASE, zone, "record").values():
        same = other["subDomain"] == record["subDomain"] and other["id"] != record.get("id")
        if same and "CNAME" in (kind, other["fieldType"]):
            raise ApiError(409, f"Subdomain {record['subDomain']!r} has a CNAME beside other records")


@route("GET", "/domain/zone")
def zones(call: Call) -> list[str]:
    return list(call.store.children(*BASE))


@route("GET", "/domain/zone/{zone}")
def info(call: Call, zone: str) -> Object:
    return call.store.service(*BASE, zone)


@route("GET", "/domain/zone/{zone}/record")
def records(call: Call, zone: str) -> list[int]:
    call.store.service(*BASE, zone)
    return [
        found["id"]
        for found in call.store.children(*BASE, zone, "record").values()
        if all(found[name] == call.query.get(name, found[name]) for name in ("fieldType", "subDomain"))
    ]


def quoted(record: Object) -> Object:
    """OVHcloud puts a text into quotes."""
    text = record.get("target", "")
    if record["fieldType"] != "TXT" or (len(text) > 1 and text[0] == text[-1] == '"'):
        return record
    return {**record, "target": f'"{text}"'}


@route("POST", "/domain/zone/{zone}/record")
def record_create(call: Call, zone: str) -> Object:
    call.store.service(*BASE, zone)
    body = RECORD.read(call.body)
    check(call, zone, body)
    number = call.store.next_id()
    return call.store.put({"id": number, "zone": zone, **quoted(body)}, *BASE, zone, "record", number)


@route("GET", "/domain/zone/{zone}/record/{number:int}")
def record(call: Call, zone: str, number: int) -> Object:
    call.store.service(*BASE, zone)
    return call.store.need("id", *BASE, zone, "record", number)


@route("PUT", "/domain/zone/{zone}/record/{number:int}")
def record_change(call: Call, zone: str, number: int) -> None:
    old = record(call, zone, number)
    body = Fields(subDomain=Default(text, ""), target=Needed(text), ttl=integer(0)).read(call.body, update=True)
    check(call, zone, {**old, **body})
    call.store.put(quoted({**old, **body}), *BASE, zone, "record", number)


@route("DELETE", "/domain/zone/{zone}/record/{number:int}")
def record_delete(call: Call, zone: str, number: int) -> None:
    record(call, zone, number)
    call.store.delete(*BASE, zone, "record", number)


@route("POST", "/domain/zone/{zone}/refresh")
def refresh(call: Call, zone: str) -> None:
    """Serve the records as they stand now. The API tells no task of it."""
    found = call.store.service(*BASE, zone)
    served = {"records": list(call.store.children(*BASE, zone, "record").values())}
    call.store.put(served, "sandbox", "zone", zone)
    call.store.put({**found, "lastUpdate": now()}, *BASE, zone)
    call.tasks.settle(["sandbox", "zone", zone], "state", "served", "refused", subjects=[("zone", zone)], seconds=0)
