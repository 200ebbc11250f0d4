"""What is attached to a vRack. Attaching and detaching are tasks."""

from sandbox.toolchain.standin.ovh.client import Api, path
from sandbox.toolchain.standin.ovh.rest import Rest
from sandbox.toolchain.standin.values import Values


class Link(Rest):
    replace, updates = "*", False

    def make(self, api: Api, inputs: Values) -> tuple[str, Values]:
        task, number = api.post(path(self.base, inputs), self.request(inputs)), self.written(inputs)
        self.kept_when_cancelled(number, inputs, lambda: api.vrack_task(task))
        return number, self.kept_safe(number, inputs, lambda: self.look(api, inputs))

    def remove(self, api: Api, values: Values, inputs: Values) -> None:
        api.vrack_task(api.delete(path(self.base + self.item, {**inputs, **values})))


VRACK = {"serviceName": "OVH_VRACK_SERVICE"}
RESOURCES: dict[str, Rest] = {
    "Vrack/cloudProject:CloudProject": Link(
        "vrack",
        "CloudProject",
        base="/vrack/{serviceName}/cloudProject",
        item="/{projectId}",
        body="projectId",
        wire={"projectId": "project", "serviceName": "vrack"},
        ident="vrack_{serviceName}-cloudproject_{projectId}",
        import_id="{serviceName}/{projectId}",
        environment={**VRACK, "projectId": "OVH_CLOUD_PROJECT_SERVICE"},
    ),
    "Vrack/dedicatedServerInterface:DedicatedServerInterface": Link(
        "vrack",
        "DedicatedServerInterface",
        base="/vrack/{serviceName}/dedicatedServerInterface",
        item="/{interfaceId}",
        body="interfaceId",
        wire={"interfaceId": "dedicatedServerInterface", "serviceName": "vrack"},
        import_id="{serviceName}/{interfaceId}",
        ident="vrack_{serviceName}-dedicatedserverinterface_{interfaceId}",
        import_ident="vrack_{serviceName}-dedicatedserver_{interfaceId}",
        environment=VRACK,
    ),
    "Vrack/ipLoadbalancing:IpLoadbalancing": Link(
        "vrack",
        "IpLoadbalancing",
        base="/vrack/{serviceName}/ipLoadbalancing",
        item="/{LoadbalancingId}",
        body="LoadbalancingId",
        wire={"LoadbalancingId": "ipLoadbalancing", "serviceName": "vrack"},
        ident="{serviceName}-{LoadbalancingId}",
        import_id="{serviceName}/{LoadbalancingId}",
    ),
    "Vrack/ipAddress:IpAddress": Link(
        "vrack",
        "IpAddress",
        base="/vrack/{serviceName}/ip",
        item="/{block}",
        body="block region?",
        kept=("region",),
        ident="vrack_{serviceName}-dedicatedserver_{block}",
        import_ident="vrack_{serviceName}-block_{block}",
        import_id="{serviceName},{block}",
        replace=("block", "serviceName"),
    ),
}
