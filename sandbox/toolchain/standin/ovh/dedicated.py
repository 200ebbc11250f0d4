"""Dedicated servers: reinstallation, and what their network interfaces are for."""

# The methods take what a kind of resource may need; class attributes are settings that nobody changes.
# ruff: noqa: ARG002, RUF012

from typing import Any

from sandbox.toolchain.standin.ovh.client import SERVERS_DOUBTED, Api, part, path
from sandbox.toolchain.standin.ovh.rest import Rest
from sandbox.toolchain.standin.shapes import filled
from sandbox.toolchain.standin.values import Values, empty


class Reinstall(Rest):
    """A reinstallation, done once: the task is the resource."""

    import_id, replace = None, ("customizations", "os", "properties", "serviceName", "storages")
    defaults = {"storages[].partitionings[].layouts[].raidLevel": 1}

    def make(self, api: Api, inputs: Values) -> tuple[str, Values]:
        body: Values = {"operatingSystem": inputs["os"]}
        if given := inputs.get("customizations"):
            body["customizations"] = {"imageURL" if k == "imageUrl" else k: v for k, v in given.items() if not empty(v)}
        if inputs.get("properties"):
            body["properties"] = inputs["properties"]
        if inputs.get("storages"):
            body["storage"] = [self.storage(given) for given in inputs["storages"]]
        server = inputs["serviceName"]
        task = api.post(f"/dedicated/server/{part(server)}/reinstall", body)
        number = str(task["taskId"])
        self.kept_when_cancelled(number, inputs, lambda: api.server_task(server, task))
        return number, self.kept_safe(
            number, inputs, lambda: api.get(f"/dedicated/server/{part(server)}/task/{number}")
        )

    def storage(self, given: Values) -> Values:
        result: Values = {"diskGroupId": given["diskGroupId"]} if given.get("diskGroupId") else {}
        if given.get("hardwareRaids"):
            result["hardwareRaid"] = given["hardwareRaids"]
        for partitioning in given.get("partitionings") or []:
            layouts = [
                {
                    **{k: v for k, v in layout.items() if k != "extras" and not empty(v)},
                    "raidLevel": layout.get("raidLevel", 1),
                    "extras": self.extras(layout.get("extras")),
                }
                for layout in partitioning.get("layouts") or []
            ]
            result["partitioning"] = {k: v for k, v in partitioning.items() if k != "layouts" and not empty(v)}
            if layouts:
                result["partitioning"]["layout"] = layouts
        return result

    def extras(self, given: Any) -> Values:
        first = (given or [{}])[0]
        return {
            kind: {"name": first[key][0]["name"]} if first.get(key) else {}
            for kind, key in (("lv", "lvs"), ("zp", "zps"))
        }

    def look(self, api: Api, values: Values) -> Values:
        return {}

    def change(self, api: Api, values: Values, inputs: Values, old: Values) -> Values:
        return {}

    def view(self, answer: Values, inputs: Values) -> Values:
        result = super().view(answer, inputs)
        for name in ("customizations", "storages"):
            result[name] = filled(result[name], self.outputs.properties[name])
        for name in ("startDate", "lastUpdate", "doneDate"):
            if result[name]:
                result[name] = result[name].replace("+00:00", "Z")
        return result

    def remove(self, api: Api, values: Values, inputs: Values) -> None:
        if inputs.get("bootidOnDestroy"):
            server = inputs["serviceName"]
            api.put(f"/dedicated/server/{part(server)}", {"bootId": inputs["bootidOnDestroy"]})
            api.server_task(server, api.post(f"/dedicated/server/{part(server)}/reboot"))


class Networking(Rest):
    base, item, body = "/dedicated/server/{serviceName}/networking", "", "interfaces"
    import_id, ident, replace, limits, sets = "{serviceName}", "{serviceName}", "*", {"interfaces": (1, 2)}, ("macs",)

    def make(self, api: Api, inputs: Values) -> tuple[str, Values]:
        self.active(api, inputs)
        wanted = [{"macs": sorted(i["macs"]), "type": i["type"]} for i in inputs["interfaces"]]
        api.post(path(self.base, inputs), {"interfaces": wanted})
        self.active(api, inputs)
        number = inputs["serviceName"]
        return number, self.kept_safe(number, inputs, lambda: self.look(api, inputs))

    def active(self, api: Api, values: Values) -> None:
        what = f"networking of {values['serviceName']}"
        api.settle(path(self.base, values), ("deploying",), ("active",), what, 45, SERVERS_DOUBTED)

    def remove(self, api: Api, values: Values, inputs: Values) -> None:
        self.active(api, values)
        api.delete(path(self.base, values))
        self.active(api, values)

    def view(self, answer: Values, inputs: Values) -> Values:
        found = [{"macs": sorted(i["macs"]), "type": i["type"]} for i in answer["interfaces"]]
        return {
            **super().view(answer, inputs),
            "description": answer["status"],  # so does the real plugin
            "interfaces": sorted(found, key=lambda i: str(i["type"])),
        }


RESOURCES: dict[str, Rest] = {
    "Dedicated/serverReinstallTask:ServerReinstallTask": Reinstall("dedicated", "ServerReinstallTask"),
    "Dedicated/serverNetworking:ServerNetworking": Networking("dedicated", "ServerNetworking"),
}
