"""Keyzee as declared, with known and with unknown identifiers."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import architectures
from pulumi_casebook import InputError
from pulumi_casebook.core.debian import PHP
from tests.harness import Registered, comes_after, declare, declares_the_same, only

FILE = Path(__file__).parents[2] / "stacks/Pulumi.keyzee.yaml"
PROJECT = "0123456789ab4cdef0123456789abcde"


def configuration(**changes: Any) -> dict[str, str]:
    """The committed stack's, with some settings changed."""
    given = yaml.safe_load(FILE.read_text())["config"]
    settings = given["casebook:settings"] | changes
    return {"casebook:architecture": given["casebook:architecture"], "casebook:settings": json.dumps(settings)}


def place(which: str, **changes: Any) -> dict[str, Any]:
    settings: dict[str, Any] = yaml.safe_load(FILE.read_text())["config"]["casebook:settings"]
    return {**settings[which], **changes}


@pytest.fixture(autouse=True)
def _project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVH_CLOUD_PROJECT_SERVICE", PROJECT)


@pytest.fixture(name="stack", scope="module")
def _stack(ssh_key_file: Path) -> list[Registered]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CASEBOOK_SSH_KEY_FILE", str(ssh_key_file))
        patch.setenv("OVH_CLOUD_PROJECT_SERVICE", PROJECT)
        return declares_the_same(architectures.build, config=configuration())


def role(stack: list[Registered], name: str) -> str:
    return str(only(stack, "Command", name).inputs["stdin"])


def machines(stack: list[Registered]) -> list[str]:
    instances = [one.name for one in stack if one.type == "openstack:compute/instance:Instance"]
    return instances + [one.name for one in stack if one.type == "casebook:index:DedicatedServer"]


@pytest.mark.claim("KEY-1")
def test_all_that_comes_in_or_goes_out_passes_the_gateway(stack: list[Registered]) -> None:
    public = {one.name for one in stack if one.name.endswith("-public") and one.type.endswith(":Port")}
    assert public == {"rbx-gateway-1-public", "gra-gateway-1-public"}
    assert not [one for one in stack if one.type.endswith((":FloatingIp", ":TcpFrontend", ":HttpFrontend"))]
    rules = [one.name for one in stack if one.type.endswith(":SecGroupRule")]
    for site, gateway, front in (("rbx", "10.12.0.2", "10.12.0.8"), ("gra", "10.12.1.2", "10.12.1.16")):
        passing = role(stack, f"{site}-gateway-1-gateway")
        forwards = [line.split(" dnat ip to ")[1].split()[0] for line in passing.splitlines() if " dnat ip to " in line]
        assert forwards == [f"{front}:80", f"{front}:443"]
        admitted = {name for name in rules if name.startswith(f"{site}-gateway-public-tcp")}
        world = [f"{site}-gateway-public-tcp-{port}-0.0.0.0/0" for port in (80, 443)]
        assert admitted == {*world, *(f"{name}-ipv6" for name in world)}
        assert "package suricata" in role(stack, f"{site}-gateway-1-intrusion-detection")
        behind = [name for name in machines(stack) if name.startswith(f"{site}-") and "gateway" not in name]
        for name in behind:
            assert f"Gateway={gateway}" in role(stack, f"{name}-base"), name


@pytest.mark.claim("KEY-1")
def test_what_is_open_follows_from_the_roles(stack: list[Registered]) -> None:
    exposure = stack[0].outputs["exposure"]
    assert exposure.keys() == set(machines(stack))
    to_the_world = {name: found["0.0.0.0/0"] for name, found in exposure.items() if "0.0.0.0/0" in found}
    # The HAProxies have no public address: the gateway passes clients on to them as they are.
    doors = ("rbx-gateway-1", "rbx-haproxy-1", "rbx-haproxy-2", "gra-gateway-1", "gra-haproxy-1")
    assert to_the_world == {name: ["80/tcp", "443/tcp"] for name in doors}
    # Administrators jump through the gateway; the controller gives orders where something rests.
    for name in ("rbx-keys-1", "rbx-mobile-2", "rbx-proxy-1"):
        assert "10.12.1.96/32" not in exposure[name]
    for name in ("rbx-haproxy-1", "rbx-db-1", "rbx-mobile-1", "gra-haproxy-1"):
        assert exposure[name]["10.12.1.96/32"] == ["22/tcp"]
        assert exposure[name][f"10.12.{int(name.startswith('gra'))}.2/32"] == ["22/tcp"]
    assert exposure["rbx-mobile-1"]["10.12.1.64/32"] == ["8730/tcp"]


@pytest.mark.claim("KEY-2")
def test_requests_pass_haproxy_the_proxies_and_haproxy_again(stack: list[Registered]) -> None:
    for name in ("rbx-haproxy-1", "rbx-haproxy-2"):
        haproxy = role(stack, f"{name}-haproxy")
        servers, _, _ = haproxy.partition("backend members")
        behind = [line.split()[2] for line in servers.splitlines() if line.startswith("|     server rbx-")]
        assert behind == [
            *(f"rbx-db-{n}" for n in (1, 2, 3)),
            *(f"rbx-keys-{n}" for n in (1, 2, 3)),
            *(f"rbx-mobile-{n}" for n in (1, 2, 3)),
            *(f"rbx-proxy-{n}" for n in (1, 2)),
        ]
        # Only the proxies are believed about clients, and only they reach what is behind the filter.
        assert "set-header X-Forwarded-For %[src] unless { src 10.12.0.32/28 }" in haproxy
        assert "ip saddr { 10.12.0.32/28 } tcp dport 8080 accept" in haproxy
    for number in (1, 2):
        nginx = role(stack, f"rbx-proxy-{number}-nginx")
        assert "server 10.12.0.8:8080" in nginx
        assert "if ($refused_method)" in nginx


@pytest.mark.claim("KEY-3")
def test_a_tomcat_cluster_and_an_apache_cluster(stack: list[Registered]) -> None:
    for number in (1, 2, 3):
        tomcat = role(stack, f"rbx-keys-{number}-tomcat")
        assert tomcat.count("<Member ") == 2
        assert 'DATABASE_HOST="10.12.0.8"' in tomcat
        assert f"libapache2-mod-php{PHP}" in role(stack, f"rbx-mobile-{number}-php")


@pytest.mark.claim("KEY-4")
def test_the_databases_are_dedicated_servers_and_reached_through_haproxy_alone(stack: list[Registered]) -> None:
    for number in (1, 2, 3):
        galera = role(stack, f"rbx-db-{number}-galera")
        open_to = [line for line in galera.splitlines() if "dport 3306 accept" in line]
        assert len(open_to) == 1
        assert "10.12.0.16/28" in open_to[0]
        assert "10.12.0.48/28" not in open_to[0]


@pytest.mark.claim("KEY-5")
def test_every_web_server_mounts_the_sites_files(stack: list[Registered]) -> None:
    for name in ("rbx-mobile-1", "rbx-mobile-2", "rbx-mobile-3"):
        assert ":/zpool-000001/keyzee" in role(stack, f"{name}-nas-rbx-files")
        mounted = only(stack, "Command", f"{name}-nas-rbx-files")
        assert comes_after(stack, only(stack, "Command", f"{name}-php"), mounted)
    assert ":/zpool-000002/keyzee" in role(stack, "gra-mobile-1-nas-gra-files")


@pytest.mark.claim("KEY-6")
def test_the_second_site_is_the_same_smaller_and_follows(stack: list[Registered]) -> None:
    tiers = {name.removeprefix("rbx-").rpartition("-")[0] for name in machines(stack) if name.startswith("rbx-")}
    second = [name.removeprefix("gra-") for name in machines(stack) if name.startswith("gra-")]
    assert {name.rpartition("-")[0] for name in second} - {""} == tiers - {""}
    assert len(second) < len([name for name in machines(stack) if name.startswith("rbx-")])
    assert {only(stack, "Port", f"{site}-gateway-1-private").inputs["region"] for site in ("rbx", "gra")} == {
        "RBX-A",
        "GRA11",
    }
    for number in (1, 2, 3):
        assert '"writes_first": false' in role(stack, f"gra-db-{number}-galera-peer")
        assert '"10.12.0.80"' in role(stack, f"gra-db-{number}-galera-peer")
        assert '"10.12.1.80"' in role(stack, f"rbx-db-{number}-galera-peer")
    parts = {site: role(stack, f"{site}-haproxy-1-drp-site") for site in ("rbx", "gra")}
    assert '"first": "serve"' in parts["rbx"]
    assert '"first": "rest"' in parts["gra"]
    assert "rsync://10.12.0.64:8730/files/" in role(stack, "gra-mobile-1-drp-site")


@pytest.mark.claim("KEY-6")
def test_a_copy_is_made_once_there_is_what_it_copies(stack: list[Registered]) -> None:
    for member in ("rbx-db-1", "rbx-db-2", "rbx-db-3"):
        assert comes_after(stack, only(stack, "Command", "gra-db-1-galera"), only(stack, "Command", f"{member}-galera"))


@pytest.mark.claim("KEY-6")
def test_a_site_is_put_to_rest_only_when_it_is_there(stack: list[Registered]) -> None:
    for site in ("rbx", "gra"):
        resting = only(stack, "Command", f"{site}-haproxy-1-drp-site")
        assert comes_after(stack, resting, only(stack, "Command", "gra-haproxy-1-haproxy"))


@pytest.mark.claim("KEY-6")
def test_a_failover_is_not_undone_by_the_next_up(stack: list[Registered]) -> None:
    record = only(stack, "ZoneRecord", "www-front")
    assert (record.inputs["subdomain"], record.inputs["ttl"]) == ("www", 60)
    assert record.ignore_changes == ("target",)


AMERICA = {
    "name": "bhs",
    "region": "BHS5",
    "sizes": {"haproxy": 1, "proxy": 1, "keys": 1, "mobile": 1},
    "databases": {f"bhs-db-{n}": f"ns3100010{n}.ip-198-18-17-{n}.net" for n in (1, 2, 3)},
    "nas": "zpool-000003",
    "vlan": 13,
    "private_cidr": "10.13.0.0/24",
}


@pytest.mark.claim("KEY-7")
def test_further_sites_are_an_option(stack: list[Registered]) -> None:
    found = declares_the_same(architectures.build, config=configuration(elsewhere={"america": AMERICA}))
    added = {one.urn for one in found} - {one.urn for one in stack}
    assert added
    before = {one.urn: one.inputs for one in stack}
    assert all(one.inputs == before[one.urn] for one in found if one.urn in before), "the others are left alone"
    assert '"elsewhere": []' in role(found, "bhs-db-1-galera-peer"), "it follows nobody"
    assert only(found, "ZoneRecord", "america-front").inputs["subdomain"] == "america"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"replica": place("replica", nas="zpool-000001")},
            r"replica\.nas=zpool-000001: is primary\.nas already; one of it cannot be two",
        ),
        (
            {"replica": place("replica", name="rbx")},
            r"replica\.name=rbx: primary has it; their machines would have the same names",
        ),
        (
            {"replica": place("replica", databases=place("primary")["databases"])},
            r"replica\.databases\.rbx-db-1=ns31000033\.ip-198-18-16-33\.eu: is primary\.databases\.rbx-db-1 already",
        ),
        (
            {"replica": place("replica", databases={f"rbx-db-{n}": f"ns{n}.example.net" for n in (1, 8, 9)})},
            r"replica\.databases\.rbx-db-1=rbx-db-1: is primary\.databases\.rbx-db-1 already",
        ),
        (
            {"replica": place("replica", databases={f"gra-db-{n}": f"ns{n}.example.net" for n in (1, 2, 3, 4)})},
            r"replica\.databases=.*4 members split 2/2 and stop; use 3, 5$",
        ),
        (
            {"replica": place("replica", databases={f"rbx-keys-{n}": f"ns{n}.example.net" for n in (1, 8, 9)})},
            r"replica\.databases\.rbx-keys-1=rbx-keys-1: is a machine of the drawing already",
        ),
        (
            {"elsewhere": {"america": {**AMERICA, "vlan": 12}}},
            r"elsewhere\.america\.vlan=12: that of the first two sites",
        ),
        ({"elsewhere": {"www": AMERICA}}, r"elsewhere\.www: is the name of the service itself"),
        ({"primary": place("primary", sizes={"haproxy": 2})}, r"primary\.sizes\.proxy.*required"),
        ({"private_cidr": "10.12.0.0/24"}, r"private_cidr=10\.12\.0\.0/24: too small for the drawing.*replica=256/24"),
    ],
)
def test_what_cannot_be_built_is_refused(changes: dict[str, Any], message: str, ssh_key_file: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CASEBOOK_SSH_KEY_FILE", str(ssh_key_file))
        with pytest.raises(InputError, match=message):
            declare(architectures.build, preview=True, config=configuration(**changes))
