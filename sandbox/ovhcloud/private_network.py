"""/cloud/project/{project}/network/private: VLANs of the project's vRack, each one OpenStack network per region."""

from .cloud import BASE, has_service, network_region, region_of
from .errors import ApiError
from .fields import Default, Fields, ListOf, Needed, integer, text
from .openstack import Segment
from .routing import Call, route
from .store import Object, Store
from .tasks import effect
from .vrack import vrack_of

NETWORK = Fields(name=Needed(text), vlanId=Default(integer(0, 4000), 0), regions=ListOf(text), serviceName=text)


def network_of(call: Call, project: str, network: str) -> Object:
    call.store.service(*BASE, project)
    return call.store.need("networkId", *BASE, project, "network", network)


@route("GET", "/cloud/project/{project}/network/private")
def networks(call: Call, project: str) -> list[Object]:
    call.store.service(*BASE, project)
    return list(call.store.children(*BASE, project, "network").values())


@route("POST", "/cloud/project/{project}/network/private")
def network_create(call: Call, project: str) -> Object:
    """A VLAN of the project's vRack, as one OpenStack network in every region asked for (none: all of them)."""
    call.store.service(*BASE, project)
    body = NETWORK.read(call.body)
    vrack = vrack_of(call.store, "cloudProject", project)
    if not vrack:
        raise ApiError(409, "This project is not attached to a vRack")
    wanted = body["regions"] or [
        name for name, found in call.store.children(*BASE, project, "region").items() if has_service(found, "network")
    ]
    for name in wanted:
        network_region(call, project, name)
    number = f"{vrack}_{body['vlanId']}"
    if call.store.get(*BASE, project, "network", number):
        raise ApiError(409, f"vlanId {body['vlanId']} is already used")
    network = {
        "id": number,
        "name": body["name"],
        "type": "private",
        "vlanId": body["vlanId"],
        "status": "BUILDING",
        "regions": [],
    }
    call.store.put(network, *BASE, project, "network", number)
    for name in dict.fromkeys(wanted):
        network = add_to_region(call, project, network, vrack, name)
    return network


def add_to_region(call: Call, project: str, network: Object, vrack: str, region: str) -> Object:
    """The network, being built in one more region; the vRack's machines see its VLAN before it is active."""
    path = [*BASE, project, "network", network["id"]]
    made = call.openstack.create_network(region, network["name"], Segment(vrack, network["vlanId"]))
    building = {"region": region, "status": "BUILDING", "openstackId": None}
    # Meanwhile an earlier region may have become active.
    network = call.store.need("networkId", *path)
    network = call.store.put({**network, "status": "BUILDING", "regions": [*network["regions"], building]}, *path)
    call.tasks.later(call.tasks.seconds, activate, project, network["id"], region, made)
    call.tasks.settle(path, "status", "ACTIVE", "ERROR", subjects=[("vrack", vrack)])
    return network


@effect
def activate(store: Store, project: str, number: str, region: str, openstack_id: str) -> None:
    found = store.get(*BASE, project, "network", number)
    if found:
        now_active = {"region": region, "status": "ACTIVE", "openstackId": openstack_id}
        store.put(
            {**found, "regions": [now_active if part["region"] == region else part for part in found["regions"]]},
            *BASE,
            project,
            "network",
            number,
        )


@route("GET", "/cloud/project/{project}/network/private/{network}")
def network_info(call: Call, project: str, network: str) -> Object:
    return network_of(call, project, network)


@route("PUT", "/cloud/project/{project}/network/private/{network}")
def network_rename(call: Call, project: str, network: str) -> None:
    network_of(call, project, network)
    call.store.merge(Fields(name=Needed(text)).read(call.body), *BASE, project, "network", network)


@route("DELETE", "/cloud/project/{project}/network/private/{network}")
def network_delete(call: Call, project: str, network: str) -> None:
    found = network_of(call, project, network)
    if call.store.children(*BASE, project, "network", network, "subnet"):
        raise ApiError(409, "This network still has subnets")
    if found["status"] == "BUILDING":
        raise ApiError(409, "This network is still being built")
    for region in found["regions"]:
        call.openstack.delete_network(region["openstackId"])
    wired = [("vrack", network.rpartition("_")[0])]
    call.tasks.start([*BASE, project, "network", network], found, states=("DELETING",), vanish=True, subjects=wired)


@route("POST", "/cloud/project/{project}/network/private/{network}/region")
def network_add_region(call: Call, project: str, network: str) -> Object:
    found = network_of(call, project, network)
    region = Fields(region=Needed(text)).read(call.body)["region"]
    network_region(call, project, region)
    if any(part["region"] == region for part in found["regions"]):
        raise ApiError(409, f"Network already activated in region {region}")
    return add_to_region(call, project, found, network.rpartition("_")[0], region)


@route("DELETE", "/cloud/project/{project}/region/{region}/network/{openstack_id}")
def region_network_delete(call: Call, project: str, region: str, openstack_id: str) -> None:
    region_of(call, project, region)
    found = network_with(call.store, project, openstack_id)
    for subnet in call.store.children(*BASE, project, "network", found["id"], "subnet").values():
        if subnet["ipPools"][0]["region"] == region:
            raise ApiError(409, "This network still has subnets in the region")
    call.openstack.delete_network(openstack_id)
    remaining = [part for part in found["regions"] if part["openstackId"] != openstack_id]
    call.store.put({**found, "regions": remaining}, *BASE, project, "network", found["id"])


def network_with(store: Store, project: str, openstack_id: str) -> Object:
    """The private network which is `openstack_id` in one of its regions."""
    for found in store.children(*BASE, project, "network").values():
        if any(part["openstackId"] == openstack_id for part in found["regions"]):
            return found
    raise ApiError(404, f"Network {openstack_id} not found")
