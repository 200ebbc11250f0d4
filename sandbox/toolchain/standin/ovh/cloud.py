"""Public Cloud: private networks, their subnets, gateways."""

# The methods take what a kind of resource may need; class attributes are settings that nobody changes.
# ruff: noqa: ARG002, ARG005, RUF012

import ipaddress

from sandbox.toolchain.standin.ovh.client import Api, APIError, BadParametersError, part, path
from sandbox.toolchain.standin.ovh.rest import Rest
from sandbox.toolchain.standin.ovh.rules import hashed, network, parses
from sandbox.toolchain.standin.values import Values

MODULE = "cloudproject"
PROJECT = {"serviceName": "OVH_CLOUD_PROJECT_SERVICE"}


class NetworkPrivate(Rest):
    base, number, environment = "/cloud/project/{serviceName}/network/private", "id", PROJECT
    body, blank, kept, sets = "serviceName vlanId name regions", {"regions": []}, ("regions",), ("regions",)
    set_mark = ""
    replace, defaults, autonamed = ("serviceName", "vlanId"), {"vlanId": 0}, True

    def make(self, api: Api, inputs: Values) -> tuple[str, Values]:
        number = api.post(path(self.base, inputs), self.request(inputs))["id"]
        values = {**inputs, "id": number}
        self.kept_when_cancelled(number, inputs, lambda: self.active(api, values))
        return number, self.kept_safe(number, inputs, lambda: self.look(api, values))

    def active(self, api: Api, values: Values) -> None:
        api.settle(
            path(self.base + self.item, values), ("BUILDING",), ("ACTIVE",), f"private network {values['id']}", 10
        )

    def change(self, api: Api, values: Values, inputs: Values, old: Values) -> Values:
        """Every wanted region is asked for again; a region no longer wanted is left. The name is never sent."""
        where = path(self.base + self.item, values)
        wanted = hashed(inputs.get("regions") or old.get("regions") or [])
        for region in wanted:
            try:
                api.post(where + "/region", {"region": region})
            except APIError as error:
                if "already activated" not in str(error):
                    raise
                continue
            self.active(api, values)
        found = self.look(api, values) or {}
        for entry in found["regions"]:
            if entry["region"] not in wanted:
                project = path("/cloud/project/{serviceName}", values)
                api.delete(f"{project}/region/{part(entry['region'])}/network/{part(entry['openstackId'])}")
        return self.look(api, values) or {}

    def remove(self, api: Api, values: Values, inputs: Values) -> None:
        where = path(self.base + self.item, values)
        api.delete(where)
        api.vanish(where, ("DELETING",), f"private network {values['id']}")

    def view(self, answer: Values, inputs: Values) -> Values:
        result, regions = super().view(answer, inputs), answer["regions"]
        result["regionsAttributes"] = [
            {"openstackid": r["openstackId"] or "", "region": r["region"], "status": r["status"]} for r in regions
        ]
        first = {r["status"]: r["region"] for r in reversed(regions)}
        result["regionsStatuses"] = [
            {"region": r, "status": s} for s, r in first.items()
        ]  # the real plugin keeps one of each
        result["regionsOpenstackIds"] = {r["region"]: r["openstackId"] or "" for r in regions}
        result["regions"] = sorted(r["region"] for r in regions)
        return result


class Subnet(Rest):
    base, number, environment = "/cloud/project/{serviceName}/network/private/{networkId}/subnet", "id", PROJECT
    body = "serviceName networkId dhcp noGateway start end network region"
    import_id, replace, defaults = "{serviceName}/{networkId}/{id}", "*", {"dhcp": False, "noGateway": False}
    zero = ("gatewayIp",)
    checks = {
        "start": parses(ipaddress.ip_address, lambda v: '"start" must be a valid IP'),
        "end": parses(ipaddress.ip_address, lambda v: '"end" must be a valid IP'),
        "network": parses(network, lambda v: f'"network" is not a valid network value: {v}', slash=True),
    }

    def look(self, api: Api, values: Values) -> Values | None:
        """There is no path for one subnet, only the list."""
        found: list[Values] = api.get(path(self.base, values))
        return next((subnet for subnet in found if subnet["id"] == values["id"]), None)

    def remove(self, api: Api, values: Values, inputs: Values) -> None:
        """What was in the subnet may take its time to go."""
        api.insist(lambda: api.delete(path(self.base + self.item, values)), BadParametersError, 5)

    def view(self, answer: Values, inputs: Values) -> Values:
        pool = answer["ipPools"][0]
        told = {
            "network": answer["cidr"],
            **{k: pool[k] for k in ("dhcp", "start", "end", "region")},
            "noGateway": not answer["gatewayIp"],
        }
        return {**super().view(answer, inputs), **told}


class Gateway(Rest):
    base, environment = "/cloud/project/{serviceName}/region/{region}/gateway", PROJECT
    body, import_id, autonamed = "name model", "{serviceName}/{region}/{id}", True
    replace = ("networkId", "region", "serviceName", "subnetId")

    def make(self, api: Api, inputs: Values) -> tuple[str, Values]:
        made = api.post(
            path("/cloud/project/{serviceName}/region/{region}/network/{networkId}/subnet/{subnetId}/gateway", inputs),
            self.request(inputs),
        )
        where = path("/cloud/project/{serviceName}/operation/", inputs) + part(made["id"])

        def look() -> tuple[Values, str]:
            operation = api.get(where)
            if not operation["resourceId"]:
                return operation, operation["status"]
            return operation, (self.look(api, {**inputs, "id": operation["resourceId"]}) or {})["status"]

        api.wait(look, ("in-progress",), ("active", "completed"), f"operation {made['id']}", 10)
        number = api.get(where)["resourceId"]  # once more, as the real plugin does
        return number, self.kept_safe(number, inputs, lambda: self.look(api, {**inputs, "id": number}))

    def remove(self, api: Api, values: Values, inputs: Values) -> None:
        made = api.delete(path(self.base + self.item, values))
        where = path("/cloud/project/{serviceName}/operation/", values) + part(made["id"])
        api.settle(where, ("in-progress",), ("active", "completed"), f"operation {made['id']}", 10)

    def view(self, answer: Values, inputs: Values) -> Values:
        outside = answer["externalInformation"]
        interfaces = [{k: i[k] for k in ("id", "ip", "networkId", "subnetId")} for i in answer["interfaces"]]
        return {
            **super().view(answer, inputs),
            "externalInformations": [outside] if outside else [],
            "interfaces": interfaces,
        }


RESOURCES: dict[str, Rest] = {
    "CloudProject/networkPrivate:NetworkPrivate": NetworkPrivate(MODULE, "NetworkPrivate"),
    "CloudProject/networkPrivateSubnet:NetworkPrivateSubnet": Subnet(MODULE, "NetworkPrivateSubnet"),
    "CloudProject/gateway:Gateway": Gateway(MODULE, "Gateway"),
}
