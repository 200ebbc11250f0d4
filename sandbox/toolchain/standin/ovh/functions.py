"""The functions: what a program may look up. Each answers the outputs under the names of the SDK."""

# Parameters are the functions' inputs, under their names in the protocol.
# ruff: noqa: N803

import zlib
from collections.abc import Callable, Iterable
from typing import Any

from sandbox.toolchain.standin.ovh.client import Api, APIError, part
from sandbox.toolchain.standin.ovh.rules import hashed
from sandbox.toolchain.standin.values import Values


def number_of(values: Iterable[str]) -> str:
    """The id of a list: a checksum of its members."""
    return str(zlib.crc32("".join(f"{value}-" for value in values).encode()))


def picked(found: Values, names: str, **renamed: str) -> Values:
    """Some fields of an answer, null as the zero of a string; `renamed` maps output to field."""
    fields = {**{name: name for name in names.split()}, **renamed}
    return {output: "" if found.get(field) is None else found[field] for output, field in fields.items()}


def load_balancer(api: Api, serviceName: str | None = None, **wanted: Any) -> Values:
    """The one load balancer whose fields are as asked."""
    names = [serviceName] if serviceName else api.get("/ipLoadbalancing")
    found = [api.get(f"/ipLoadbalancing/{part(name)}") for name in names]
    fits = [f for f in found if all(f.get(k) == v for k, v in wanted.items() if v is not None)]
    if len(fits) != 1:
        raise ValueError(f"Your query returned {len(fits)} load balancers, it must return exactly one")
    result = picked(
        fits[0],
        "displayName ipLoadbalancing ipv4 ipv6 metricsToken offer serviceName sslConfiguration state "
        "vrackEligibility vrackName",
    )
    return {
        **result,
        "id": fits[0]["serviceName"],
        "urn": fits[0]["iam"]["urn"],
        "zones": hashed(fits[0]["zone"]),
        "orderableZones": [{"name": z["name"], "planCode": z["plan_code"]} for z in fits[0]["orderableZone"]],
    }


def nat_ips(api: Api, serviceName: str) -> Values:
    found = api.get(f"/ipLoadbalancing/{part(serviceName)}/natIp")
    nat = [{"zone": one["zone"], "ips": one["ip"]} for one in found]
    return {"id": serviceName, "serviceName": serviceName, "natIps": nat}


def server(api: Api, serviceName: str) -> Values:
    base = f"/dedicated/server/{part(serviceName)}"
    found = api.get(base)
    result = picked(
        found,
        "availabilityZone bootId bootScript commercialRange datacenter efiBootloaderPath ip linkSpeed monitoring name "
        "newUpgradeSystem noIntervention os powerState professionalUse rack region rescueMail rescueSshKey reverse "
        "rootDevice serverId state supportLevel",
    )
    ips = api.get(base + "/ips")
    vnis = [
        api.get(f"{base}/virtualNetworkInterface/{part(u)}") for u in sorted(api.get(base + "/virtualNetworkInterface"))
    ]

    def enabled(mode: str) -> list[str]:
        return [v["uuid"] for v in vnis if v["enabled"] and v["mode"] == mode]

    return {
        **result,
        "id": found["name"],
        "serviceName": serviceName,
        "ips": ips,
        "displayName": found["iam"].get("displayName") or "",
        "ServerURN": found["iam"]["urn"],
        "enabledPublicVnis": enabled("public"),
        "enabledVrackVnis": enabled("vrack"),
        "enabledVrackAggregationVnis": enabled("vrack_aggregation"),
        "vnis": [picked(v, "enabled mode name serverName uuid vrack", nics="networkInterfaceController") for v in vnis],
    }


def servers(api: Api) -> Values:
    found = sorted(api.get("/dedicated/server"))
    return {"id": number_of(found), "results": found}


def vracks(api: Api) -> Values:
    found = sorted(api.get("/vrack"))
    return {"id": number_of(found), "results": found}


def vps(api: Api, serviceName: str) -> Values:
    base = f"/vps/{part(serviceName)}"
    try:
        found = api.get(base)
    except APIError:
        return {}  # so does the real plugin, whatever the error is
    ips, place = api.get(base + "/ips"), api.get(base + "/datacenter")
    model = picked(found["model"], "name offer version")
    result = picked(
        found,
        "cluster keymap name state vcore zone",
        displayname="displayName",
        memory="memoryLimit",
        netbootmode="netbootMode",
        offertype="offerType",
        slamonitoring="slaMonitoring",
    )
    return {
        **result,
        "id": found["name"],
        "serviceName": serviceName,
        "VpsURN": found["iam"]["urn"],
        "ips": ips,
        "model": model,
        "datacenter": {"name": place["name"], "longname": place["longName"]},
        "type": "_".join(("vps", found["offerType"], model["name"], model["version"])),
    }


def region(api: Api, serviceName: str, name: str) -> Values:
    found = api.get(f"/cloud/project/{part(serviceName)}/region/{part(name)}")
    result = picked(found, "continentCode countryCode datacenterLocation name status type")
    return {
        **result,
        "id": f"{serviceName}_{name}",
        "serviceName": serviceName,
        "availabilityZones": found.get("availabilityZones") or [],
        "ipCountries": found.get("ipCountries") or [],
        "services": [picked(s, "endpoint name status") for s in found.get("services") or []],
    }


def regions(api: Api, serviceName: str, hasServicesUps: list[str] | None = None) -> Values:
    base = f"/cloud/project/{part(serviceName)}/region"
    names = api.get(base)

    def up(name: str) -> set[str]:
        return {s["name"] for s in api.get(f"{base}/{part(name)}")["services"] if s["status"] == "UP"}

    if hasServicesUps:
        names = [name for name in names if set(hasServicesUps) <= up(name)]
    result = {"id": serviceName, "serviceName": serviceName, "names": hashed(names)}
    return {**result, "hasServicesUps": hasServicesUps} if hasServicesUps else result


def zone(api: Api, name: str) -> Values:
    found = api.get(f"/domain/zone/{part(name)}")
    return {
        **picked(found, "dnssecSupported hasDnsAnycast lastUpdate name"),
        "id": name,
        "nameServers": hashed(found["nameServers"]),
        "ZoneURN": found["iam"]["urn"],
    }


def nas_ha(api: Api, serviceName: str) -> Values:
    found = api.get(f"/dedicated/nasha/{part(serviceName)}")
    return {
        **picked(found, "canCreatePartition datacenter diskType ip monitored serviceName zpoolCapacity zpoolSize"),
        "id": found["serviceName"],
        "customName": found["customName"] or "",
        "NasHAURN": found["iam"]["urn"],
        "partitionsLists": api.get(f"/dedicated/nasha/{part(serviceName)}/partition"),
    }


Entry = tuple[Callable[..., Values], tuple[str, ...], tuple[str, ...]]
# token -> function, needed inputs, other inputs
FUNCTIONS: dict[str, Entry] = {
    "IpLoadBalancing/getIpLoadBalancing:getIpLoadBalancing": (
        load_balancer,
        (),
        (
            "serviceName",
            "displayName",
            "ipLoadbalancing",
            "ipv4",
            "ipv6",
            "offer",
            "sslConfiguration",
            "state",
            "vrackEligibility",
            "vrackName",
        ),
    ),
    "index/getIploadbalancingNatIps:getIploadbalancingNatIps": (nat_ips, ("serviceName",), ()),
    "index/getServer:getServer": (server, ("serviceName",), ()),
    "index/getServers:getServers": (servers, (), ()),
    "Vrack/getVracks:getVracks": (vracks, (), ()),
    "Vps/getVps:getVps": (vps, ("serviceName",), ()),
    "CloudProject/getRegion:getRegion": (region, ("serviceName", "name"), ()),
    "CloudProject/getRegions:getRegions": (regions, ("serviceName",), ("hasServicesUps",)),
    "Dedicated/getNasHA:getNasHA": (nas_ha, ("serviceName",), ()),
    "Domain/getZone:getZone": (zone, ("name",), ()),
}
