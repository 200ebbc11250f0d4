"""The ovh stand-in in the real engine, against the sandbox's OVHcloud API."""

import json
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvicorn

from sandbox import faults
from sandbox.faults import Fault
from sandbox.ovhcloud.account import load_account
from sandbox.ovhcloud.app import create_app
from sandbox.ovhcloud.store import Object
from sandbox.ports import free_port
from sandbox.toolchain.standin.ovh import client, provider
from sandbox.toolchain.standin.ovh import cloud as cloud_family
from sandbox.toolchain.standin.ovh.client import BadParametersError
from sandbox.toolchain.standin.ovh.rest import Rest
from sandbox.toolchain.standin.resource import Call
from stacks import environment, state_recovery
from tests.toolchain.conftest import Plugin, Program, Values
from tests.waiting import until

PROJECT = "0123456789ab4cdef0123456789abcde"
KEYS = {"application_key": "ak", "application_secret": "as", "consumer_key": "ck"}
BALANCER = "loadbalancer-3f1c0a7de52b49868c01d4e7a9b2f356"
SERVER = "ns31000001.ip-198-18-16-1.eu"
HEAD = f"""
import pulumi, pulumi_ovh as ovh
from pulumi_ovh import iploadbalancing as lb
config = pulumi.Config()
step, name, project, server = config.get_int("step") or 1, "{BALANCER}", "{PROJECT}", "{SERVER}"
"""


class Cloud:
    """The API on a port of its own, and what was asked of it."""

    def __init__(self, folder: Path, task_seconds: float) -> None:
        (folder / "project.json").write_text(json.dumps({"project_id": PROJECT, "ovh": KEYS}))
        account = load_account(Path(__file__).parents[2] / "sandbox/account.yaml", folder / "project.json")
        app = create_app(folder / "account.sqlite", account, task_seconds)
        self.port, self.store = free_port(), app.state.store
        self.server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=self.port, log_level="error"))
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.02)

    def requests(self) -> list[str]:
        """Method and path of every request but the log-ins, without the parts that are drawn."""
        with self.store.transaction():
            rows = self.store.db.execute("SELECT method, path FROM requests ORDER BY rowid").fetchall()
        found = [f"{method} {path.removeprefix('/1.0')}" for method, path in rows if "/auth/" not in path]
        return [
            re.sub(r"/\d{5,}|/[0-9a-f]{32}(?=/s|$)", "/#", line.replace(PROJECT, "P").replace(BALANCER, "B"))
            for line in found
        ]

    def close(self) -> None:
        self.server.should_exit = True
        self.thread.join()


@pytest.fixture
def task_seconds() -> float:
    return 0.1


@pytest.fixture
def cloud(tmp_path: Path, task_seconds: float) -> Iterator[Cloud]:
    made = Cloud(tmp_path, task_seconds)
    yield made
    made.close()


@pytest.fixture
def program(program: Program, cloud: Cloud) -> Program:
    program.environment |= {
        "OVH_ENDPOINT": f"http://127.0.0.1:{cloud.port}/1.0",
        **{f"OVH_{name.upper()}": value for name, value in KEYS.items()},
        "CASEBOOK_OVH_POLL_SECONDS": "0.05",
    }
    return program


LOAD_BALANCER = (
    HEAD
    + """
zone = "rbx" if step < 4 else "gra"
link = ovh.vrack.IpLoadbalancing("link", service_name="pn-1001", loadbalancing_id=name)
network = lb.VrackNetwork("network", service_name=name, subnet="10.0.0.0/24", nat_ip="10.0.0.64/28", vlan=100,
                          opts=pulumi.ResourceOptions(depends_on=[link]))
farm = lb.HttpFarm("farm", service_name=name, zone=zone, port=80, vrack_network_id=network.vrack_network_id.apply(int),
                   balance="roundrobin" if step < 2 else "leastconn", probe={"type": "http", "url": "/"})
servers = [lb.HttpFarmServer(f"web-{n}", service_name=name, farm_id=farm.id.apply(int), address=f"10.0.0.{n}",
                             status="active", port=80, weight=1, probe=True) for n in range(1, 3 if step < 3 else 2)]
front = lb.HttpFrontend("front", service_name=name, zone=zone, port="80", default_farm_id=farm.id.apply(int))
lb.Refresh("refresh", service_name=name, keepers=[r.id for r in (farm, *servers, front)] + [str(step)])
pulumi.export("ip", lb.get_ip_load_balancing_output(service_name=name).ipv4)
"""
)


def test_a_load_balancer_lives(program: Program, cloud: Cloud) -> None:
    program.write(LOAD_BALANCER)
    assert set(program.planned().values()) == {"create"}
    assert cloud.requests() == ["GET /ipLoadbalancing/B"], "a preview asks for what functions look up, and no more"
    program.up()
    assert program.outputs() == {"ip": "198.18.30.1"}
    program.preview("--expect-no-changes")
    program.refresh()
    program.preview("--expect-no-changes")

    program.configure(step=2)
    assert program.planned() == {"farm": "update", "refresh": "replace"}
    program.up()
    program.configure(step=3)
    assert program.planned() == {"web-2": "delete", "refresh": "replace"}
    program.up()
    program.configure(step=4)
    assert program.planned() == {"farm": "replace", "web-1": "replace", "front": "update", "refresh": "replace"}
    program.up()
    program.destroy()
    assert program.resources().keys() <= {"tested-dev"}
    assert not list(cloud.store.children("ipLoadbalancing", BALANCER, "http/farm"))


@pytest.mark.parametrize("task_seconds", [4.0])
def test_what_is_built_at_the_real_plugins_pace_is_the_same(program: Program, cloud: Cloud) -> None:
    """Each task is over before it is first looked at."""
    program.environment["CASEBOOK_OVH_PACE"] = "real"
    program.write(LOAD_BALANCER)
    began = time.monotonic()
    program.up()
    assert time.monotonic() - began > 30, "the vRack's task, the balancer's tasks, the refresh"
    asked = [line for line in cloud.requests() if "/task" in line]
    assert asked == [
        "GET /vrack/pn-1001/task/#",
        "GET /ipLoadbalancing/B/task?action=refreshIplb&status=todo",
        "GET /ipLoadbalancing/B/task?action=refreshIplb&status=doing",
        "GET /ipLoadbalancing/B/task/#",
    ]
    program.preview("--expect-no-changes")


def test_calls_are_the_real_ones_in_the_real_order(program: Program, cloud: Cloud) -> None:
    """Orders from recorded traffic of the real plugin."""
    program.write(LOAD_BALANCER)
    program.up()
    seen = [line for line in cloud.requests() if "getIp" not in line]

    def story(part: str) -> list[str]:
        return list(dict.fromkeys(line for line in seen if part in line))

    vrack = story("/vrack/pn-1001/")
    assert vrack[0] == "POST /vrack/pn-1001/ipLoadbalancing"
    assert all(line.startswith("GET /vrack/pn-1001/task/") for line in vrack[1:-1])
    assert vrack[-1] == "GET /vrack/pn-1001/ipLoadbalancing/B"
    assert story("/http/farm/#/server") == [
        "POST /ipLoadbalancing/B/http/farm/#/server",
        "GET /ipLoadbalancing/B/http/farm/#/server/#",
    ]
    refresh = [
        "GET /ipLoadbalancing/B/task?action=refreshIplb&status=todo",
        "GET /ipLoadbalancing/B/task?action=refreshIplb&status=doing",
        "GET /ipLoadbalancing/B/pendingChanges",
        "POST /ipLoadbalancing/B/refresh",
        "GET /ipLoadbalancing/B/task/#",
    ]
    assert [line for line in story("/ipLoadbalancing/B/") if line in refresh] == refresh
    assert seen.index("POST /ipLoadbalancing/B/refresh") > max(n for n, line in enumerate(seen) if "/server/#" in line)


NETWORK = (
    HEAD
    + """
link = ovh.vrack.CloudProject("link", service_name="pn-1001", project_id=project)
network = ovh.cloudproject.NetworkPrivate("network", service_name=project, name="net", vlan_id=42 if step < 2 else 43,
                                          regions=["GRA11"], opts=pulumi.ResourceOptions(depends_on=[link]))
subnet = ovh.cloudproject.NetworkPrivateSubnet("subnet", service_name=project, network_id=network.id, region="GRA11",
                                               start="192.168.0.2", end="192.168.0.200", network="192.168.0.0/24",
                                               dhcp=True)
nic = ovh.vrack.DedicatedServerInterface("nic", service_name="pn-1001",
                                         interface_id=ovh.get_server(service_name=server).enabled_vrack_vnis[0])
install = ovh.dedicated.ServerReinstallTask("install", service_name=server, os="debian13_64", customizations={
    "hostname": "web", "ssh_key": pulumi.Output.secret("ssh-ed25519 AAAA hidden")})
records = [ovh.domain.ZoneRecord(f"www-{n}", zone="sofoot.example", subdomain="www", fieldtype="A",
                                 target=f"198.18.30.{n}", ttl=60) for n in (1, 2)]
pulumi.export("id", network.regions_openstack_ids.apply(lambda ids: list(ids)))
"""
)


def test_networks_servers_and_names_live(program: Program, cloud: Cloud) -> None:
    program.write(NETWORK)
    program.up()
    assert program.outputs() == {"id": ["GRA11"]}
    assert "AAAA hidden" not in json.dumps(program.resources())
    program.refresh()
    program.preview("--expect-no-changes")
    program.configure(step=2)
    planned = program.planned()
    assert planned == {"network": "replace", "subnet": "replace"}
    program.destroy()
    assert not cloud.store.children("vrack", "pn-1001", "cloudProject")


STORAGE = (
    HEAD
    + """
import json
bucket = ovh.cloudproject.Storage("bucket", service_name=project, region_name="GRA", name="sofoot-media",
    hide_objects=True, limit=1, versioning={"status": "enabled"}, tags={"step": str(step)},
    object_lock={"status": "enabled", "rule": {"mode": "governance", "period": "P10D"}} if step < 3 else None)
ovh.CloudProjectStorageObjectBucketLifecycleConfiguration("lifecycle", service_name=project, region_name="GRA",
    container_name=bucket.name, rules=[{"id": name, "status": "enabled", "filter": {"prefix": name},
                                        "expiration": {"days": 7 * step}} for name in ("old", "logs")])
user = ovh.cloudproject.User("user", service_name=project, description="backup", role_names=["objectstore_operator"])
key = ovh.cloudproject.S3Credential("key", service_name=project, user_id=user.id)
rights = {"Statement": [{"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::sofoot-media/*"]}]}
ovh.cloudproject.S3Policy("policy", service_name=project, user_id=user.id, policy=json.dumps(rights, indent=step))
pulumi.export("host", bucket.virtual_host)
pulumi.export("access", key.access_key_id)
pulumi.export("secret", key.secret_access_key)
pulumi.export("password", user.password)
pulumi.export("account", user.openstack_rc)
"""
)


def test_object_storage_lives(program: Program, cloud: Cloud) -> None:
    program.write(STORAGE)
    shown = program.up()
    outputs = program.outputs()
    assert outputs["host"] == "https://sofoot-media.s3.gra.io.cloud.ovh.net/"
    assert outputs["account"]["OS_TENANT_ID"] == PROJECT
    for secret in (outputs["secret"], outputs["password"]):
        assert secret
        assert secret not in shown
        assert secret not in json.dumps(program.resources())
    program.preview("--expect-no-changes")
    program.refresh()
    program.preview("--expect-no-changes")

    bucket = program.resources()["bucket"]
    assert (bucket["id"], bucket["outputs"]["id"]) == ("sofoot-media", f"{PROJECT}/GRA/sofoot-media")

    program.configure(step=2)
    assert program.planned() == {"bucket": "update", "lifecycle": "update"}, (
        "a policy written otherwise is the same policy"
    )
    program.up()
    assert program.outputs()["password"] == outputs["password"]
    program.configure(step=3)
    assert program.planned() == {"bucket": "replace", "lifecycle": "replace"}, "object lock is for a bucket's life"
    program.destroy()
    assert not cloud.store.children("cloud", "project", PROJECT, "bucket")
    assert not cloud.store.children("cloud", "project", PROJECT, "user")


SERVICE_ACCOUNT = (
    HEAD
    + """
account = ovh.me.APIOAuth2Client("watchdog", name="watchdog", description=f"step {step}", flow="CLIENT_CREDENTIALS")
ovh.iam.Policy("watchdog", name="watchdog", identities=[account.identity],
               resources=[f"urn:v1:eu:resource:loadbalancer:{name}"],
               allows=["loadbalancer:apiovh:refresh", "loadbalancer:apiovh:task/get"][:3 - step])
pulumi.export("secret", account.client_secret)
"""
)


def test_a_service_account_lives(program: Program, cloud: Cloud) -> None:
    program.write(SERVICE_ACCOUNT)
    shown = program.up()
    secret = program.outputs()["secret"]
    assert secret not in shown
    program.preview("--expect-no-changes")
    program.refresh()
    program.preview("--expect-no-changes")
    program.configure(step=2)
    assert list(program.planned().values()) == ["update"], "the account and its policy have the same logical name"
    program.up()
    assert program.outputs()["secret"] == secret
    program.destroy()
    assert not cloud.store.children("me", "api", "oauth2", "client")
    assert not cloud.store.children("v2", "iam", "policy")


def test_a_role_that_there_is_not_is_named(program: Program) -> None:
    program.write(f"{HEAD}ovh.cloudproject.User('user', service_name=project, role_names=['king'])\n")
    assert 'role "king" does not exist' in program.up(fails=True)


def test_what_is_there_is_imported(program: Program) -> None:
    program.write(LOAD_BALANCER)
    program.up()
    farm = program.resources()["farm"]["id"]
    arguments = ("--yes", "--non-interactive", "--generate-code=false", "--protect=false")
    program.run("import", "ovh:IpLoadBalancing/httpFarm:HttpFarm", "again", f"{BALANCER}/{farm}", *arguments)
    copy = program.resources()["again"]
    assert copy["id"] == farm
    assert copy["outputs"]["balance"] == "roundrobin"
    shown = program.run("import", "ovh:IpLoadBalancing/httpFarm:HttpFarm", "other", "nothing", *arguments, fails=True)
    assert "is not {serviceName}/{id} formatted" in shown


def test_wrong_keys_and_no_server_are_told(program: Program) -> None:
    program.write(LOAD_BALANCER)
    program.environment["OVH_APPLICATION_SECRET"] = "wrong"
    assert "Invalid signature" in program.preview(fails=True)
    program.environment["OVH_ENDPOINT"] = f"http://127.0.0.1:{free_port()}/1.0"
    assert "OVH client seems to be misconfigured" in program.preview(fails=True)


@pytest.mark.parametrize("task_seconds", [30.0])
def test_what_an_interrupted_update_made_is_not_lost(program: Program, cloud: Cloud) -> None:
    program.write(f"{HEAD}ovh.vrack.IpLoadbalancing('link', service_name='pn-1001', loadbalancing_id=name)\n")
    process = program.start("up", "--yes", "--skip-preview", "--non-interactive")
    until(lambda: any("/task/" in line for line in cloud.requests()), every=0.02)
    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode != 0
    assert time.monotonic() - asked < 15
    found = program.resources()["link"]
    assert found["id"] == f"pn-1001-{BALANCER}"
    assert "given up because the update was cancelled" in output


LOOK_UP = """
from pulumi_casebook.core import lookup
from pulumi_casebook.machines.machine.adopted import rented_vps
import pulumi
lookup.PAUSES = (1,)
pulumi.export("name", rented_vps(pulumi.Config().require("name")).result(None).name)
"""


def test_a_look_up_whose_error_is_an_answer_is_noticed(program: Program) -> None:
    program.environment["PYTHONPATH"] = str(Path(__file__).parents[2] / "components")
    program.write(LOOK_UP)
    program.configure(name="vps-0a1b2c99.vps.ovh.net")
    assert (
        "VPS 'vps-0a1b2c99.vps.ovh.net': the account does not show it (the plugin gives no reason"
        in program.preview(fails=True)
    )


UNREAD = (
    HEAD
    + """
link = ovh.vrack.CloudProject("project", service_name="pn-1001", project_id=project)
ovh.vrack.IpLoadbalancing("balancer", service_name="pn-1001", loadbalancing_id=name)
nic = ovh.get_server(service_name=server).enabled_vrack_vnis[0]
ovh.vrack.DedicatedServerInterface("interface", service_name="pn-1001", interface_id=nic)
network = ovh.cloudproject.NetworkPrivate("network", service_name=project, name="net", vlan_id=42, regions=["GRA11"],
                                          opts=pulumi.ResourceOptions(depends_on=[link]))
ovh.cloudproject.NetworkPrivateSubnet("subnet", service_name=project, network_id=network.id, region="GRA11",
                                      start="192.168.0.2", end="192.168.0.200", network="192.168.0.0/24")
user = ovh.cloudproject.User("user", service_name=project, description="backup", role_names=["objectstore_operator"])
key = ovh.cloudproject.S3Credential("key", service_name=project, user_id=user.id)
pulumi.export("secret", key.secret_access_key)
"""
)
# The answers that do not come, what is then in the state and was never seen, and whether the provider can update it.
READS = {
    r"GET .*/vrack/pn-1001/(cloudProject|ipLoadbalancing|dedicatedServerInterface)/": (
        "project balancer interface",
        False,
    ),
    r"GET .*/subnet$|POST .*/secret$": ("subnet key", False),
    r"GET .*/user/[0-9]+/openrc": ("user", True),
}


@pytest.mark.parametrize("requests", READS)
def test_what_was_made_and_not_read_is_no_end_of_the_road(
    program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, requests: str
) -> None:
    """The real plugin has set the id when its read fails: Pulumi wants an update, which most of these do not have."""
    names, updated = READS[requests]
    monkeypatch.setattr(faults, "FILE", tmp_path / "faults.json")
    monkeypatch.setattr(faults, "MADE", tmp_path / "faults.log")
    monkeypatch.setattr(environment, "HOME", tmp_path)
    (program.folder / "Pulumi.yaml").write_text("name: casebook\nruntime: python\n")
    program.run("stack", "init", "shop")
    program.write(UNREAD)
    faults.set_to([Fault("503", 1, requests)])
    told = program.run("up", "--yes", "--skip-preview", "--non-interactive", "--continue-on-error", fails=True)
    assert "status code 503" in told
    unread = {name for name, found in program.resources().items() if found.get("initErrors")}
    assert unread == set(names.split())
    faults.set_to([])
    if updated:
        program.up()
    else:
        assert "doesn't support update" in program.up(fails=True)
        state_recovery.recover("shop", program.environment)
        program.up()
    assert not [name for name, found in program.resources().items() if found.get("initErrors")]
    assert program.outputs()["secret"]
    program.preview("--expect-no-changes")


FARM: Values = {"serviceName": "b", "zone": "all"}
BUCKET: Values = {"serviceName": "p", "regionName": "GRA"}
LIFECYCLE = (
    "index/cloudProjectStorageObjectBucketLifecycleConfiguration:CloudProjectStorageObjectBucketLifecycleConfiguration"
)
REFUSALS: list[tuple[str, Object, str]] = [
    ("IpLoadBalancing/httpFarm:HttpFarm", {"zone": "all"}, 'The argument "service_name" is required'),
    ("IpLoadBalancing/httpFarm:HttpFarm", {**FARM, "balance": "fair"}, "Value fair is not among valid values"),
    ("IpLoadBalancing/httpFarm:HttpFarm", {**FARM, "balanse": "source"}, "Invalid or unknown key"),
    ("IpLoadBalancing/httpFarm:HttpFarm", {**FARM, "port": "eighty"}, "expected a number, got 'eighty'"),
    (
        "IpLoadBalancing/httpFarm:HttpFarm",
        {**FARM, "probe": {"type": "http", "interval": 5}},
        "Probe interval not in 30..3600",
    ),
    ("IpLoadBalancing/httpFarm:HttpFarm", {**FARM, "probe": {"kind": "http"}}, "Invalid or unknown key"),
    ("IpLoadBalancing/tcpFarm:TcpFarm", {**FARM, "balance": "uri"}, "Value uri is not among valid values"),
    (
        "IpLoadBalancing/httpFarmServer:HttpFarmServer",
        {"serviceName": "b", "farmId": 1, "address": "web", "status": "active"},
        "is not an IPv4",
    ),
    (
        "Domain/zoneRecord:ZoneRecord",
        {"zone": "z", "fieldtype": "A", "target": "t", "ttl": 30},
        "greater than or equal to 60",
    ),
    (
        "CloudProject/storage:Storage",
        {"serviceName": "p", "regionName": "GRA", "versioning": {"status": "on"}},
        "Value on is not among",
    ),
    (
        "CloudProject/networkPrivateSubnet:NetworkPrivateSubnet",
        {"serviceName": "p", "networkId": "n", "region": "r", "start": "a", "end": "10.0.0.9", "network": "10.0.0.0"},
        "must be a valid IP",
    ),
    ("Dedicated/serverNetworking:ServerNetworking", {"serviceName": "s", "interfaces": []}, "needs 1 to 2 items"),
    ("CloudProject/storage:Storage", {**BUCKET, "hideObjects": "true"}, "expected a bool, got 'true'"),
    (
        "CloudProject/storage:Storage",
        {**BUCKET, "replication": {"rules": [{"id": "copy", "status": "enabled"}]}},
        "Missing required argument: destination",
    ),
    (
        LIFECYCLE,
        {**BUCKET, "containerName": "b", "rules": [{"id": "old", "expiration": {"date": "2027-01-01T00:00:00Z"}}]},
        "must be a date in YYYY-MM-DD format",
    ),
]
# What the real plugin takes though it is not quite right, and as what.
TAKEN: list[tuple[str, Object, Object]] = [
    ("IpLoadBalancing/httpFarm:HttpFarm", {**FARM, "port": 80.5}, {"port": 80}),
    ("IpLoadBalancing/httpFarm:HttpFarm", {**FARM, "display_name": "shop"}, {"displayName": "shop"}),
    ("IpLoadBalancing/httpFarm:HttpFarm", {**FARM, "probe": {"type": "http", "forceSsl": 3}}, {"forceSsl": True}),
    ("IpLoadBalancing/httpFarm:HttpFarm", {**FARM, "probe": {"type": "http", "url": None}}, {"type": "http"}),
    ("CloudProject/storage:Storage", {**BUCKET, "name": "b", "versionning": {"status": "enabled"}}, {"name": "b"}),
]


def leaves(value: Values) -> Values:
    below = [leaves(item) for item in value.values() if isinstance(item, dict)]
    return {name: item for one in (*below, value) for name, item in one.items() if name != "__defaults"}


@pytest.mark.parametrize(("token", "inputs", "taken"), TAKEN)
def test_what_the_provider_takes_is_taken(
    plugin: Callable[[str], Plugin], token: str, inputs: Values, taken: Values
) -> None:
    found, reasons = plugin("ovh").check(token, inputs)
    assert not reasons
    assert taken.items() <= leaves(found).items()
    assert None not in leaves(found).values(), "a null is no value, at any depth"


@pytest.mark.parametrize(("token", "inputs", "reason"), REFUSALS)
def test_what_the_provider_refuses_is_refused(
    plugin: Callable[[str], Plugin], token: str, inputs: Values, reason: str
) -> None:
    _, reasons = plugin("ovh").check(token, inputs)
    assert any(reason in found for found in reasons), reasons
    assert all("Examine values at 'it." in found for found in reasons)


def test_defaults_and_names_are_filled_in(plugin: Callable[[str], Plugin]) -> None:
    inputs, reasons = plugin("ovh").check("CloudProject/networkPrivate:NetworkPrivate", {"serviceName": "p"}, "net")
    assert not reasons
    assert inputs["vlanId"] == 0
    assert re.fullmatch(r"net-[0-9a-f]{7}", inputs["name"])
    assert inputs["__defaults"] == ["name", "vlanId"]


def test_a_subnet_still_in_use_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    refusals = [BadParametersError("Subnet still in use")] * 2

    class Client:
        def call(self, *_: object) -> None:
            if refusals:
                raise refusals.pop()

    monkeypatch.setattr(client, "POLL_SECONDS", 0.0)
    api = client.Api(Client(), Call("urn", lambda *_: None))
    cloud_family.Subnet("cloudproject", "NetworkPrivateSubnet").remove(
        api, {"serviceName": "p", "networkId": "n", "id": "s"}, {}
    )
    assert not refusals


def sent(token: str, inputs: Values) -> Values:
    """The body that a creation sends."""
    entry = provider("2.22.0").resources[token]
    assert isinstance(entry, Rest)
    return entry.request(inputs)


def test_bodies_are_the_real_plugins() -> None:
    """Zeros and empty lists that are sent, or left out, as the provider's sources say of each."""
    server = {"address": "10.0.0.1", "weight": 0}
    assert "weight" not in sent("IpLoadBalancing/httpFarmServer:HttpFarmServer", server), "so the API makes it 1"
    assert sent("IpLoadBalancing/tcpFarmServer:TcpFarmServer", server)["weight"] == 0
    assert sent("IpLoadBalancing/httpRoute:HttpRoute", {"action": {"type": "farm"}})["weight"] == 0
    assert sent("CloudProject/user:User", {"description": "backup"})["roles"] == []
    policy = {"name": "shop", "identities": ["one"], "resources": ["urn"], "allows": ["get"]}
    assert sent("Iam/policy:Policy", policy) == {
        "name": "shop",
        "identities": ["one"],
        "resources": [{"urn": "urn"}],
        "permissions": {"allow": [{"action": "get"}], "except": None, "deny": None},
        "permissionsGroups": None,
    }
    conditions = {"operator": "MATCH", "values": {"request.IP": "192.0.2.1"}}
    assert sent("Iam/policy:Policy", {**policy, "conditions": conditions})["conditions"] == conditions


def test_a_text_that_the_api_has_quoted_is_the_same_text() -> None:
    record = {"zone": "z", "fieldtype": "TXT", "ttl": 0, "subdomain": "", "target": "v=spf1 -all"}
    entry = provider("2.22.0").resources["Domain/zoneRecord:ZoneRecord"]
    assert not entry.diff({**record, "target": '"v=spf1 -all"'}, record, []).changed
    assert entry.diff({**record, "target": '"v=spf1 +all"'}, record, []).changed == ["target"]


def test_an_import_names_a_network_as_it_is_escaped() -> None:
    entry = provider("2.22.0").resources["Dedicated/nasHAPartitionAccess:NasHAPartitionAccess"]
    assert isinstance(entry, Rest)
    assert entry.from_import("zpool-1/data/10.0.0.0%2F24")["ip"] == "10.0.0.0/24"
