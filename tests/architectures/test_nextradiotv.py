"""NextRadioTV as declared, with known and with unknown identifiers, in the sizes of its document."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

import architectures
from pulumi_casebook import InputError
from tests.harness import Registered, declare, declares_the_same, only

FILE = Path(__file__).parents[2] / "stacks/Pulumi.nextradiotv.yaml"
MEMBERS = [*(f"db-{n}" for n in range(1, 8)), *(f"office-db-{n}" for n in range(1, 4))]
SIZES = {"front": 4, "nginx": 8, "php": 7, "memcached": 4, "sql": 2}
DRP: dict[str, Any] = {
    "region": "SBG5",
    "sizes": {"front": 4, "nginx": 2, "php": 2, "memcached": 1, "sql": 2},
    "database_servers": {f"drp-db-{n}": f"ns310000{29 + n}.ip-198-18-16-{29 + n}.eu" for n in (1, 2, 3)},
}


def configuration(**changes: Any) -> Mapping[str, str]:
    given = yaml.safe_load(FILE.read_text())["config"]
    settings = {**given["casebook:settings"], "project": "0123456789ab4cdef0123456789abcde", **changes}
    return {"casebook:architecture": "nextradiotv", "casebook:settings": json.dumps(settings)}


@pytest.fixture(name="stack", scope="module")
def _stack(ssh_key_file: Path) -> list[Registered]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CASEBOOK_SSH_KEY_FILE", str(ssh_key_file))
        return declares_the_same(architectures.build, config=configuration())


def tier(stack: list[Registered], role: str) -> list[str]:
    """The machines that have a role."""
    names = [one.name for one in stack if one.type == "command:remote:Command"]
    return sorted(name.removesuffix(f"-{role}") for name in names if name.endswith(f"-{role}"))


def bundle(stack: list[Registered], name: str) -> str:
    return str(only(stack, "Command", name).inputs["stdin"])


def behind(stack: list[Registered], name: str) -> list[str]:
    """The servers of a HAProxy's configuration, but for its own tier."""
    return re.findall(r"^\|\s+server (\S+)", bundle(stack, f"{name}-haproxy").partition("backend members")[0], re.M)


def numbered(name: str, numbers: range) -> list[str]:
    return [f"{name}-{n}" for n in numbers]


@pytest.mark.claim("NRT-1")
def test_four_haproxy_on_four_hosts_share_a_name(stack: list[Registered]) -> None:
    group = only(stack, "ServerGroup", "front")
    assert group.inputs["policies"] == "anti-affinity"
    fronts = [one for one in stack if one.type.endswith("instance:Instance") and re.fullmatch(r"front-\d", one.name)]
    assert [one.inputs["flavorName"] for one in fronts] == ["b3-8"] * 4, "2 vCPU"
    records = [one for one in stack if one.type.endswith("ZoneRecord")]
    assert [(one.inputs["subdomain"], one.inputs["fieldtype"]) for one in records] == [("www", "A")] * 4


@pytest.mark.claim("NRT-2")
@pytest.mark.claim("NRT-10")
def test_nothing_but_the_gateway_has_a_public_port_and_nothing_but_the_fronts_a_public_address(
    stack: list[Registered],
) -> None:
    assert [one.name for one in stack if one.type.endswith("port:Port") and one.name.endswith("-public")] == [
        "gateway-public"
    ]
    assert len([one for one in stack if one.type.endswith("floatingIp:FloatingIp")]) == 4
    open_to_all = [
        (one.name, one.inputs["portRangeMin"])
        for one in stack
        if one.type.endswith("SecGroupRule") and one.inputs.get("remoteIpPrefix") == "0.0.0.0/0"
    ]
    assert [port for _, port in open_to_all] == [80]
    for machine in (*MEMBERS, "monitoring", "logs", "search-1"):
        assert "saddr { 0.0.0.0/0 }" not in bundle(stack, f"{machine}-base")


@pytest.mark.claim("NRT-3")
def test_each_front_address_prefers_another_machine(stack: list[Registered]) -> None:
    found: dict[str, list[int]] = {}
    for n in range(1, 5):
        keepalived = bundle(stack, f"front-{n}-haproxy")
        for priority, address in re.findall(
            r"priority (\d+)$.*?virtual_ipaddress \{\n\|\s+(\S+)/32", keepalived, re.M | re.S
        ):
            found.setdefault(address, []).append(int(priority))
    favourites = {address: priorities.index(max(priorities)) for address, priorities in found.items()}
    assert favourites == {"10.4.0.16": 0, "10.4.0.17": 1, "10.4.0.18": 2, "10.4.0.19": 3}
    for address, priorities in found.items():
        assert len(set(priorities)) == 4, f"{address}: of two with one priority, both may hold it: {priorities}"


@pytest.mark.claim("NRT-4")
def test_eight_nginx_seven_php_four_memcached(stack: list[Registered]) -> None:
    assert behind(stack, "front-1") == numbered("nginx", range(1, 9))
    nginx = bundle(stack, "nginx-1-nginx")
    # All of them a second time, for the moment in which all are given up.
    assert re.findall(r"server 10\.4\.0\.\d+:9000 .* # (\S+)", nginx) == 2 * numbered("php", range(1, 8))
    assert len(re.findall(r":9000 .* backup; #", nginx)) == 7
    assert "fastcgi_cache pages" in nginx
    php = bundle(stack, "php-1-php")
    assert re.search(r'MEMCACHED\W+"10\.4\.0\.192 10\.4\.0\.193 10\.4\.0\.194 10\.4\.0\.195"', php)


@pytest.mark.claim("NRT-5")
def test_ten_members_and_an_odd_number_of_votes(stack: list[Registered]) -> None:
    assert tier(stack, "galera") == sorted(MEMBERS)
    assert tier(stack, "galera-arbitrator") == ["monitoring"]


@pytest.mark.claim("NRT-6")
def test_the_public_platform_has_seven_members_and_the_back_office_three(stack: list[Registered]) -> None:
    for name in ("sql-1", "sql-2"):
        assert behind(stack, name) == numbered("db", range(1, 8))
    for name in ("office-sql-1", "office-sql-2"):
        assert behind(stack, name) == numbered("office-db", range(1, 4))


@pytest.mark.claim("NRT-8")
def test_images_come_from_object_storage_and_are_resized(stack: list[Registered]) -> None:
    container = only(stack, "Container", "storage-images")
    assert str(container.inputs["containerRead"]).startswith(".r:*")
    nginx = bundle(stack, "nginx-8-nginx")
    assert "https://storage.gra.cloud.ovh.net/v1/AUTH_0123456789ab4cdef0123456789abcde/images" in nginx
    assert "image_filter resize" in nginx


@pytest.mark.claim("NRT-9")
def test_two_name_servers_serve_every_other_machine(stack: list[Registered]) -> None:
    assert tier(stack, "resolver") == ["dns-1", "dns-2"]
    for name in ("nginx-1", "office-db-3", "office-php-1", "search-2"):
        assert "nameserver 10.4.0.4\n| nameserver 10.4.0.5" in bundle(stack, f"{name}-base")


@pytest.mark.claim("NRT-11")
@pytest.mark.claim("NRT-12")
def test_copies_and_logs_are_kept_as_long_as_printed(stack: list[Registered]) -> None:
    for name, days in (("database", "21"), ("logs", "21"), ("git", "21"), ("database-monthly", "null")):
        [text] = [
            str(one.inputs["stdin"])
            for one in stack
            if one.type == "command:remote:Command" and one.name.endswith(f"-archive-{name}")
        ]
        assert f'"expire_days": {days}' in text
    assert re.search(r"http\W+365", bundle(stack, "logs-logs"))


@pytest.mark.claim("NRT-16")
def test_the_back_office_is_the_same_smaller_and_for_journalists(stack: list[Registered]) -> None:
    assert behind(stack, "office-front") == ["office-nginx-1", "office-nginx-2"]
    gateway = bundle(stack, "gateway-gateway")
    assert re.search(r"saddr \{ 198\.18\.0\.1/32 \} ip daddr 10\.4\.1\.32 tcp dport 443 .* accept", gateway)


@pytest.mark.claim("NRT-17")
def test_development_is_in_no_network_of_production(stack: list[Registered]) -> None:
    assert "10.4." not in bundle(stack, "development-base")
    assert not [one for one in stack if one.type.endswith("DedicatedServerInterface") and "development" in one.name]


@pytest.mark.claim("NRT-20")
def test_search_is_a_pair(stack: list[Registered]) -> None:
    assert tier(stack, "search") == ["search-1", "search-2"]
    assert tier(stack, "search-arbitrator") == ["logs"]
    for machine, role in (("search-1", "search"), ("search-2", "search"), ("logs", "search-arbitrator")):
        [roles] = re.findall(r"node\.roles\W+(\[[^]]*\])", bundle(stack, f"{machine}-{role}"))
        assert ("data" in roles) == (role == "search"), f"{machine} holds the index: {roles}"


@pytest.mark.claim("NRT-18")
def test_the_second_site_is_an_option_beside_the_first(stack: list[Registered]) -> None:
    both = declare(architectures.build, preview=False, config=configuration(drp=DRP))
    first = {one.urn: one.inputs for one in stack}
    second = [one for one in both if one.urn not in first]
    assert {"drp-gateway-drp", "drp-gateway", "drp-front-1", "drp-nginx-2", "drp-php-2", "drp-memcached-1"} <= {
        one.name for one in second
    }
    assert behind(both, "drp-sql-1") == ["drp-db-1", "drp-db-2", "drp-db-3"]
    gone = set(first) - {one.urn for one in both}
    assert gone == set(), "the option takes something away from the first site"


@pytest.mark.claim("NRT-19")
def test_one_more_nginx_and_php_touch_no_other_machine(stack: list[Registered]) -> None:
    larger = {"public": {**SIZES, "nginx": 9, "php": 8}}
    more = declare(architectures.build, preview=False, config=configuration(**larger))
    before = {one.urn: one.inputs for one in stack}
    changed = {one.name for one in more if one.urn in before and one.inputs != before[one.urn]}
    # The tiers in front learn of it by a reload, monitoring and logs by a line of their lists.
    allowed = {*(f"front-{n}-haproxy" for n in range(1, 5)), *(f"nginx-{n}-nginx" for n in range(1, 9))}
    assert changed <= allowed | {"monitoring-monitoring-targets", "logs-logs", "logs-logs-seen"}, changed


@pytest.mark.claim("NRT-19")
def test_a_second_cache_renames_no_other(stack: list[Registered]) -> None:
    office = {"nginx": 2, "php": 2, "memcached": 2, "sql": 2}
    more = declare(architectures.build, preview=False, config=configuration(office=office))
    gone = {one.urn for one in stack} - {one.urn for one in more}
    assert gone == set()
    assert {"office-memcached-1", "office-memcached-2"} <= {one.name for one in more}


def test_a_stack_of_an_earlier_release_keeps_its_only_machine(stack: list[Registered]) -> None:
    """It was office-memcached, and so were the names of all that belongs to it."""
    cache = [one for one in stack if re.match(r"office-memcached-1(-|$)", one.name)]
    assert {one.type.rpartition(":")[2] for one in cache} >= {"Instance", "Port", "Command", "Configured"}
    assert {one.name: one.former_names for one in cache} == {
        one.name: (one.name.replace("office-memcached-1", "office-memcached"),) for one in cache
    }
    assert {one.former_names for one in stack if "dns" in one.name} == {()}


def test_what_is_open_follows_from_the_roles(stack: list[Registered]) -> None:
    exposure = stack[0].outputs["exposure"]
    world = {name: open_to["0.0.0.0/0"] for name, open_to in exposure.items() if "0.0.0.0/0" in open_to}
    assert world == {"addresses": ["80/tcp"], **{f"front-{n}": ["80/tcp"] for n in range(1, 5)}}
    assert exposure["gateway"]["198.18.0.1/32"] == ["22/tcp", "443/tcp"], "administrators, and journalists"
    assert exposure["office-front"]["198.18.0.1/32"] == ["22/tcp", "443/tcp"]
    tiers = {"10.4.0.32/27": "nginx-1", "10.4.0.64/26": "php-1", "10.4.0.128/26": "memcached-1"}
    assert {client: exposure[name][client] for client, name in tiers.items()} == {
        "10.4.0.32/27": ["80/tcp"], "10.4.0.64/26": ["9000/tcp"], "10.4.0.128/26": ["11211/tcp"],
    }  # fmt: skip
    assert "10.4.1.128/26" not in exposure["memcached-1"], "the back office has caches of its own"
    assert list(exposure["development"]) == ["198.18.0.1/32"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"public": {**SIZES, "front": 1}}, r"public\.front=1: .*greater than or equal to 2"),
        ({"office": SIZES}, r"office\.front: no such field"),
        ({"private_cidr": "10.4.0.0/24"}, r"private_cidr=10\.4\.0\.0/24: too small for the drawing"),
        (
            {"monitoring": "ns31000016.ip-198-18-16-16.eu"},
            r"monitoring=ns31000016.*is public_databases\.db-1 already; one of it cannot be two",
        ),
        ({"drp": {**DRP, "sizes": {**DRP["sizes"], "front": 2}}}, "drp.sizes.front=2: each of the 4 records"),
        ({"project": ""}, "OVH_CLOUD_PROJECT_SERVICE"),
        ({"drp": {**DRP, "database_servers": {"drp-db-1": "ns31000030.ip-198-18-16-30.eu"}}}, "database_servers"),
    ],
)
def test_wrong_settings_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        declare(architectures.build, preview=True, config=configuration(**changes))
