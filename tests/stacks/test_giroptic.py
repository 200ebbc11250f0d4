"""Giroptic in the sandbox, seen from outside. The checks run in this order, on one `up`."""

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from drills.giroptic import SCALING
from drills.packs.autoscaler import autoscaler
from sandbox import GATEWAY
from stacks.clouds import Clouds
from stacks.stack_files import stack_file
from tests.stacks.running import (
    credentials,
    make,
    open_ports,
    open_to_the_world,
    outputs,
    request,
    ssh,
    token_of,
    world,
)
from tests.waiting import until

pytestmark = pytest.mark.sandbox
BALANCER = "loadbalancer-a94d6be0172c4f53b8e9350f6d1c7b42"
PHOTO = 3_000_000  # bytes (GIR-7)


@pytest.fixture(scope="module", name="up")
def _up() -> dict[str, Any]:
    """Giroptic, up. It stays so when a check fails, to be looked at; the last checks take it away."""
    make("up", "giroptic")
    return outputs("giroptic")


def served_by(url: str, requests: int) -> Counter[str]:
    """How many of the requests each server answered, from the world, each on a connection of its own."""
    headers = world("sh", "-c", f"for n in $(seq {requests}); do curl -skI --max-time 10 {url}/; done")
    names = [line.split(":")[1].strip() for line in headers.splitlines() if line.lower().startswith("x-served-by")]
    assert len(names) == requests, f"{requests - len(names)} of {requests} requests had no answer"
    return Counter(names)


def uploads(up: dict[str, Any]) -> dict[str, str]:
    """What the application hands to a client that shows its token."""
    status, body = request(f"{up['url']}/uploads", "-X", "POST", "-H", f"Authorization: Bearer {up['token']}")
    assert status == 201
    found: dict[str, str] = json.loads(body)
    return found


def received(up: dict[str, Any]) -> int:
    """Bytes that have come to all machines."""
    command = "cat /sys/class/net/[!l]*/statistics/rx_bytes"
    return sum(int(line) for one in up["machines"].values() for line in ssh(one["public"], command).split())


@pytest.fixture(scope="module", name="photo")
def _photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("camera") / "photo.jpg"
    file.write_bytes(bytes(range(250)) * (PHOTO // 250))
    return file


@pytest.mark.claim("GIR-1")
@pytest.mark.claim("GIR-2")
def test_both_sides_of_the_atlantic_answer_behind_one_address(up: dict[str, Any]) -> None:
    assert {one["site"] for one in up["machines"].values()} == {"rbx", "bhs"}
    assert set(served_by(up["url"], 8)) == {"europe-1", "america-1"}
    status, _ = request(up["url"].replace("https:", "http:"))
    assert status == 308, "HTTP only says where HTTPS is"


@pytest.mark.claim("GIR-2")
def test_the_world_reaches_the_ports_that_are_printed_and_no_other(up: dict[str, Any]) -> None:
    balancer = up["url"].removeprefix("https://")
    machines = [machine["public"] for machine in up["machines"].values()]
    found = open_ports([balancer, GATEWAY, *machines])
    assert found.pop(balancer) == open_to_the_world(up, "load balancer")
    # The same address has the sandbox's name server and packages, which are no part of the stack.
    assert found.pop(GATEWAY) - {53, 3142, 3143} == open_to_the_world(up, "object storage")
    assert found == {address: set() for address in machines}


@pytest.mark.claim("GIR-4")
@pytest.mark.claim("GIR-7")
def test_an_upload_by_signed_url_lands_in_the_container_and_passes_no_vps(up: dict[str, Any], photo: Path) -> None:
    urls, before = uploads(up), received(up)
    assert urls["upload"].startswith(up["photos"]), "it goes to object storage"
    assert request(urls["upload"], "-T", str(photo))[0] == 201
    assert received(up) - before < PHOTO / 10, "the photo came by a VPS"
    container = Clouds(credentials()).openstack("GRA").object_store
    assert container.get_object_metadata(urls["name"], "photos").content_length == PHOTO
    status, location = request(f"{up['url']}/photos/{urls['name']}", "-o", "/dev/null", "-D", "-")
    assert status == 302
    assert up["photos"] in location
    assert request(urls["view"], "-o", "/dev/null", "-w", "%{size_download}\n%{http_code}") == (200, str(PHOTO))


@pytest.mark.claim("GIR-3")
@pytest.mark.claim("GIR-4")
def test_what_is_not_signed_or_not_https_is_refused(up: dict[str, Any]) -> None:
    urls = uploads(up)
    # A few bytes: who is still sending a whole photo when it is refused may not see the answer.
    upload = ("-X", "PUT", "-d", "a photo")
    assert request(f"{up['photos']}/{urls['name']}", *upload)[0] == 401, "unsigned"
    assert request(urls["view"], *upload)[0] == 401, "signed for reading"
    assert request(urls["upload"].replace(urls["name"], "f" * 32), *upload)[0] == 401, "signed for another object"
    assert request(urls["upload"].replace("https:", "http:"), *upload) == (0, ""), "plain HTTP"
    assert request(f"{up['url']}/uploads", "-X", "POST")[0] == 401, "no token, no signature"
    machine, name = up["machines"]["europe-1"]["public"], "e" * 32
    brief = ssh(machine, f"sudo python3 /opt/upload/signed_url.py /etc/upload/signing.json PUT {name} 2").strip()
    time.sleep(3)
    assert request(brief, *upload)[0] == 401, "expired"
    assert request(urls["upload"], *upload)[0] == 201, "and the one that is right is not"


@pytest.mark.claim("GIR-4")
def test_pages_of_the_site_and_no_others_may_upload_from_a_browser(up: dict[str, Any]) -> None:
    def allowed(origin: str) -> int:
        asks = ("-X", "OPTIONS", "-H", f"Origin: {origin}", "-H", "Access-Control-Request-Method: PUT")
        return request(uploads(up)["upload"], *asks)[0]

    assert allowed("https://www.giroptic.example") == 200
    assert allowed("https://elsewhere.example") == 401


@pytest.mark.claim("GIR-3")
def test_each_container_has_a_login_of_its_own(up: dict[str, Any]) -> None:
    def put(login: str, container: str) -> int:
        token = token_of(**up["logins"][login])
        url = f"{up['photos'].rpartition('/')[0]}/{container}/probe"
        return request(url, "-X", "PUT", "-d", "x", "-H", f"X-Auth-Token: {token}")[0]

    assert (put("photos", "photos"), put("exports", "exports")) == (201, 201)
    assert (put("photos", "exports"), put("exports", "photos")) == (403, 403)


@pytest.mark.claim("GIR-6")
def test_both_sites_have_their_names_and_answer(up: dict[str, Any]) -> None:
    machine = up["machines"]["europe-1"]["public"]
    assert up["sites"]["production"] == ["http://giroptic.example", "http://www.giroptic.example"]
    for url in (*up["sites"]["production"], *up["sites"]["preproduction"]):
        page = ssh(machine, f"curl -fsS --max-time 5 {url}")
        assert ("preproduction" if "preprod" in url else "<title>production") in page


@pytest.mark.usefixtures("up")
def test_a_second_up_changes_nothing() -> None:
    assert " unchanged" in make("up", "giroptic", "--expect-no-changes")


@pytest.mark.claim("GIR-2")
def test_a_third_vps_is_one_line_and_touches_no_other(up: dict[str, Any]) -> None:
    others = [one["public"] for one in up["machines"].values()]
    asked = "systemctl show -p ExecMainStartTimestampMonotonic nginx upload"
    before = [ssh(address, asked) for address in others]
    make("up", "giroptic", "--set", "europe.europe-2=vps-0a1b2c05.vps.ovh.net")
    assert set(served_by(up["url"], 12)) == {"europe-1", "europe-2", "america-1"}
    assert [ssh(address, asked) for address in others] == before


@pytest.mark.claim("GIR-8")
@pytest.mark.claim("GIR-9")
def test_an_instance_joins_when_monitoring_says_so_and_leaves_again(up: dict[str, Any]) -> None:
    """The autoscaler changes the stack's file, as an operator would. A CDN's name is there as well."""
    cdn = {"zone": "giroptic.example", "subdomain": "photos", "target": "giroptic.cdn.example.net."}
    instances = Clouds(credentials()).openstack("GRA11").compute.servers
    with autoscaler("giroptic", {**SCALING, "cdn": cdn}) as alert:
        assert len(Clouds(credentials()).ovh("/domain/zone/giroptic.example/record?fieldType=CNAME")) == 1
        alert("firing")
        until(lambda: set(served_by(up["url"], 12)) == {"europe-1", "america-1", "peak-1"}, seconds=600)
        alert("resolved")
        until(lambda: list(instances()) == [], seconds=600)
        assert set(served_by(up["url"], 8)) == {"europe-1", "america-1"}
        written = yaml.safe_load(stack_file("giroptic").read_text())["config"]["casebook:settings"]["peaks"]
        assert written["instances"] == 0, "the file says what runs"


def test_destroy_leaves_an_empty_account(up: dict[str, Any]) -> None:
    make("destroy", "giroptic", "--ignore-protect")
    clouds, project = Clouds(credentials()), credentials()["OVH_CLOUD_PROJECT_SERVICE"]
    assert list(clouds.openstack("GRA11").compute.servers()) == []
    assert [one.name for one in clouds.openstack("GRA").object_store.containers()] == []
    for path in (
        f"/cloud/project/{project}/user",
        "/domain/zone/giroptic.example/record",
        *(f"/ipLoadbalancing/{BALANCER}/{kind}" for kind in ("tcp/farm", "tcp/frontend", "http/frontend")),
        f"/ipLoadbalancing/{BALANCER}/pendingChanges",
    ):
        assert clouds.ovh(path) == [], path
    assert world("curl", "-sk", "--max-time", "5", up["url"], check=False) == "", "the balancer still answers"
