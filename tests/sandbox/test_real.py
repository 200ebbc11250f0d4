"""The sandbox itself, on this host: it starts, repairs itself, carries real machines, and leaves nothing.

Needs root.  The tests run in the order of this file; the last one stops the sandbox.
"""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openstack
import pytest

from sandbox import GATEWAY, MACHINES, RUN, SSH_KEY, lifecycle, packages, processes, wires
from sandbox.machine import CGROUP, MEMORY_SCALE, Machine
from sandbox.openstack.admin import connection
from sandbox.shell import FABRIC, ip, namespaces, nft, run
from tests.waiting import until

pytestmark = pytest.mark.sandbox

VLAN, PRIVATE = 3999, "10.99.0.0/24"
COMMAND = [sys.executable, "-m", "sandbox"]


def sandbox(action: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*COMMAND, action], check=True, capture_output=True, text=True, timeout=900)


@dataclass
class Instance:
    id: str
    public: str

    def ssh(self, command: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
        options += ["-o", "ConnectTimeout=2", "-o", "ServerAliveInterval=5", "-i", str(SSH_KEY)]
        return subprocess.run(
            ["ssh", *options, f"debian@{self.public}", command],
            check=check,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def wait(self, seconds: float = 300) -> None:
        end = time.monotonic() + seconds
        while (done := self.ssh("timeout 60 cloud-init status --wait", check=False)).returncode != 0:
            said = f"{done.stdout}{done.stderr}".strip()
            assert time.monotonic() < end, f"{self.public} is not there after {seconds} s: {said}"
            time.sleep(0.3)


def customer() -> Any:
    given = lifecycle.environment()
    names = ("auth_url", "username", "password", "project_name", "user_domain_name", "project_domain_name")
    options: dict[str, Any] = {name: given[f"OS_{name.upper()}"] for name in names}
    return openstack.connect(load_envvars=False, load_yaml_config=False, region_name="GRA11", **options)


@pytest.fixture(scope="module")
def _started() -> None:
    sandbox("start")


@pytest.fixture(scope="module")
def instance(_started: None) -> Iterator[Instance]:
    """An instance on Ext-Net and on a VLAN of the vRack."""
    cloud, operator = customer(), connection()
    network: Any = operator.network.create_network(
        name="sandbox-test",
        provider_network_type="vlan",
        provider_physical_network="pn-1001@GRA11",
        provider_segmentation_id=VLAN,
    )
    subnet: dict[str, Any] = {"network_id": network.id, "ip_version": 4, "cidr": PRIVATE, "gateway_ip": None}
    operator.network.create_subnet(**subnet)
    key = cloud.compute.create_keypair(name="sandbox-test", public_key=Path(f"{SSH_KEY}.pub").read_text())
    server = cloud.compute.create_server(
        name="sandbox-test",
        flavor_id=cloud.compute.find_flavor("d2-2").id,
        image_id=cloud.image.find_image("Debian 13").id,
        key_name=key.name,
        networks=[{"uuid": cloud.network.find_network("Ext-Net").id}, {"uuid": network.id}],
    )
    try:
        server = cloud.compute.wait_for_server(server, wait=300, interval=0.3)
        found = Instance(server.id, server.addresses["Ext-Net"][0]["addr"])
        found.wait()
        yield found
    finally:
        sandbox("start")  # a test that failed may have left it stopped
        cloud.compute.delete_server(server.id)
        with contextlib.suppress(openstack.exceptions.NotFoundException):
            cloud.compute.wait_for_delete(server, interval=0.3, wait=300)
        cloud.compute.delete_keypair(key.name)
        operator.network.delete_network(network.id)


@pytest.mark.usefixtures("_started")
def test_two_starts_at_once_are_one() -> None:
    processes.end({"keystone"})
    both = [subprocess.Popen([*COMMAND, "start"], stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=600)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum("keystone answers" in text for text in said) == 1, said
    assert sum("waiting for another command: `sandbox start`" in text for text in said) == 1, said
    assert len(processes.marked()["keystone"]) == 1


@pytest.mark.usefixtures("_started")
def test_every_region_is_the_customers() -> None:
    cloud = customer()
    assert re.fullmatch(r"[0-9a-f]{12}4[0-9a-f]{19}", cloud.current_project_id)
    catalogue = cloud.session.auth.get_access(cloud.session).service_catalog.get_endpoints(interface="public")
    compute = {endpoint["region_id"] for endpoint in catalogue["compute"]}
    assert {"GRA11", "RBX-A", "SBG5", "BHS5", "GRA", "RBX", "SBG", "BHS"} == compute


@pytest.mark.usefixtures("_started")
def test_a_customer_cannot_choose_the_wire() -> None:
    with pytest.raises(openstack.exceptions.ForbiddenException):
        customer().network.create_network(
            name="forbidden", provider_network_type="vlan", provider_physical_network="pn-1001@GRA11"
        )


def test_an_instance_is_a_real_machine(instance: Instance) -> None:
    said = instance.ssh("systemctl is-system-running; id -un; sudo id -u; hostname").stdout.split()
    assert said == ["running", "debian", "0", "sandbox-test"]
    assert "Operation not permitted" in instance.ssh("sudo mknod /root/disk b 254 0", check=False).stderr
    limits = json.loads((MACHINES / instance.id / "limits").read_text())
    assert limits == [2000 // MEMORY_SCALE, 1]


def test_an_instance_and_the_vrack_share_the_wire(instance: Instance) -> None:
    ns = "sandbox-test"
    wires.ensure_namespace(ns)
    try:
        wires.plug(ns, wires.mac_address(ns), wires.vrack("pn-1001", VLAN), 1500, ns, "vrack")
        ip("addr", "add", "10.99.0.250/24", "dev", "vrack", ns=ns)
        instance.ssh("ping -c1 -W2 10.99.0.250")
    finally:
        wires.unplug(ns)
        wires.delete_namespace(ns)


def test_a_machine_reaches_no_service_of_the_host(instance: Instance) -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:
        threading.Thread(target=server.accept, daemon=True).start()
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), timeout=3):
            pass
        for address in (f"{GATEWAY}/{port}", "203.0.113.1/80"):
            refused = instance.ssh(f"timeout 3 bash -c '</dev/tcp/{address}'", check=False)
            assert "No route to host" in refused.stderr, "not refused at once"


def test_a_machine_trusts_the_s3_endpoint(instance: Instance) -> None:
    headers = instance.ssh("curl -sS --head https://a-bucket.s3.gra.io.cloud.ovh.net/").stdout
    assert "x-trans-id: tx" in headers.lower(), "not Swift's answer"


def test_what_was_installed_once_is_installed_again_offline(instance: Instance) -> None:
    install = "sudo apt-get install -y -qq tree >/dev/null && tree --version"
    instance.ssh(install)
    instance.ssh("sudo apt-get purge -y -qq tree; sudo apt-get clean")
    # Only new connections are refused, for other tests' sake: the cache's to its mirrors would go on.
    processes.end({"packages"})
    for kept in packages.CACHE.rglob("hello_*"):
        kept.unlink()
    sandbox("start")
    table = "table inet sandbox_test"
    nft(
        f"{table} {{ chain out {{ type filter hook output priority 0; oifname {{ lo, internet }} accept; "
        "tcp dport { 80, 443 } tcp flags syn / syn,ack reject with tcp reset; }; }"
    )
    try:
        offline = instance.ssh("sudo apt-get install -y -qq hello 2>&1", check=False)
        assert offline.returncode != 0, "the way out is not blocked: this test would prove nothing"
        assert "tree v" in instance.ssh(install).stdout
    finally:
        nft(f"delete {table}")


@pytest.mark.usefixtures("_started")
def test_the_world_is_outside() -> None:
    said = subprocess.run(
        [*COMMAND, "world", "--", "ip", "-br", "-4", "addr", "show", "dev", "eth0"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "198.18.127.254/16" in said.stdout
    assert "world" not in namespaces()


def test_killed_parts_come_back(instance: Instance) -> None:
    for part in ("nova", "mariadb", "fabric", "dns"):
        for pid in processes.marked()[part]:
            os.kill(pid, signal.SIGKILL)
    assert subprocess.run([*COMMAND, "status"], check=False, capture_output=True).returncode == 3
    sandbox("start")
    assert subprocess.run([*COMMAND, "status"], check=False, capture_output=True).returncode == 0
    instance.wait(5)
    assert customer().compute.get_server(instance.id).status == "ACTIVE"


def test_a_machine_that_died_is_switched_on_again(instance: Instance) -> None:
    machine = Machine(instance.id)
    leader = machine.leader()
    assert leader is not None
    os.kill(leader, signal.SIGKILL)
    until(machine.fell, "a machine whose process 1 was killed runs on")
    sandbox("start")
    instance.wait()


def test_a_reboot_is_repaired(instance: Instance) -> None:
    boot = instance.ssh("cat /proc/1/stat | cut -d' ' -f22").stdout
    instance.ssh("echo kept | sudo tee /root/file; sync")
    for pid in [pid for pids in processes.marked().values() for pid in pids]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for machine in lifecycle.machines():
        machine.kill()
        for mounted in (machine.root, machine.disk):
            run("umount", "--lazy", mounted, check=False)
    for ns in namespaces():
        if ns == FABRIC or ns.startswith(lifecycle.OWN_NAMESPACES):
            for held in ip("netns", "pids", ns).split():
                os.kill(int(held), signal.SIGKILL)
            ip("netns", "del", ns)
    for file in RUN.glob("*"):
        file.unlink()
    sandbox("start")
    instance.wait(240)  # every machine of the account boots at once
    assert instance.ssh("cat /proc/1/stat | cut -d' ' -f22").stdout != boot
    assert instance.ssh("sudo cat /root/file").stdout == "kept\n"


def test_stop_leaves_nothing_and_start_brings_all_back(instance: Instance) -> None:
    sandbox("stop")
    assert processes.marked() == {}
    assert [ns for ns in namespaces() if ns == FABRIC or ns.startswith(lifecycle.OWN_NAMESPACES)] == []
    assert f"{MACHINES}/" not in Path("/proc/mounts").read_text()
    assert "table ip sandbox" not in run("nft", "list", "tables")
    # What a check beside this one unshared has a copy of the mounts until it ends.
    until(lambda: str(MACHINES) not in run("losetup", "--list"), "no disk is attached", seconds=300)
    assert not any(group for machine in lifecycle.machines() for group in CGROUP.glob(f"*/sandbox/{machine.name}"))
    begun = time.monotonic()
    sandbox("start")
    assert time.monotonic() - begun < 60
    instance.wait()
