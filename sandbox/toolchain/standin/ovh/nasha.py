"""NAS-HA: partitions, who may mount them, snapshots. Each change is a task of the NAS."""

# The methods take what a kind of resource may need; class attributes are settings that nobody changes.
# ruff: noqa: ARG002, RUF012

from urllib.parse import unquote

from sandbox.toolchain.standin.ovh.client import Api, ResourceNotFoundError, part, path
from sandbox.toolchain.standin.ovh.rest import Rest
from sandbox.toolchain.standin.ovh.rules import BLOCK
from sandbox.toolchain.standin.values import Values

MODULE = "dedicated"


class OfNas(Rest):
    """Made and removed by a task. What was removed by somebody else is an error at the next look, not a difference:
    the real plugin compares the error's text with one that the API's client no longer gives."""

    def make(self, api: Api, inputs: Values) -> tuple[str, Values]:
        self.done(api, inputs, api.post(path(self.base, inputs), self.request(inputs)))
        return self.written(inputs), {}

    def done(self, api: Api, values: Values, task: Values) -> None:
        where = f"/dedicated/nasha/{part(values['serviceName'])}/task/{task['taskId']}"
        api.settle(where, ("init", "todo", "doing"), ("done",), f"task {task['taskId']} of {values['serviceName']}", 10)

    def look(self, api: Api, values: Values) -> Values | None:
        try:
            return super().look(api, values)
        except ResourceNotFoundError as error:
            raise RuntimeError(f"Error calling {path(self.base + self.item, values)}:\n\t '{error}'") from None

    def remove(self, api: Api, values: Values, inputs: Values) -> None:
        self.done(api, values, api.delete(path(self.base + self.item, values)))


class Partition(OfNas):
    base, item = "/dedicated/nasha/{serviceName}/partition", "/{name}"
    body, blank = "name description protocol size", {"description": ""}
    wire = {"name": "partitionName", "description": "partitionDescription", "capacity": "partitionCapacity"}
    ident = import_id = "{serviceName}/{name}"
    replace, zero, autonamed = ("name", "protocol", "serviceName"), ("description",), True

    def change(self, api: Api, values: Values, inputs: Values, old: Values) -> Values:
        where = path(self.base + self.item, values)
        api.put(where, {"size": inputs["size"], "partitionDescription": inputs.get("description") or ""})
        wanted = (str(inputs["size"]),)
        api.wait(lambda: (None, str(api.get(where)["size"])), (), wanted, f"size of {where}", 10)
        return {}


class Access(OfNas):
    base, item = "/dedicated/nasha/{serviceName}/partition/{partitionName}/access", "/{ip}"
    body, defaults, replace = "ip type aclDescription?", {"type": "readwrite"}, "*"
    import_id, checks = "{serviceName}/{partitionName}/{ip}", {"ip": BLOCK}

    def written(self, values: Values, imported: bool = False) -> str:
        return path("{serviceName}/{partitionName}/{ip}", values)

    def from_import(self, given: str) -> Values:
        found = super().from_import(given)
        return {**found, "ip": unquote(found["ip"])}


class Snapshot(OfNas):
    base, item = "/dedicated/nasha/{serviceName}/partition/{partitionName}/snapshot", "/{type}"
    body, wire, replace = "type", {"type": "snapshotType"}, "*"
    ident = import_id = "{serviceName}/{partitionName}/{type}"


RESOURCES: dict[str, Rest] = {
    "Dedicated/nasHAPartition:NasHAPartition": Partition(MODULE, "NasHAPartition"),
    "Dedicated/nasHAPartitionAccess:NasHAPartitionAccess": Access(MODULE, "NasHAPartitionAccess"),
    "Dedicated/nasHAPartitionSnapshot:NasHAPartitionSnapshot": Snapshot(MODULE, "NasHAPartitionSnapshot"),
}
