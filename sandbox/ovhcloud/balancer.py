"""An IP Load Balancing as an HAProxy: its configuration, rendered from what the last refresh put in force.

What OVHcloud does not publish (timeouts, how often a failing server is probed, the cookie's name) is chosen in the
template. A balancer has every zone's frontends on its one address, as an anycast address has.
"""

import csv
import io
import ipaddress
import re
from pathlib import Path
from typing import Any

import jinja2

from .farms import port_ranges
from .loadbalancer import KINDS
from .store import Object

TEMPLATES = Path(__file__).parent / "templates"
INTERNET_LEG = "internet"
MIN_TLS = {"modern": "TLSv1.3"}
PROXY_PROTOCOLS = {
    "v1": "send-proxy",
    "v2": "send-proxy-v2",
    "v2-ssl": "send-proxy-v2-ssl",
    "v2-ssl-cn": "send-proxy-v2-ssl-cn",
}
# The values that a redirection may name, and where HAProxy finds them.
VARIABLES = {
    "uri": "%[pathq]",
    "path": "%[path]",
    "host": "%[req.hdr(host),field(1,:)]",
    "port": "%[dst_port]",
    "protocol": "%[ssl_fc,iif(https,http)]",
}
FETCHES = {
    "uri": "path",
    "host": "req.hdr(host),field(1,:)",
    "method": "method",
    "source": "src",
    "protocol": "ssl_fc,iif(https,http)",
    "sni": "req.ssl_sni",
}
SUB_FETCHES = {"cookie": "req.cook", "header": "req.hdr", "query": "url_param"}
MATCHES = {"is": "str", "contains": "sub", "startswith": "beg", "endswith": "end", "matches": "reg", "in": "str"}
STATUS_LIST = re.compile(r"\d{3}(-\d{3})?(,\d{3}(-\d{3})?)*")


def leg(vlan: int) -> str:
    """The balancer's interface in a VLAN of its vRack; 0 is the untagged network."""
    return f"vrack.{vlan}" if vlan else "vrack"


def quoted(value: object) -> str:
    """One word of HAProxy's configuration, whatever it holds; between single quotes nothing is special."""
    text = str(value)
    if any(ord(character) < 32 for character in text):
        raise ValueError(f"{text!r} holds a control character, and HAProxy's configuration has no way to write it")
    return "'" + text.replace("'", "'\\''") + "'"


def log_format(text: str, kept: str = "") -> str:
    """A text for HAProxy's formatted values: a per cent sign is itself, unless it begins one of `kept`."""
    return re.sub(rf"%(?!(?:{kept})\b)" if kept else "%", "%%", text)


def location(target: str) -> str:
    """A redirection's target with ${uri}, ${host}, ${path}, ${port} and ${protocol} filled in by HAProxy."""
    return re.sub(r"\$\{(\w+)\}", lambda found: VARIABLES.get(found[1], found[0]), log_format(target))


def condition(rule: Object) -> str:
    """One rule of a route as an HAProxy condition."""
    field, sub_field, match = rule["field"], rule["subField"], rule["match"]
    fetch = f"{SUB_FETCHES[field]}({sub_field})" if field in SUB_FETCHES else FETCHES[field]
    sign = "!" if rule["negate"] else ""
    if match == "exists":
        return f"{sign}{{ {fetch} -m found }}"
    values = rule["pattern"].split(",") if match == "in" else [rule["pattern"]]
    words = " ".join(quoted(value.strip()) for value in values)
    if field == "source":
        return f"{sign}{{ src {words} }}"
    case = " -i" if field == "host" else ""
    return f"{sign}{{ {fetch}{case} -m {MATCHES[match]} -- {words} }}"


def probe_lines(probe: Object | None) -> list[str]:
    """How HAProxy probes a farm's servers; without a line it opens a connection."""
    lines = {"mysql": ["option mysql-check"], "pgsql": ["option pgsql-check user probe"], "smtp": ["option smtpchk"]}
    if not probe or probe["type"] not in ("http", "oco"):
        return lines.get((probe or {}).get("type", ""), [])
    method = probe["method"] if probe["method"] not in (None, "internal") else "GET"
    result = ["option httpchk", f"http-check send meth {method} uri {quoted(probe['url'] or '/')}"]
    pattern = probe["pattern"] or ""
    expected = {
        "contains": f"string {quoted(pattern)}",
        "matches": f"rstring {quoted(pattern)}",
        "status": f"status {pattern}" if STATUS_LIST.fullmatch(pattern) else f"rstatus {quoted(pattern)}",
    }
    expect = expected.get(probe["match"] or "", "status 200-399")
    return [*result, f"http-check expect {'! ' if probe['negate'] else ''}{expect}"]


def server(farm: Object, found: Object, files: dict[int, str]) -> Object:
    """One server of a farm. An inactive one stays in the configuration and takes no traffic."""
    probe, port = farm["probe"] or {}, found["port"] or farm["port"]
    options = [f"weight {1 if found['weight'] is None else found['weight']}"]
    if found["status"] == "inactive":
        options.append("disabled")
    if found["backup"]:
        options.append("backup")
    if found["ssl"] or found["chain"]:
        options.append("ssl")
        options.append(f"verify required ca-file {files[found['serverId']]}" if found["chain"] else "verify none")
    if found["proxyProtocolVersion"]:
        options.append(PROXY_PROTOCOLS[found["proxyProtocolVersion"]])
    if farm["stickiness"] == "cookie":
        options.append(f"cookie {quoted(found.get('cookie') or found['serverId'])}")
    if found["probe"]:
        options.append(f"check inter {probe.get('interval') or 30}s")
        if probe.get("port"):
            options.append(f"port {probe['port']}")
        if probe.get("forceSsl") and not found["ssl"]:
            options.append("check-ssl verify none")
    if found["onMarkedDown"]:
        options.append(f"on-marked-down {found['onMarkedDown']}")
    return {
        "name": f"server_{found['serverId']}",
        "options": options,
        "target": found["address"] + (f":{port}" if port else ""),
    }


def source(farm: Object, networks: dict[int, Object], address: str) -> str:
    """Where a farm's connections leave from: its vRack network, or the Internet with the balancer's own address."""
    network = networks.get(farm["vrackNetworkId"] or 0)
    if network:
        return f"{nat_address(network).partition('/')[0]} interface {leg(network['vlan'])}"
    return f"{address} interface {INTERNET_LEG}"


def nat_address(network: Object) -> str:
    """The address, with the subnet's length, that servers of a vRack network see: the second one of its NAT range."""
    nat = ipaddress.ip_network(network["natIp"])
    return f"{nat[1]}/{ipaddress.ip_network(network['subnet']).prefixlen}"


def frontend(kind: str, found: Object, routes: list[Object], configuration: Object, certificates: list[str]) -> Object:
    addresses = [block.partition("/")[0] for block in found["dedicatedIpfo"]] or [configuration["ipv4"]]
    ports = [f"{low}-{high}" if high > low else str(low) for low, high in port_ranges(found["port"])]
    own = sorted(
        (r for r in routes if r["frontendId"] == found["frontendId"]), key=lambda r: (r["weight"] or 0, r["routeId"])
    )
    headers = [header.partition(":") for header in found.get("httpHeader") or []]
    return {
        **found,
        "kind": kind,
        "scope": "txn" if kind == "http" else "sess",
        "name": f"{kind}_frontend_{found['frontendId']}",
        "binds": [f"{address}:{port}" for address in addresses for port in ports],
        "certificates": certificates if found["ssl"] else [],
        "headers": [(name.strip(), log_format(value.strip(), "ci|cp")) for name, _, value in headers],
        "location": location(found["redirectLocation"]) if found.get("redirectLocation") else None,
        "inspects": any(rule["field"] == "sni" for r in own for rule in r["rules"]),
        "routes": [
            {
                "id": r["routeId"],
                "type": r["action"]["type"],
                "target": r["action"]["target"],
                "status": r["action"].get("status"),
                "rules": [condition(rule) for rule in r["rules"]],
                "location": location(r["action"]["target"] or ""),
            }
            for r in own
        ],
    }


def render(configuration: Object, certificates: dict[int | None, str], chains: dict[int, str]) -> str | None:
    """HAProxy's configuration of an applied one, or None when nothing listens.

    certificates   the file of every certificate by its id; None: the balancer's own
    chains         the file with the authorities of every server that has a `chain`, by its id
    """
    networks = {found["vrackNetworkId"]: found for found in configuration["vrackNetworks"]}
    frontends, farms = [], []
    for kind in KINDS:
        part = configuration[kind]
        for found in part["frontends"]:
            if not found["disabled"]:
                own = found["defaultSslId"]
                files = [certificates[own], *(file for number, file in certificates.items() if number != own)]
                frontends.append(frontend(kind, found, part["routes"], configuration, files))
        farms += [
            {
                **farm,
                "kind": kind,
                "name": f"{kind}_farm_{farm['farmId']}",
                "probe_lines": probe_lines(farm["probe"]),
                "source": source(farm, networks, configuration["ipv4"]),
                "servers": [server(farm, found, chains) for found in farm["servers"]],
            }
            for farm in part["farms"]
        ]
    if not frontends:
        return None
    # No markup here: values are quoted by the filter `q`.
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701
    )
    environment.filters["q"] = quoted
    return environment.get_template("haproxy.cfg.j2").render(
        frontends=frontends, farms=farms, min_tls=MIN_TLS.get(configuration["sslConfiguration"] or "", "TLSv1.2")
    )


class Monitor:
    """What the balancers know of their servers; without an estate nothing has been probed."""

    def server_state(self, _service: str, _server: int) -> list[Object]:
        """The API's `serverState`: one item for each instance of the balancer."""
        return []


def read_state(statistics: str, server: int) -> list[Object]:
    """One server's state from HAProxy's `show stat`."""
    rows: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(statistics.removeprefix("# "))))
    return [
        {
            "instanceId": 1,
            "status": row["status"].split(" ")[0].lower(),
            "checkStatus": row["check_status"] or None,
            "checkCode": row["check_code"] or None,
            "lastCheckContent": row["last_chk"] or None,
            "checkTime": None,
        }
        for row in rows
        if row["svname"] == f"server_{server}"
    ]
