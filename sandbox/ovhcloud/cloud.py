"""/cloud/project: Public Cloud projects and their regions."""

from .errors import ApiError
from .fields import Fields, boolean, text
from .routing import Call, route, seed
from .store import Object, Store, iam
from .vrack import vrack_of

BASE = ("cloud", "project")
COMPUTE = ("network", "instance", "volume", "image", "workflow")
STORAGE = ("storage",)


@seed
def owned(store: Store, account: Object) -> None:
    for project, given in account["cloud_projects"].items():
        if store.get(*BASE, project) is None:
            store.put(
                {
                    "project_id": project,
                    "projectName": given.get("name"),
                    "description": given.get("name"),
                    "planCode": "project.2018",
                    "status": "ok",
                    "access": "full",
                    "unleash": False,
                    "orderId": None,
                    "creationDate": "2024-01-01T00:00:00+00:00",
                    "expiration": None,
                    "manualQuota": False,
                    "iam": iam("publicCloudProject", project),
                },
                *BASE,
                project,
            )
            for region in given["regions"]:
                add_region(store, project, region, COMPUTE)
            for region in given["storage_regions"]:
                add_region(store, project, region, STORAGE)


def add_region(store: Store, project: str, region: str, services: tuple[str, ...]) -> None:
    store.put(
        {
            "name": region,
            "type": "region",
            "status": "UP",
            "continentCode": "EU",
            "countryCode": "fr",
            "datacenterLocation": region[:3],
            "ipCountries": [],
            "availabilityZones": [],
            "services": [{"name": service, "status": "UP", "endpoint": ""} for service in services],
        },
        *BASE,
        project,
        "region",
        region,
    )


def region_of(call: Call, project: str, region: str) -> Object:
    call.store.service(*BASE, project)
    found = call.store.get(*BASE, project, "region", region)
    if found is None:
        raise ApiError(404, f"Region {region} not found")
    return found


def has_service(region: Object, name: str) -> bool:
    return any(service["name"] == name for service in region["services"])


def network_region(call: Call, project: str, region: str) -> None:
    if not has_service(region_of(call, project, region), "network"):
        raise ApiError(400, f"Region {region} has no networks: it is for object storage only")


@route("GET", "/cloud/project")
def projects(call: Call) -> list[str]:
    return list(call.store.children(*BASE))


@route("GET", "/cloud/project/{project}")
def info(call: Call, project: str) -> Object:
    return call.store.service(*BASE, project)


@route("PUT", "/cloud/project/{project}")
def change(call: Call, project: str) -> None:
    call.store.service(*BASE, project)
    call.store.merge(Fields(description=text, manualQuota=boolean).read(call.body, update=True), *BASE, project)


@route("GET", "/cloud/project/{project}/region")
def regions(call: Call, project: str) -> list[str]:
    call.store.service(*BASE, project)
    return list(call.store.children(*BASE, project, "region"))


@route("GET", "/cloud/project/{project}/region/{region}")
def region_info(call: Call, project: str, region: str) -> Object:
    return region_of(call, project, region)


@route("GET", "/cloud/project/{project}/vrack")
def project_vrack(call: Call, project: str) -> Object:
    call.store.service(*BASE, project)
    name = vrack_of(call.store, "cloudProject", project)
    if not name:
        raise ApiError(404, "This project is not in a vRack")
    found = call.store.need("vrack", "vrack", name)
    return {"id": name, "name": found["name"], "description": found["description"]}
