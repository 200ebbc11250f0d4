"""NextRadioTV in the sandbox, seen from outside. The checks run in this order, on one `up`."""

import base64
import contextlib
import functools
import json
import re
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest

import architectures
from sandbox import GATEWAY
from stacks.clouds import Clouds
from stacks.deployed_stack import CommandFailed, DeployedStack
from tests.components.web.nginx_tier.test_traffic import png, width_of
from tests.stacks.running import credentials, make, open_ports, outputs, world
from tests.waiting import until

pytestmark = pytest.mark.sandbox
MEMBERS = [*(f"db-{n}" for n in range(1, 8)), *(f"office-db-{n}" for n in range(1, 4))]
# The second site, in the fewest machines.
DRP = [
    "region=SBG5",
    *("sizes.front=4", "sizes.nginx=1", "sizes.php=1", "sizes.memcached=1", "sizes.sql=2"),
    *(f"database_servers.drp-db-{n}=ns310000{29 + n}.ip-198-18-16-{29 + n}.eu" for n in (1, 2, 3)),
]
Machine = Callable[..., str]


@pytest.fixture(scope="module", name="up")
def _up() -> dict[str, Any]:
    """NextRadioTV, up, in the counts of `casebook:sandbox`. It stays so when a check fails, to be looked at."""
    make("up", "nextradiotv", timeout=3000)
    return outputs("nextradiotv")


@pytest.fixture(scope="module", name="on")
def _on(up: dict[str, Any]) -> Machine:
    """Runs a command on a machine, by its name; machines without a public address are reached through the gateway."""
    return DeployedStack("nextradiotv", architectures.outputs("nextradiotv").model_validate(up)).on


def page(address: str, path: str) -> tuple[dict[str, str], str]:
    """Headers and text of a page, asked for by somebody in the world at one of the front's addresses."""
    answer = world("curl", "-si", "--max-time", "20", "-H", "Host: www.nextradiotv.example", f"http://{address}{path}")
    head, _, text = answer.replace("\r", "").partition("\n\n")
    lines = (line.partition(": ") for line in head.split("\n")[1:])
    return {name.lower(): value for name, _, value in lines}, text


def answers(address: str) -> bool:
    with contextlib.suppress(CommandFailed):  # nobody has the address, or listens on it
        return "x-served-by" in page(address, "/")[0]
    return False


def publish(up: dict[str, Any], title: str) -> int:
    """An article of a journalist's, by the back office; its number."""
    office = up["office"]
    command = (
        f"curl -skS --max-time 30 --resolve {office['host']}:443:{office['address']} "
        f"--data-urlencode title='{title}' -d text=text https://{office['host']}/"
    )
    # Journalists come from where administrators come from in the sandbox: this computer.
    said = subprocess.run(["sh", "-c", command], text=True, capture_output=True, check=True).stdout
    return int(json.loads(said)["id"])


@pytest.mark.claim("NRT-1")
def test_the_name_has_four_addresses_and_each_answers(up: dict[str, Any]) -> None:
    def asked() -> set[str]:
        return set(world("dig", "+short", "@" + GATEWAY, "www.nextradiotv.example").split())

    assert asked() == set(up["addresses"].values())
    assert len(asked()) == 4
    for address in asked():
        assert page(address, "/")[0]["x-served-by"].startswith("nginx-")


@pytest.mark.claim("NRT-2")
def test_the_world_reaches_port_80_of_the_four_and_nothing_else(up: dict[str, Any]) -> None:
    fronts = list(up["addresses"].values())
    public = {one["public"] for one in up["machines"].values() if one["public"] != one["private"]}
    found = open_ports([*fronts, *sorted(public)], "1-10000")
    assert {address: found.pop(address) for address in fronts} == {address: {80} for address in fronts}
    assert found == {address: set() for address in public}


@pytest.mark.claim("NRT-4")
@pytest.mark.claim("NRT-16")
def test_an_article_of_the_back_office_comes_through_every_tier_and_is_kept(up: dict[str, Any]) -> None:
    title = f"goal {time.time()}"
    number = publish(up, title)
    address = next(iter(up["addresses"].values()))
    headers, text = page(address, f"/article/{number}")
    assert title in text
    assert (headers["x-cache"], headers["x-block"]) == ("MISS", "made")
    assert headers["x-php"].startswith("php-")
    # The same page is nginx's, on the server that has it; another address of the page has its blocks from Memcached.
    assert "HIT" in {page(address, f"/article/{number}")[0]["x-cache"] for _ in range(4)}
    assert page(address, f"/article/{number}?print")[0]["x-block"] == "kept"


@pytest.mark.claim("NRT-16")
def test_the_back_office_is_for_journalists_and_on_its_own_members(up: dict[str, Any], on: Machine) -> None:
    office = up["office"]
    assert world("curl", "-sk", "--max-time", "5", f"https://{office['address']}/", check=False) == ""
    servers = on("office-sql-1", "sudo cat /etc/haproxy/haproxy.cfg")
    assert re.findall(r"^\s+server (\S+)", servers, re.M) == ["office-db-1", "office-db-2", "office-db-3"]


@pytest.mark.claim("NRT-5")
def test_ten_members_are_synced_and_the_arbitrator_votes(up: dict[str, Any], on: Machine) -> None:
    for name in MEMBERS:
        state = on(name, "sudo mariadb -N -e \"show status like 'wsrep_%'\"")
        assert re.search(r"wsrep_local_state_comment\s+Synced", state), name
        assert re.search(r"wsrep_cluster_size\s+11", state), "ten members and the arbitrator"
        assert re.search(r"wsrep_cluster_status\s+Primary", state), name
    assert len(up["machines"]) > len(MEMBERS)


@pytest.mark.claim("NRT-8")
def test_an_image_of_object_storage_is_resized_and_the_second_time_from_the_cache(up: dict[str, Any]) -> None:
    storage = Clouds(credentials()).openstack("GRA").object_store
    storage.upload_object("images", "photo.png", data=png(1000, 500))
    address = next(iter(up["addresses"].values()))
    seen = set()
    for _ in range(6):
        script = f"curl -s -D /dev/stderr -H 'Host: www' 'http://{address}/images/photo.png?width=320' | base64 -w0"
        answer = world("sh", "-c", f"{{ {script}; }} 2>&1").replace("\r", "")
        head, _, body = answer.partition("\n\n")
        assert width_of(base64.b64decode(body)) == 320
        seen.add(re.findall(r"x-cache: (\w+)", head, re.I)[0])
    assert seen == {"MISS", "HIT"}
    assert page(address, "/images/photo.png?width=321")[0].get("x-cache") != "HIT", "a width that is not offered"


@pytest.mark.claim("NRT-9")
@pytest.mark.claim("NRT-10")
def test_machines_ask_their_own_name_servers_and_leave_by_the_gateway_only(up: dict[str, Any], on: Machine) -> None:
    for name in ("nginx-1", "office-php-1", "db-1"):
        servers = re.findall(r"nameserver (\S+)", on(name, "cat /etc/resolv.conf"))
        assert servers == [up["machines"][dns]["private"] for dns in ("dns-1", "dns-2")], name
        route = on(name, "ip route get 203.0.113.1")
        assert f"via {up['machines']['gateway']['private']}" in route, f"{name}: {route}"
    assert on("nginx-1", "getent hosts storage.gra.cloud.ovh.net").split()[0] == GATEWAY


@pytest.mark.claim("NRT-11")
def test_a_request_is_found_in_the_logs_and_every_machine_is_watched(up: dict[str, Any], on: Machine) -> None:
    mark = f"looked-for-{int(time.time())}"
    page(next(iter(up["addresses"].values())), f"/{mark}")
    query = f"curl -fsS 'http://127.0.0.1:9200/logs-http-*/_count?q=message:%22{mark}%22'"
    until(lambda: json.loads(on("logs", query))["count"] >= 1, f"{mark} is in no log")
    asked = "curl -fsSG --data-urlencode 'query=up{job=\"machines\"}==1' http://127.0.0.1:9090/api/v1/query"
    watched = set(up["machines"]) - {"development"}

    def missing() -> bool:
        answer = json.loads(on("monitoring", asked))["data"]["result"]
        return {one["metric"]["machine"] for one in answer} >= watched

    until(missing, "a machine is not watched")


@pytest.mark.claim("NRT-12")
def test_copies_expire_after_21_days_and_are_restored(up: dict[str, Any], on: Machine) -> None:
    for machine, archive in (("office-db-3", "database"), ("logs", "logs"), ("development", "git")):
        if archive == "git":
            on(machine, "git init -q --bare /srv/git/site.git")
        on(machine, f"sudo archive-{archive} run", timeout=300)
        [line] = on(machine, f"sudo archive-{archive} list").strip().splitlines()[-1:]
        days = {time.strftime("%Y-%m-%d", time.gmtime(time.time() + 21 * 86400 - ago)) for ago in (0, 900)}
        assert line.partition("until ")[2] in days
        on(machine, f"sudo rm -rf /var/tmp/r; sudo archive-{archive} restore /var/tmp/r", timeout=300)
        assert on(machine, "sudo find /var/tmp/r -type f | head -1; sudo rm -rf /var/tmp/r")
    on("office-db-3", "sudo archive-database-monthly run", timeout=300)
    assert on("office-db-3", "sudo archive-database-monthly list").endswith("kept\n")
    assert len(up["machines"]) > 0


@pytest.mark.claim("NRT-15")
def test_who_guesses_passwords_is_banned(on: Machine) -> None:
    assert "sshd" in on("gateway", "sudo fail2ban-client status")


@pytest.mark.claim("NRT-17")
def test_development_reaches_nothing_of_production(up: dict[str, Any], on: Machine) -> None:
    for name in ("nginx-1", "db-1", "gateway"):
        private = up["machines"][name]["private"]
        for port in (22, 80, 3306):
            reached = on(
                "development", f"timeout 2 bash -c '</dev/tcp/{private}/{port}' 2>/dev/null && echo yes || true"
            )
            assert reached == "", f"{name} {port}"


@pytest.mark.claim("NRT-20")
def test_what_one_search_server_indexed_the_other_finds(up: dict[str, Any], on: Machine) -> None:
    one, other = up["search"].values()
    word = f"word{int(time.time())}"
    put = f"curl -fsS -H 'Content-Type: application/json' -d '{{\"title\": \"{word}\"}}'"
    on("php-1", f"{put} 'http://{one}:9200/articles/_doc?refresh=wait_for'")
    assert word in on("php-1", f"curl -fsS 'http://{other}:9200/articles/_search?q=title:{word}'")


@pytest.mark.claim("NRT-3")
def test_the_address_of_a_lost_front_moves_to_another(up: dict[str, Any], on: Machine) -> None:
    on("front-1", "sudo systemctl stop haproxy")
    try:
        for address in up["addresses"].values():
            until(functools.partial(answers, address), f"{address} does not answer")
    finally:
        on("front-1", "sudo systemctl start haproxy")


@pytest.mark.usefixtures("up")
def test_a_second_up_changes_nothing() -> None:
    assert " unchanged" in make("up", "nextradiotv", "--expect-no-changes")


@pytest.mark.claim("NRT-18")
def test_the_second_site_comes_up_beside_the_first_and_follows_it(up: dict[str, Any]) -> None:
    make("up", "nextradiotv", *(word for value in DRP for word in ("--set", f"drp.{value}")), timeout=3000)
    both = DeployedStack.named("nextradiotv")
    assert set(up["machines"]) < set(both.machines)
    controller = "drp-gateway"

    def follows() -> bool:
        status = json.loads(both.on(controller, "sudo drp status"))
        return bool(status["serves"] == "primary" and status["replica"]["follows"])

    until(follows, "the second site does not follow")
    title = f"in both sites {time.time()}"
    publish(up, title)
    asked = "sudo mariadb -N -e 'select title from cms.article'"
    until(lambda: title in both.on("drp-db-3", asked), "the article is not in the second site")
    for name in ("drp-front-1", "drp-front-4"):
        assert both.on(name, "systemctl is-active haproxy || true").strip() == "inactive", "asleep until needed"


def test_destroy_leaves_an_empty_account(up: dict[str, Any]) -> None:
    make("destroy", "nextradiotv", "--ignore-protect", timeout=1800)
    clouds = Clouds(credentials())
    project, region = credentials()["OVH_CLOUD_PROJECT_SERVICE"], clouds.openstack("RBX-A")
    assert list(region.compute.servers()) == []
    assert list(region.network.ports(project_id=project)) == []
    assert list(region.network.routers(project_id=project)) == []
    assert list(region.network.ips(project_id=project)) == []
    for path in (
        f"/cloud/project/{project}/network/private",
        f"/cloud/project/{project}/user",
        "/vrack/pn-1004/cloudProject",
        "/vrack/pn-1004/dedicatedServerInterface",
        "/domain/zone/nextradiotv.example/record?subDomain=www",
    ):
        assert clouds.ovh(path) == [], path
    first = next(iter(up["addresses"].values()))
    assert world("curl", "-s", "--max-time", "5", f"http://{first}/", check=False) == "", "the front still answers"
