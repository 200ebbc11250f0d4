"""The estate of the running sandbox: machines, wires, balancers, names and buckets are what the API says.

These tests use what no published stack does: the second balancer, the last servers, and VLANs of their own in the
vRack that the project is in, or in pn-1002. A stack may be up beside them.
"""

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ovh
import ovh.client
import pytest
from ovh.exceptions import ResourceNotFoundError

from sandbox import GATEWAY, RELEASE, SSH_KEY, authority
from sandbox.lifecycle import environment
from sandbox.ovhcloud.store import Object
from tests.waiting import until

pytestmark = pytest.mark.sandbox

BALANCER, ADDRESS = "loadbalancer-a94d6be0172c4f53b8e9350f6d1c7b42", "198.18.30.2"
SERVERS = {"ns31000011.ip-198-18-16-11.eu": "198.18.16.11", "ns31000012.ip-198-18-16-12.eu": "198.18.16.12"}
OUTSIDER = "ns31000014.ip-198-18-16-14.net"
VPS, VPS_ADDRESS = "vps-0a1b2c02.vps.ovh.net", "198.18.24.2"
VLAN, OTHER_VLAN = 77, 78
LB = f"/ipLoadbalancing/{BALANCER}"
USER_DATA = """#cloud-config
write_files:
- path: /etc/systemd/network/20-private.network
  content: |
    [Match]
    Name=vrack.{vlan}
    [Network]
    Address={address}/24
- path: /etc/systemd/system/page.service
  content: |
    [Service]
    WorkingDirectory=/srv
    ExecStart=/usr/bin/python3 -m http.server 80
    [Install]
    WantedBy=multi-user.target
- path: /srv/index.html
  content: {name}
runcmd:
- [networkctl, reload]
- [systemctl, enable, --now, page]
"""

Call = Callable[..., Any]


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    subprocess.run([sys.executable, "-m", "sandbox", "start"], check=True, capture_output=True)
    return environment()


@pytest.fixture(scope="module")
def call(settings: dict[str, str]) -> Call:
    endpoint = settings["OVH_ENDPOINT"]
    ovh.client.ENDPOINTS[endpoint] = endpoint
    client = ovh.Client(
        endpoint=endpoint,
        application_key=settings["OVH_APPLICATION_KEY"],
        application_secret=settings["OVH_APPLICATION_SECRET"],
        consumer_key=settings["OVH_CONSUMER_KEY"],
    )

    def send(method: str, path: str, body: Any = None) -> Any:
        return client.call(method, path, body, True)

    return send


def vrack_task(call: Call, task: Object) -> None:
    def over() -> bool:
        try:
            call("GET", f"/vrack/{task['serviceName']}/task/{task['id']}")
        except ResourceNotFoundError:
            return True
        return False

    until(over, f"vRack task {task['function']}")


def server_task(call: Call, name: str, task: Object) -> None:
    path = f"/dedicated/server/{name}/task/{task['taskId']}"
    until(lambda: call("GET", path)["status"] not in ("init", "todo", "doing"), f"task of {name}", seconds=300)
    assert call("GET", path)["status"] == "done"


def refresh(call: Call) -> None:
    task = call("POST", f"{LB}/refresh")
    until(lambda: call("GET", f"{LB}/task/{task['id']}")["status"] in ("done", "error"), "refresh")
    assert call("GET", f"{LB}/task/{task['id']}")["status"] == "done"


def reinstall(call: Call, name: str, system: str, **customizations: str) -> Object:
    body = {"operatingSystem": system, "customizations": customizations}
    task: Object = call("POST", f"/dedicated/server/{name}/reinstall", body)
    return task


def interface(call: Call, name: str) -> str:
    found: list[str] = call("GET", f"/dedicated/server/{name}/virtualNetworkInterface?mode=vrack")
    return found[0]


def ssh(address: str, command: str) -> str:
    options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
    words = ["ssh", *options, "-o", "ConnectTimeout=5", "-i", str(SSH_KEY), f"debian@{address}", command]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def page() -> str:
    with urllib.request.urlopen(f"http://{ADDRESS}/", timeout=5) as answer:
        return str(answer.read().decode().strip())


@pytest.fixture(scope="module")
def vrack(call: Call, settings: dict[str, str]) -> Iterator[str]:
    """The path of a vRack that holds the project; a project that was in none is taken out again."""
    project = settings["OVH_CLOUD_PROJECT_SERVICE"]
    try:
        yield f"/vrack/{call('GET', f'/cloud/project/{project}/vrack')['id']}"
    except ResourceNotFoundError:
        vrack_task(call, call("POST", "/vrack/pn-1002/cloudProject", {"project": project}))
        yield "/vrack/pn-1002"
        vrack_task(call, call("DELETE", f"/vrack/pn-1002/cloudProject/{project}"))


@pytest.fixture(scope="module")
def estate(call: Call, settings: dict[str, str], vrack: str) -> Iterator[Object]:
    """Two servers and a balancer in a vRack, with a network; what was made is taken back."""
    project, key = settings["OVH_CLOUD_PROJECT_SERVICE"], SSH_KEY.with_suffix(".pub").read_text().strip()
    tasks = {}
    for number, name in enumerate(SERVERS, 1):
        data = USER_DATA.format(vlan=VLAN, address=f"10.77.0.{number}", name=name)
        tasks[name] = reinstall(
            call, name, "debian13_64", hostname=f"web-{number}", sshKey=key, configDriveUserData=data
        )
        body = {"dedicatedServerInterface": interface(call, name)}
        vrack_task(call, call("POST", f"{vrack}/dedicatedServerInterface", body))
    vrack_task(call, call("POST", f"{vrack}/ipLoadbalancing", {"ipLoadbalancing": BALANCER}))
    leg = {"subnet": "10.77.0.0/24", "natIp": "10.77.0.64/28", "vlan": VLAN}
    network = call("POST", f"{LB}/vrack/network", leg)["vrackNetworkId"]
    refresh(call)
    for name, task in tasks.items():
        server_task(call, name, task)
    yield {"network": network, "project": project}
    for kind, items in (("frontend", "frontend"), ("farm", "farm")):
        for number in call("GET", f"{LB}/http/{items}"):
            call("DELETE", f"{LB}/http/{kind}/{number}")
    call("DELETE", f"{LB}/vrack/network/{network}")
    refresh(call)
    vrack_task(call, call("DELETE", f"{vrack}/ipLoadbalancing/{BALANCER}"))
    for name in SERVERS:
        vrack_task(call, call("DELETE", f"{vrack}/dedicatedServerInterface/{interface(call, name)}"))
        server_task(call, name, reinstall(call, name, "none_64.en"))


class TestMachines:
    @pytest.mark.usefixtures("estate")
    def test_an_installed_server_answers_its_customer(self) -> None:
        for number, address in enumerate(SERVERS.values(), 1):
            assert ssh(address, "hostname; sudo id -u; . /etc/os-release; echo $VERSION_ID").split() == [
                f"web-{number}",
                "0",
                str(RELEASE),
            ]

    @pytest.mark.usefixtures("estate")
    def test_the_interfaces_have_their_names(self) -> None:
        found = {link["ifname"] for link in json.loads(ssh(next(iter(SERVERS.values())), "ip -j link"))}
        assert found >= {"lo", "eno1", "eno2", f"vrack.{VLAN}"}

    def test_a_vps_is_there_from_the_beginning(self) -> None:
        assert ssh(VPS_ADDRESS, "hostname") == VPS.partition(".")[0]

    def test_a_vps_that_switched_itself_off_is_stopped_and_can_be_started(self, call: Call) -> None:
        ssh(VPS_ADDRESS, "sudo systemd-run --quiet --on-active=1 systemctl poweroff --force --force")
        until(lambda: call("GET", f"/vps/{VPS}")["state"] == "stopped", "off")
        call("POST", f"/vps/{VPS}/start")
        until(lambda: call("GET", f"/vps/{VPS}")["state"] == "running", "on again")
        assert ssh(VPS_ADDRESS, "hostname") == VPS.partition(".")[0]

    @pytest.mark.usefixtures("estate")
    def test_a_reboot_keeps_the_disk_and_ends_every_process(self, call: Call) -> None:
        name, address = next(iter(SERVERS.items()))
        ssh(address, "touch kept; sudo touch /run/lost; sync")
        server_task(call, name, call("POST", f"/dedicated/server/{name}/reboot"))
        assert ssh(address, "ls kept; ls /run/lost 2>/dev/null || echo gone").split() == ["kept", "gone"]

    def test_a_server_that_was_never_installed_is_off(self, call: Call) -> None:
        assert call("GET", f"/dedicated/server/{OUTSIDER}")["powerState"] == "poweroff"
        with socket.socket() as probe:
            probe.settimeout(1)
            assert probe.connect_ex(("198.18.16.14", 22)) != 0


class TestVrack:
    @pytest.mark.usefixtures("estate")
    def test_servers_meet_in_a_vlan(self) -> None:
        first, second = SERVERS.values()
        assert ", 0% packet loss" in ssh(first, "ping -c 3 -i 0.2 10.77.0.2")
        assert ", 0% packet loss" in ssh(second, "ping -c 3 -i 0.2 10.77.0.1")

    def test_a_vlan_that_comes_into_use_appears_and_goes(self, call: Call, estate: Object) -> None:
        address = next(iter(SERVERS.values()))
        project = estate["project"]
        base = f"/cloud/project/{project}/network/private"
        made = call("POST", base, {"name": "estate", "vlanId": OTHER_VLAN, "regions": ["GRA11", "SBG5"]})
        found = until(lambda: (n := call("GET", f"{base}/{made['id']}"))["status"] == "ACTIVE" and n, "network")
        assert len({region["openstackId"] for region in found["regions"]}) == 2
        pools = {"network": "10.78.0.0/24", "start": "10.78.0.10", "end": "10.78.0.99", "dhcp": False}
        for region in ("GRA11", "SBG5"):
            call("POST", f"{base}/{made['id']}/subnet", {**pools, "region": region, "noGateway": region != "GRA11"})
        assert f"vrack.{OTHER_VLAN}" in ssh(address, "ip -br link")
        subnet = next(s["id"] for s in call("GET", f"{base}/{made['id']}/subnet") if s["gatewayIp"])
        at = f"/cloud/project/{project}/region/GRA11"
        network = next(r["openstackId"] for r in found["regions"] if r["region"] == "GRA11")
        done = call("POST", f"{at}/network/{network}/subnet/{subnet}/gateway", {"name": "gw", "model": "s"})
        path = f"/cloud/project/{project}/operation/{done['id']}"
        gateway = until(lambda: call("GET", path)["resourceId"], "gateway")
        ssh(address, f"sudo ip addr add 10.78.0.5/24 dev vrack.{OTHER_VLAN}; sudo ip link set vrack.{OTHER_VLAN} up")
        # A real router of Neutron's answers for the gateway's address.
        until(
            lambda: ", 0% packet loss" in ssh(address, "ping -c 1 -W 1 10.78.0.1 || true"),
            "gateway answers",
            seconds=20,
        )
        call("DELETE", f"{at}/gateway/{gateway}")
        until(lambda: gateway not in str(call("GET", f"{at}/gateway")), "gateway gone")
        for found_subnet in call("GET", f"{base}/{made['id']}/subnet"):
            call("DELETE", f"{base}/{made['id']}/subnet/{found_subnet['id']}")
        call("DELETE", f"{base}/{made['id']}")
        until(lambda: made["id"] not in str(call("GET", base)), "network gone")
        assert f"vrack.{OTHER_VLAN}" not in ssh(address, "ip -br link")


class TestBalancer:
    @pytest.fixture
    def farm(self, call: Call, estate: Object) -> int:
        for number in call("GET", f"{LB}/http/farm"):
            return int(number)
        probe = {"type": "http", "url": "/", "match": "status", "pattern": "200"}
        body = {"zone": "all", "port": 80, "probe": probe, "vrackNetworkId": estate["network"]}
        farm = int(call("POST", f"{LB}/http/farm", body)["farmId"])
        for number in (1, 2):
            server = {"address": f"10.77.0.{number}", "status": "active", "probe": True}
            call("POST", f"{LB}/http/farm/{farm}/server", server)
        call("POST", f"{LB}/http/frontend", {"zone": "all", "port": "80", "defaultFarmId": farm})
        refresh(call)
        until(lambda: len({page() for _ in range(2)}) == 2, "both servers answer")
        return farm

    @pytest.mark.usefixtures("farm")
    def test_servers_answer_in_turn_through_the_vrack(self) -> None:
        assert sorted(page() for _ in range(4)) == sorted([*SERVERS, *SERVERS])
        seen = ssh(next(iter(SERVERS.values())), "sudo journalctl -u page --no-pager | grep GET | tail -1")
        assert "10.77.0.65 " in seen

    def test_the_state_of_a_server_is_what_haproxy_saw(self, call: Call, farm: int) -> None:
        server = call("GET", f"{LB}/http/farm/{farm}/server")[0]
        path = f"{LB}/http/farm/{farm}/server/{server}"
        until(lambda: call("GET", path)["serverState"][0]["checkStatus"] == "L7OK", "probe")
        assert call("GET", path)["serverState"][0]["status"] == "up"

    def test_a_refresh_loses_no_request_and_what_is_not_refreshed_is_not_in_force(self, call: Call, farm: int) -> None:
        server = call("GET", f"{LB}/http/farm/{farm}/server")[0]
        stop, lost, answers = threading.Event(), list[Exception](), list[str]()

        def visit() -> None:
            while not stop.is_set():
                try:
                    answers.append(page())
                except (OSError, urllib.error.URLError) as error:
                    lost.append(error)

        visitors = [threading.Thread(target=visit) for _ in range(4)]
        for visitor in visitors:
            visitor.start()
        try:
            call("PUT", f"{LB}/http/farm/{farm}/server/{server}", {"status": "inactive"})
            time.sleep(0.5)
            assert len({page() for _ in range(20)}) == 2
            for status in ("inactive", "active"):
                call("PUT", f"{LB}/http/farm/{farm}/server/{server}", {"status": status})
                refresh(call)
                assert len({page() for _ in range(20)}) == (1 if status == "inactive" else 2)
        finally:
            stop.set()
            for visitor in visitors:
                visitor.join()
        assert not lost
        assert len(answers) > 50

    def test_nothing_declared_is_nothing_listening(self, call: Call, farm: int) -> None:
        for number in call("GET", f"{LB}/http/frontend"):
            call("DELETE", f"{LB}/http/frontend/{number}")
        assert page()
        refresh(call)
        with pytest.raises(urllib.error.URLError, match="refused"):
            page()
        call("DELETE", f"{LB}/http/farm/{farm}")


class TestNames:
    def test_a_record_is_served_after_the_refresh(self, call: Call) -> None:
        zone = "/domain/zone/casebook.example"
        made = call("POST", f"{zone}/record", {"fieldType": "A", "subDomain": "estate", "target": ADDRESS})
        look = "python3 -c 'import socket; print(socket.gethostbyname(\"estate.casebook.example\"))' || true"
        try:
            assert ssh(VPS_ADDRESS, look) == ""
            call("POST", f"{zone}/refresh")
            until(lambda: ssh(VPS_ADDRESS, look) == ADDRESS, "name")
        finally:
            call("DELETE", f"{zone}/record/{made['id']}")
            call("POST", f"{zone}/refresh")


class TestStorage:
    @pytest.fixture
    def bucket(self, call: Call, settings: dict[str, str]) -> Iterator[Object]:
        """A bucket, its owner and somebody who may only read it; each with S3 credentials."""
        project = f"/cloud/project/{settings['OVH_CLOUD_PROJECT_SERVICE']}"
        users = {name: call("POST", f"{project}/user", {"description": name})["id"] for name in ("owner", "reader")}
        for user in users.values():
            path = f"{project}/user/{user}"
            until(lambda path=path: call("GET", path)["status"] == "ok", "user")  # type: ignore[misc]
        keys = {name: call("POST", f"{project}/user/{user}/s3Credentials") for name, user in users.items()}
        name, storage = f"estate-{os.getpid()}", f"{project}/region/GRA/storage"
        call("POST", storage, {"name": name, "ownerId": users["owner"]})
        reading = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{name}/*"}
        policy = {"policy": json.dumps({"Statement": [reading]})}
        call("POST", f"{project}/user/{users['reader']}/policy", policy)
        yield {"name": name, "path": f"{storage}/{name}", "keys": keys}
        while found := call("GET", f"{storage}/{name}/object?withVersions=true"):
            items = [{"key": item["key"], "versionId": item["versionId"]} for item in found]
            call("POST", f"{storage}/{name}/bulkDeleteObjects", {"objects": items})
        call("DELETE", f"{storage}/{name}")
        for user in users.values():
            call("DELETE", f"{project}/user/{user}")

    def s3(self, bucket: Object, who: str, method: str, key: str, tmp_path: Path) -> tuple[int, str]:
        """(status, body) of one signed S3 request."""
        config, host = tmp_path / "curl", f"{bucket['name']}.s3.gra.io.cloud.ovh.net"
        credentials = bucket["keys"][who]
        config.touch(mode=0o600)
        config.write_text(f'user = "{credentials["access"]}:{credentials["secret"]}"\n')
        body = ["--data-binary", f"by {who}"] if method == "PUT" else []
        command = ["curl", "-s", "-K", config, "--cacert", authority.CERTIFICATE, "--aws-sigv4", "aws:amz:gra:s3"]
        command += ["--resolve", f"{host}:443:{GATEWAY}", "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD", *body]
        command += ["-X", method, "-w", "\n%{http_code}", f"https://{host}/{key}"]
        words = [str(word) for word in command]
        text, _, status = subprocess.run(words, check=True, capture_output=True, text=True).stdout.rpartition("\n")
        return int(status), text

    def test_a_policy_opens_a_bucket_for_reading_only(self, call: Call, bucket: Object, tmp_path: Path) -> None:
        assert self.s3(bucket, "owner", "PUT", "a", tmp_path)[0] == 200
        assert self.s3(bucket, "reader", "GET", "a", tmp_path) == (200, "by owner")
        assert self.s3(bucket, "reader", "PUT", "b", tmp_path)[0] == 403
        assert self.s3(bucket, "reader", "DELETE", "a", tmp_path)[0] == 403
        assert call("GET", bucket["path"])["objectsCount"] == 1
