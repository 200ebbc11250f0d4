"""What an account holds of each type of Pulumi's resources: which of them is the one that a program describes."""

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from stacks.clouds import Clouds

Inputs = dict[str, Any]
INSTANCE = "openstack:compute/instance:Instance"
USER = "ovh:CloudProject/user:User"
S3_KEY = "ovh:CloudProject/s3Credential:S3Credential"
RECORD = "ovh:Domain/zoneRecord:ZoneRecord"


class CloudResource(NamedTuple):
    """Something that exists in the account.

    id        as Pulumi's state names it
    identity  what tells it from its like: values that the program gives as inputs
    outputs   what reading it needs besides its inputs
    """

    id: str
    identity: dict[str, Any]
    outputs: dict[str, Any] = {}  # noqa: RUF012 (never changed)

    def is_of(self, inputs: Inputs) -> bool:
        return all((inputs.get(name) or None) == (value or None) for name, value in self.identity.items())


# Those beside which one with these inputs would stand: of its region, its balancer, its zone.
Listing = Callable[[Clouds, Inputs], Iterator[CloudResource]]


def matching(clouds: Clouds, kind: str, inputs: Inputs) -> list[CloudResource]:
    """Those that these inputs describe: one, unless it was never made, or made twice."""
    listing = LISTINGS.get(kind)
    return [found for found in listing(clouds, inputs) if found.is_of(inputs)] if listing else []


def named(service: str, kind: str) -> Listing:
    """What OpenStack has, by the name and region that the program gave them."""

    def listing(clouds: Clouds, inputs: Inputs) -> Iterator[CloudResource]:
        proxy = getattr(clouds.openstack(inputs["region"]), service)
        for found in getattr(proxy, kind)(name=inputs["name"]):
            yield CloudResource(found.id, {"name": found.name})

    return listing


def rules(clouds: Clouds, inputs: Inputs) -> Iterator[CloudResource]:
    """Rules of a security group, which have no name; Neutron refuses a second one that says the same."""
    group = inputs["securityGroupId"]
    for found in clouds.openstack(inputs["region"]).network.security_group_rules(security_group_id=group):
        yield CloudResource(
            found.id,
            {
                "direction": found.direction,
                "protocol": found.protocol,
                "portRangeMin": found.port_range_min,
                "portRangeMax": found.port_range_max,
                "remoteIpPrefix": found.remote_ip_prefix,
            },
        )


def floating_addresses(clouds: Clouds, inputs: Inputs) -> Iterator[CloudResource]:
    for found in clouds.openstack(inputs["region"]).network.ips():
        yield CloudResource(found.id, {"portId": found.port_id})


def containers(clouds: Clouds, inputs: Inputs) -> Iterator[CloudResource]:
    for found in clouds.openstack(inputs["region"]).object_store.containers():
        yield CloudResource(found.name, {"name": found.name})


def linked(kind: str, key: str, template: str) -> Listing:
    """Links of a vRack, which have no identity but their two ends."""

    def listing(clouds: Clouds, inputs: Inputs) -> Iterator[CloudResource]:
        vrack = inputs["serviceName"]
        for target in clouds.ovh(f"/vrack/{vrack}/{kind}"):
            yield CloudResource(template.format(vrack=vrack, target=target), {key: target})

    return listing


def private_networks(clouds: Clouds, inputs: Inputs) -> Iterator[CloudResource]:
    for found in clouds.ovh(f"/cloud/project/{inputs['serviceName']}/network/private"):
        yield CloudResource(found["id"], {"vlanId": found["vlanId"]})


def private_subnets(clouds: Clouds, inputs: Inputs) -> Iterator[CloudResource]:
    project, network = inputs["serviceName"], inputs["networkId"]
    for found in clouds.ovh(f"/cloud/project/{project}/network/private/{network}/subnet"):
        yield from (CloudResource(found["id"], {"region": pool["region"]}) for pool in found["ipPools"])


def of_balancer(kind: str) -> Listing:
    """Farms or frontends by the name that the program displays."""

    def listing(clouds: Clouds, inputs: Inputs) -> Iterator[CloudResource]:
        base = f"/ipLoadbalancing/{inputs['serviceName']}/{kind}"
        for number in clouds.ovh(base):
            yield CloudResource(str(number), {"displayName": clouds.ovh(f"{base}/{number}")["displayName"]})

    return listing


def farm_servers(kind: str) -> Listing:
    def listing(clouds: Clouds, inputs: Inputs) -> Iterator[CloudResource]:
        base = f"/ipLoadbalancing/{inputs['serviceName']}/{kind}/{inputs['farmId']}/server"
        for number in clouds.ovh(base):
            yield CloudResource(str(number), {"address": clouds.ovh(f"{base}/{number}")["address"]})

    return listing


def balancer_networks(clouds: Clouds, inputs: Inputs) -> Iterator[CloudResource]:
    service = inputs["serviceName"]
    base = f"/ipLoadbalancing/{service}/vrack/network"
    for number in clouds.ovh(base):
        identity = {"natIp": clouds.ovh(f"{base}/{number}")["natIp"]}
        yield CloudResource(f"{service}_{number}", identity, {"vrackNetworkId": number})


def buckets(clouds: Clouds, inputs: Inputs) -> Iterator[CloudResource]:
    for found in clouds.ovh(f"/cloud/project/{inputs['serviceName']}/region/{inputs['regionName']}/storage"):
        yield CloudResource(found["name"], {"name": found["name"]})


def users(clouds: Clouds, inputs: Inputs) -> Iterator[CloudResource]:
    for found in clouds.ovh(f"/cloud/project/{inputs['serviceName']}/user"):
        yield CloudResource(str(found["id"]), {"description": found["description"]})


def s3_keys(clouds: Clouds, inputs: Inputs) -> Iterator[CloudResource]:
    """A program gives a user one."""
    for found in clouds.ovh(f"/cloud/project/{inputs['serviceName']}/user/{inputs['userId']}/s3Credentials"):
        yield CloudResource(found["access"], {})


def records(clouds: Clouds, inputs: Inputs) -> Iterator[CloudResource]:
    base = f"/domain/zone/{inputs['zone']}/record"
    for number in clouds.ovh(f"{base}?fieldType={inputs['fieldtype']}&subDomain={inputs.get('subdomain', '')}"):
        yield CloudResource(str(number), {"target": clouds.ovh(f"{base}/{number}")["target"]})


def installations(clouds: Clouds, inputs: Inputs) -> Iterator[CloudResource]:
    """An installation that still runs: OVHcloud refuses a second one. It is waited for."""
    base = f"/dedicated/server/{inputs['serviceName']}/task"
    running = [n for status in ("init", "todo", "doing") for n in clouds.ovh(f"{base}?status={status}")]
    for number in running:
        task = clouds.ovh(f"{base}/{number}")
        while task["function"] == "reinstallServer" and task["status"] in ("init", "todo", "doing"):
            time.sleep(1)
            task = clouds.ovh(f"{base}/{number}")
        if task["function"] == "reinstallServer" and task["status"] == "done":
            yield CloudResource(str(number), {})


# What is not here has no life outside the state (passwords, certificates), or may be done again (configurations,
# refreshes).
LISTINGS: dict[str, Listing] = {
    INSTANCE: named("compute", "servers"),
    "openstack:compute/serverGroup:ServerGroup": named("compute", "server_groups"),
    "openstack:networking/port:Port": named("network", "ports"),
    "openstack:networking/secGroup:SecGroup": named("network", "security_groups"),
    "openstack:networking/secGroupRule:SecGroupRule": rules,
    "openstack:networking/router:Router": named("network", "routers"),
    "openstack:networking/floatingIp:FloatingIp": floating_addresses,
    "openstack:objectstorage/container:Container": containers,
    "ovh:CloudProject/networkPrivate:NetworkPrivate": private_networks,
    "ovh:CloudProject/networkPrivateSubnet:NetworkPrivateSubnet": private_subnets,
    "ovh:CloudProject/storage:Storage": buckets,
    USER: users,
    S3_KEY: s3_keys,
    "ovh:Dedicated/serverReinstallTask:ServerReinstallTask": installations,
    RECORD: records,
    "ovh:IpLoadBalancing/tcpFarm:TcpFarm": of_balancer("tcp/farm"),
    "ovh:IpLoadBalancing/httpFarm:HttpFarm": of_balancer("http/farm"),
    "ovh:IpLoadBalancing/tcpFrontend:TcpFrontend": of_balancer("tcp/frontend"),
    "ovh:IpLoadBalancing/httpFrontend:HttpFrontend": of_balancer("http/frontend"),
    "ovh:IpLoadBalancing/tcpFarmServer:TcpFarmServer": farm_servers("tcp/farm"),
    "ovh:IpLoadBalancing/httpFarmServer:HttpFarmServer": farm_servers("http/farm"),
    "ovh:IpLoadBalancing/vrackNetwork:VrackNetwork": balancer_networks,
    "ovh:Vrack/cloudProject:CloudProject": linked("cloudProject", "projectId", "vrack_{vrack}-cloudproject_{target}"),
    "ovh:Vrack/ipLoadbalancing:IpLoadbalancing": linked("ipLoadbalancing", "LoadbalancingId", "{vrack}-{target}"),
    "ovh:Vrack/dedicatedServerInterface:DedicatedServerInterface": linked(
        "dedicatedServerInterface", "interfaceId", "vrack_{vrack}-dedicatedserverinterface_{target}"
    ),
}
