"""Makes a stack fit to continue after an `up` that was killed: dead locks, and creations of unknown outcome.

Pulumi notes each creation before it asks for it. When it dies in between, the thing may exist without being in the
state. It is looked for by its planned name or address: what is found is taken into the state, what is not was never
made. So nothing is made twice, and nothing is left behind. What is of no use without the answer to its creation, or
without the request that follows it, is taken away by Pulumi, to be made anew.
"""

import json
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlparse

from stacks.clouds import Clouds
from stacks.target import Stop, empty_project

Inputs = dict[str, Any]
INSTANCE = "openstack:compute/instance:Instance"
USER = "ovh:CloudProject/user:User"
RECORD = "ovh:Domain/zoneRecord:ZoneRecord"
# A user's password is told in the answer to its creation; a record is served after the refresh that follows.
ANEW = (USER, RECORD)


def mend(stack: str, environment: dict[str, str]) -> dict[str, Any]:
    """Bring the state in line with what exists; returns it."""
    release_dead_lock(stack, environment)
    whole = exported(stack, environment)
    adopt_or_forget(stack, whole, environment)
    return whole


def replacements(state: dict[str, Any], environment: dict[str, str]) -> list[str]:
    """The options for instances that Nova gave up on: their creation is in the state, so pulumi alone keeps them."""
    deployment = state.get("deployment") or {}
    instances = [r for r in deployment.get("resources") or [] if r["type"] == INSTANCE and r.get("id")]
    clouds, failed = Clouds(environment), []
    for region in sorted({instance["outputs"]["region"] for instance in instances}):
        broken = {server.id for server in clouds.openstack(region).compute.servers(status="ERROR")}
        failed += [instance["urn"] for instance in instances if instance["id"] in broken]
    for urn in failed:
        print(f"casebook: the instance {urn.rpartition('::')[2]} is in the state ERROR; it is made anew")
    return [f"--replace={urn}" for urn in failed]


def adopt_or_forget(stack: str, whole: dict[str, Any], environment: dict[str, str]) -> None:
    """Take what was made into the exported state `whole`, drop the other pending operations, and import it."""
    pending = (whole.get("deployment") or {}).get("pending_operations")
    if not pending:
        return
    print(f"casebook: an earlier run was killed in the middle of {len(pending)} operations; looking what they did")
    clouds, made = Clouds(environment), []
    for resource in (operation["resource"] for operation in pending if operation["type"] == "creating"):
        finder = FINDERS.get(resource["type"])
        if found := finder(clouds, resource.get("inputs") or {}) if finder else None:
            outputs = {**resource.get("inputs", {}), **found.outputs}
            made.append({**resource, "custom": True, "id": found.id, "outputs": outputs})
            print(f"casebook: {resource['urn'].rpartition('::')[2]} was made ({found.id}); taken into the state")
    whole["deployment"]["resources"] += made
    whole["deployment"]["pending_operations"] = []
    pulumi("stack", "import", "--stack", stack, environment=environment, stdin=json.dumps(whole))
    # Their outputs are what the provider reads, not what we know.
    targeted("refresh", stack, made, environment)
    targeted("destroy", stack, [resource for resource in made if resource["type"] in ANEW], environment)


def targeted(action: str, stack: str, resources: list[dict[str, Any]], environment: dict[str, str]) -> None:
    if resources:
        targets = [f"--target={resource['urn']}" for resource in resources]
        pulumi(action, "--yes", "--skip-preview", "--stack", stack, *targets, environment=environment)


def release_dead_lock(stack: str, environment: dict[str, str]) -> None:
    """Take away the lock of a pulumi that is no more. Only the file backend keeps locks as files."""
    backend = urlparse(environment.get("PULUMI_BACKEND_URL", ""))
    if backend.scheme != "file":
        return
    for file in (Path(backend.path) / ".pulumi/locks").rglob("*.json"):
        if file.parent.name != stack:
            continue
        try:
            owner = json.loads(file.read_text())
        except (OSError, ValueError):
            continue
        pid, host = int(owner.get("pid", 0)), owner.get("hostname")
        if host != socket.gethostname():
            raise Stop(f"pulumi on {host} has locked {stack}; wait for it, or run `pulumi cancel` if it is no more")
        if is_pulumi(pid):
            raise Stop(f"pulumi (process {pid}) is at work on {stack}; wait until it has ended")
        file.unlink(missing_ok=True)
        print(f"casebook: removed the lock of process {pid}, a pulumi that was killed")


def is_pulumi(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/exe").readlink().name.startswith("pulumi")
    except OSError:
        return False


def pulumi(*arguments: str, environment: dict[str, str], stdin: str = "") -> str:
    with empty_project() as folder:
        command = ["pulumi", "--cwd", folder, "--non-interactive", *arguments]
        done = subprocess.run(command, env=environment, text=True, capture_output=True, input=stdin)
    if done.returncode:
        raise Stop(f"pulumi {arguments[0]} failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def exported(stack: str, environment: dict[str, str]) -> dict[str, Any]:
    printed: dict[str, Any] = json.loads(pulumi("stack", "export", "--stack", stack, environment=environment))
    return printed


class Found(NamedTuple):
    """Something that exists: its id in Pulumi's state, and what reading it needs besides its inputs."""

    id: str
    outputs: dict[str, Any] = {}  # noqa: RUF012 (never changed)


def named(service: str, kind: str) -> Callable[[Clouds, Inputs], Found | None]:
    """A thing of OpenStack by the name and region that the program gave it."""

    def find(clouds: Clouds, inputs: Inputs) -> Found | None:
        proxy = getattr(clouds.openstack(inputs["region"]), service)
        found = list(getattr(proxy, kind)(name=inputs["name"]))
        return Found(found[0].id) if found else None

    return find


def rule(clouds: Clouds, inputs: Inputs) -> Found | None:
    """A rule of a security group, which has no name; Neutron refuses a second one that says the same."""
    said = {
        "security_group_id": "securityGroupId",
        "direction": "direction",
        "protocol": "protocol",
        "port_range_min": "portRangeMin",
        "port_range_max": "portRangeMax",
        "remote_ip_prefix": "remoteIpPrefix",
    }
    wanted = {there: inputs[here] for there, here in said.items() if here in inputs}
    found = list(clouds.openstack(inputs["region"]).network.security_group_rules(**wanted))
    return Found(found[0].id) if found else None


def of_port(clouds: Clouds, inputs: Inputs) -> Found | None:
    """The floating IP on a port."""
    found = list(clouds.openstack(inputs["region"]).network.ips(port_id=inputs["portId"]))
    return Found(found[0].id) if found else None


def container(clouds: Clouds, inputs: Inputs) -> Found | None:
    names = [found.name for found in clouds.openstack(inputs["region"]).object_store.containers()]
    return Found(inputs["name"]) if inputs["name"] in names else None


def linked(kind: str, key: str, template: str) -> Callable[[Clouds, Inputs], Found | None]:
    """A link of a vRack, which has no identity but its two ends."""

    def find(clouds: Clouds, inputs: Inputs) -> Found | None:
        target = inputs[key]
        exists = target in clouds.ovh(f"/vrack/{inputs['serviceName']}/{kind}")
        return Found(template.format(vrack=inputs["serviceName"], target=target)) if exists else None

    return find


def private_network(clouds: Clouds, inputs: Inputs) -> Found | None:
    project = inputs["serviceName"]
    for network in clouds.ovh(f"/cloud/project/{project}/network/private"):
        if network["vlanId"] == inputs.get("vlanId", 0):
            return Found(network["id"])
    return None


def private_subnet(clouds: Clouds, inputs: Inputs) -> Found | None:
    project, network = inputs["serviceName"], inputs["networkId"]
    for subnet in clouds.ovh(f"/cloud/project/{project}/network/private/{network}/subnet"):
        if any(pool["region"] == inputs["region"] for pool in subnet["ipPools"]):
            return Found(subnet["id"])
    return None


def of_balancer(kind: str) -> Callable[[Clouds, Inputs], Found | None]:
    """A farm or frontend by the name that the program displays."""

    def find(clouds: Clouds, inputs: Inputs) -> Found | None:
        service = inputs["serviceName"]
        for number in clouds.ovh(f"/ipLoadbalancing/{service}/{kind}"):
            if clouds.ovh(f"/ipLoadbalancing/{service}/{kind}/{number}")["displayName"] == inputs.get("displayName"):
                return Found(str(number))
        return None

    return find


def farm_server(kind: str) -> Callable[[Clouds, Inputs], Found | None]:
    def find(clouds: Clouds, inputs: Inputs) -> Found | None:
        service, farm = inputs["serviceName"], inputs["farmId"]
        base = f"/ipLoadbalancing/{service}/{kind}/{farm}/server"
        for number in clouds.ovh(base):
            if clouds.ovh(f"{base}/{number}")["address"] == inputs["address"]:
                return Found(str(number))
        return None

    return find


def balancer_network(clouds: Clouds, inputs: Inputs) -> Found | None:
    service = inputs["serviceName"]
    for number in clouds.ovh(f"/ipLoadbalancing/{service}/vrack/network"):
        if clouds.ovh(f"/ipLoadbalancing/{service}/vrack/network/{number}")["natIp"] == inputs["natIp"]:
            return Found(f"{service}_{number}", {"vrackNetworkId": number})
    return None


def bucket(clouds: Clouds, inputs: Inputs) -> Found | None:
    project, region, name = inputs["serviceName"], inputs["regionName"], inputs["name"]
    names = [found["name"] for found in clouds.ovh(f"/cloud/project/{project}/region/{region}/storage")]
    return Found(name) if name in names else None


def user(clouds: Clouds, inputs: Inputs) -> Found | None:
    project = inputs["serviceName"]
    for found in clouds.ovh(f"/cloud/project/{project}/user"):
        if found["description"] == inputs.get("description"):
            return Found(str(found["id"]))
    return None


def record(clouds: Clouds, inputs: Inputs) -> Found | None:
    base = f"/domain/zone/{inputs['zone']}/record"
    for number in clouds.ovh(f"{base}?fieldType={inputs['fieldtype']}&subDomain={inputs.get('subdomain', '')}"):
        if clouds.ovh(f"{base}/{number}")["target"] == inputs["target"]:
            return Found(str(number))
    return None


def installation(clouds: Clouds, inputs: Inputs) -> Found | None:
    """An installation that still runs: OVHcloud refuses a second one. It is waited for."""
    base = f"/dedicated/server/{inputs['serviceName']}/task"
    running = [n for status in ("init", "todo", "doing") for n in clouds.ovh(f"{base}?status={status}")]
    for number in running:
        task = clouds.ovh(f"{base}/{number}")
        while task["function"] == "reinstallServer" and task["status"] != "done":
            if task["status"] not in ("init", "todo", "doing"):
                return None
            time.sleep(1)
            task = clouds.ovh(f"{base}/{number}")
        if task["function"] == "reinstallServer":
            return Found(str(number))
    return None


# What is not here has no life outside the state (passwords, certificates), or may be done again (configurations,
# installations, refreshes, S3 keys, which a user may have several of).
FINDERS: dict[str, Callable[[Clouds, Inputs], Found | None]] = {
    INSTANCE: named("compute", "servers"),
    "openstack:compute/serverGroup:ServerGroup": named("compute", "server_groups"),
    "openstack:networking/port:Port": named("network", "ports"),
    "openstack:networking/secGroup:SecGroup": named("network", "security_groups"),
    "openstack:networking/secGroupRule:SecGroupRule": rule,
    "openstack:networking/router:Router": named("network", "routers"),
    "openstack:networking/floatingIp:FloatingIp": of_port,
    "openstack:objectstorage/container:Container": container,
    "ovh:CloudProject/networkPrivate:NetworkPrivate": private_network,
    "ovh:CloudProject/networkPrivateSubnet:NetworkPrivateSubnet": private_subnet,
    "ovh:CloudProject/storage:Storage": bucket,
    USER: user,
    "ovh:Dedicated/serverReinstallTask:ServerReinstallTask": installation,
    RECORD: record,
    "ovh:IpLoadBalancing/tcpFarm:TcpFarm": of_balancer("tcp/farm"),
    "ovh:IpLoadBalancing/httpFarm:HttpFarm": of_balancer("http/farm"),
    "ovh:IpLoadBalancing/tcpFrontend:TcpFrontend": of_balancer("tcp/frontend"),
    "ovh:IpLoadBalancing/httpFrontend:HttpFrontend": of_balancer("http/frontend"),
    "ovh:IpLoadBalancing/tcpFarmServer:TcpFarmServer": farm_server("tcp/farm"),
    "ovh:IpLoadBalancing/httpFarmServer:HttpFarmServer": farm_server("http/farm"),
    "ovh:IpLoadBalancing/vrackNetwork:VrackNetwork": balancer_network,
    "ovh:Vrack/cloudProject:CloudProject": linked("cloudProject", "projectId", "vrack_{vrack}-cloudproject_{target}"),
    "ovh:Vrack/ipLoadbalancing:IpLoadbalancing": linked("ipLoadbalancing", "LoadbalancingId", "{vrack}-{target}"),
    "ovh:Vrack/dedicatedServerInterface:DedicatedServerInterface": linked(
        "dedicatedServerInterface", "interfaceId", "vrack_{vrack}-dedicatedserverinterface_{target}"
    ),
}
