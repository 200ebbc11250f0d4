"""A served DNS zone as lines for dnsmasq, the sandbox's name server.

It answers for A, AAAA, CNAME (to names that it serves itself), MX, TXT, SPF, DKIM, DMARC, SRV and CAA records; the
other types are kept by the API and not served.
"""

import re
from collections.abc import Callable

from sandbox import DNS
from sandbox.building import write

from .store import Object, Store

SAFE = re.compile(r"[\x20-\x7e]*")


def absolute(name: str, zone: str) -> str:
    """A target: with a dot at its end it is complete, else it is relative to the zone."""
    return name.rstrip(".") if name.endswith(".") else f"{name}.{zone}"


def owner(record: Object, zone: str) -> str:
    return f"{record['subDomain']}.{zone}" if record["subDomain"] not in ("", "@", None) else zone


def host(name: str, record: Object, _zone: str) -> str:
    return f"host-record={name},{record['target']}" + (f",{record['ttl']}" if record["ttl"] else "")


def alias(name: str, record: Object, zone: str) -> str:
    return f"cname={name},{absolute(record['target'], zone)}" + (f",{record['ttl']}" if record["ttl"] else "")


def mail(name: str, record: Object, zone: str) -> str:
    preference, target = record["target"].split()
    return f"mx-host={name},{absolute(target, zone)},{int(preference)}"


def words(name: str, record: Object, _zone: str) -> str:
    text = record["target"].strip('"').replace("\\", "\\\\").replace('"', '\\"')
    return f'txt-record={name},"{text}"'


def service(name: str, record: Object, zone: str) -> str:
    priority, weight, port, target = record["target"].split()
    return f"srv-host={name},{absolute(target, zone)},{int(port)},{int(priority)},{int(weight)}"


def authority(name: str, record: Object, _zone: str) -> str:
    flags, tag, value = record["target"].split(maxsplit=2)
    return f"caa-record={name},{int(flags)},{tag},{value.strip(chr(34))}"


LINES: dict[str, Callable[[str, Object, str], str]] = {
    "A": host,
    "AAAA": host,
    "CNAME": alias,
    "MX": mail,
    "TXT": words,
    "SPF": words,
    "DKIM": words,
    "DMARC": words,
    "SRV": service,
    "CAA": authority,
}


def render(zone: str, records: list[Object]) -> str:
    """The zone for dnsmasq: what is not in it does not exist. A record that cannot be written raises ValueError."""
    lines = [f"local=/{zone}/"]
    for record in records:
        if record["fieldType"] in LINES:
            if not SAFE.fullmatch(record["subDomain"] + record["target"]):
                raise ValueError(f"record {record['id']} of {zone} holds characters that no name server takes")
            lines.append(LINES[record["fieldType"]](owner(record, zone), record, zone))
    return "\n".join([*lines, ""])


def converge(store: Store, zone: str) -> None:
    """Serve the zone as it was last refreshed."""
    served = store.need("zone", "sandbox", "zone", zone)
    DNS.mkdir(parents=True, exist_ok=True)
    file, text = DNS / f"{zone}.conf", render(zone, served["records"])
    write(file, text)
