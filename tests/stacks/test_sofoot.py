"""So Foot in the sandbox, seen from outside. The checks run in this order, on one `up`."""

import contextlib
import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sandbox import STATE
from sandbox.shell import FABRIC, namespaces
from stacks.clouds import Clouds
from stacks.environment import CHECKOUT
from tests.stacks.running import credentials, make, open_ports, outputs, ssh, world

pytestmark = pytest.mark.sandbox
WEB = [f"web-{n}" for n in range(1, 9)]


@pytest.fixture(scope="module", name="up")
def _up() -> dict[str, Any]:
    """So Foot, up. It stays so when a check fails, to be looked at; the last checks take it away."""
    make("up", "sofoot")
    return outputs("sofoot")


def served_by(url: str, requests: int) -> Counter[str]:
    """How many of the requests each web server answered, from the world, each on a connection of its own."""
    headers = world("sh", "-c", f"for n in $(seq {requests}); do curl -skI --max-time 10 {url}/; done")
    names = [line.split(":")[1].strip() for line in headers.splitlines() if line.lower().startswith("x-served-by")]
    assert len(names) == requests, f"{requests - len(names)} of {requests} requests had no answer"
    return Counter(names)


@pytest.mark.claim("SOF-1")
def test_all_eight_web_servers_answer_in_turn(up: dict[str, Any]) -> None:
    assert sorted(served_by(up["url"], 32)) == WEB
    assert sorted(served_by(up["url"].replace("http:", "https:"), 16)) == WEB


@pytest.mark.claim("SOF-2")
def test_the_world_sees_80_and_443_of_the_balancer_and_nothing_else(up: dict[str, Any]) -> None:
    balancer = up["url"].removeprefix("http://")
    machines = [machine["public"] for machine in up["machines"].values()]
    assert len(machines) == 14
    found = open_ports([balancer, *machines])
    assert found.pop(balancer) == {80, 443}
    assert found == {address: set() for address in machines}


@pytest.mark.claim("SOF-3")
@pytest.mark.claim("SOF-5")
def test_an_article_published_in_the_back_office_appears_on_all_eight(up: dict[str, Any]) -> None:
    office = up["back_office"]
    login = f"{office['user']}:{office['password']}"
    article = f"goal {time.time()}"
    machine = up["machines"]["back-office"]["public"]
    assert world("curl", "-sk", "--max-time", "3", office["url"], check=False) == "", "the world is no journalist"
    ssh(machine, f"curl -fsSk -u '{login}' -T - {office['url']}/edit/goal.html", stdin=article)
    ssh(machine, f"curl -fsSk -u '{login}' -X PUT -d now {office['url']}/publish")
    deadline = time.monotonic() + 30
    while True:
        pages = world("sh", "-c", f"for n in $(seq 16); do curl -s --max-time 10 {up['url']}/goal.html; echo; done")
        if Counter(pages.split("\n"))[article] == 16:
            return
        assert time.monotonic() < deadline, f"after 30 s some web servers still lack the article: {pages}"


@pytest.mark.claim("SOF-4")
def test_a_row_written_on_the_primary_is_on_the_replica(up: dict[str, Any]) -> None:
    primary, replica = (up["machines"][name]["public"] for name in ("db-1", "db-2"))
    value = str(time.time())
    ssh(primary, "sudo mariadb -e 'create database if not exists probe; create table if not exists probe.t (v text)'")
    ssh(primary, f"sudo mariadb -e \"insert into probe.t values ('{value}')\"")
    deadline = time.monotonic() + 10
    while value not in ssh(replica, "sudo mariadb -N -e 'select v from probe.t'"):
        assert time.monotonic() < deadline, "the row is not on the replica after 10 s"
    ssh(primary, "sudo mariadb -e 'drop database probe'")


@pytest.mark.claim("SOF-7")
def test_every_machine_reports_memory_load_disk_and_network(up: dict[str, Any]) -> None:
    watcher = up["machines"]["monitoring"]["public"]
    for figure in (
        "casebook:memory:percent",
        "casebook:load:per_core",
        "casebook:disk:percent",
        "casebook:network:percent",
    ):
        deadline = time.monotonic() + 90  # rates need a minute of answers
        while True:
            answer = ssh(watcher, f"curl -fsS 'http://127.0.0.1:9090/api/v1/query?query={figure}'")
            seen = {one["metric"]["machine"] for one in json.loads(answer)["data"]["result"]}
            if seen >= set(up["machines"]):
                break
            assert time.monotonic() < deadline, f"{figure} of {set(up['machines']) - seen} is missing"
            time.sleep(2)


@pytest.mark.claim("SOF-8")
def test_database_and_site_are_backed_up_and_restored(up: dict[str, Any]) -> None:
    office, replica = (up["machines"][name]["public"] for name in ("back-office", "db-2"))
    for machine, name in ((office, "site"), (replica, "database")):
        ssh(machine, f"sudo backup-{name} run")
        ssh(machine, f"sudo backup-{name} check")
        ssh(machine, f"sudo rm -rf /var/tmp/restored; sudo backup-{name} restore /var/tmp/restored")
        assert ssh(machine, "sudo find /var/tmp/restored -type f | head -1"), f"backup-{name} restored nothing"
        ssh(machine, "sudo rm -rf /var/tmp/restored")


@pytest.mark.usefixtures("up")
def test_a_second_up_changes_nothing() -> None:
    printed = make("up", "sofoot", "--expect-no-changes")
    assert " unchanged" in printed


@pytest.mark.claim("SOF-6")
def test_a_ninth_web_server_is_one_value_and_touches_no_other(up: dict[str, Any]) -> None:
    others = [up["machines"][name]["public"] for name in WEB]
    asked = "stat -c %Y /var/lib/casebook 2>/dev/null; systemctl show -p ExecMainStartTimestampMonotonic nginx"
    before = [ssh(address, f"sudo sh -c '{asked}'") for address in others]
    try:
        make("up", "sofoot", "--set", "web_instances=6")
        assert sorted(served_by(up["url"], 36)) == [*WEB, "web-9"]
        assert [ssh(address, f"sudo sh -c '{asked}'") for address in others] == before
    finally:
        make("up", "sofoot")
    assert sorted(served_by(up["url"], 32)) == WEB


@pytest.mark.claim("SOF-10")
def test_any_one_haproxy_or_web_server_can_be_lost(up: dict[str, Any]) -> None:
    """A daemon that is stopped, one at a time; power loss and the rest are for the drills."""
    for name, unit in (("haproxy-1", "haproxy"), ("web-1", "nginx"), ("web-8", "nginx")):
        machine = up["machines"][name]["public"]
        ssh(machine, f"sudo systemctl stop {unit}")
        try:
            time.sleep(5)
            assert name not in served_by(up["url"], 24)
        finally:
            ssh(machine, f"sudo systemctl start {unit}")


@pytest.mark.usefixtures("up")
def test_destroy_leaves_the_copies_and_what_opens_them_unless_it_is_told() -> None:
    make("destroy", "sofoot")
    clouds, project = Clouds(credentials()), credentials()["OVH_CLOUD_PROJECT_SERVICE"]
    storage = f"/cloud/project/{project}/region/GRA/storage"
    [bucket] = clouds.ovh(storage)
    assert bucket["objectsCount"] > 0
    assert clouds.ovh(f"/cloud/project/{project}/user") == [], "no key is left"
    make("destroy", "sofoot", "--ignore-protect")
    assert clouds.ovh(storage) == []


def test_destroy_leaves_an_empty_account(up: dict[str, Any]) -> None:
    make("destroy", "sofoot", "--ignore-protect")
    clouds = Clouds(credentials())
    project, balancer = credentials()["OVH_CLOUD_PROJECT_SERVICE"], "loadbalancer-3f1c0a7de52b49868c01d4e7a9b2f356"
    region = clouds.openstack("GRA11")
    assert list(region.compute.servers()) == []
    assert list(region.compute.server_groups()) == []
    assert list(region.network.ports(project_id=project)) == []
    assert [group.name for group in region.network.security_groups(project_id=project)] == ["default"]
    for path in (
        f"/cloud/project/{project}/network/private",
        f"/cloud/project/{project}/user",
        f"/cloud/project/{project}/region/GRA/storage",
        "/vrack/pn-1001/cloudProject",
        "/vrack/pn-1001/ipLoadbalancing",
        "/vrack/pn-1001/dedicatedServerInterface",
        *(f"/ipLoadbalancing/{balancer}/{kind}" for kind in ("tcp/farm", "tcp/frontend", "http/frontend")),
        f"/ipLoadbalancing/{balancer}/vrack/network",
        f"/ipLoadbalancing/{balancer}/pendingChanges",
    ):
        assert clouds.ovh(path) == [], path
    assert world("curl", "-s", "--max-time", "5", up["url"], check=False) == "", "the balancer still answers"


def test_a_stopped_sandbox_leaves_nothing_on_this_machine() -> None:
    def processes() -> set[str]:
        """By their folder or their arguments; those of other tests have folders of their own."""
        found = set()
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                arguments = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if str(STATE) in f"{arguments} {(process / 'cwd').readlink()}" or arguments.startswith(
                    "systemd-nspawn"
                ):
                    found.add(arguments)
        return found

    assert any(one.startswith("haproxy") for one in processes())
    subprocess.run([sys.executable, "-m", "sandbox", "stop"], cwd=CHECKOUT, check=True, capture_output=True)
    assert processes() == set()
    assert Path("/proc/mounts").read_text().count(str(STATE)) == 0
    assert not {name for name in namespaces() if name == FABRIC or name.startswith(("machine-", "iplb-", "qrouter-"))}
    rules = subprocess.run(["nft", "list", "ruleset"], text=True, capture_output=True, check=True).stdout
    assert "sandbox" not in rules
