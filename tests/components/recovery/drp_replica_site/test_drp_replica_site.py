"""Two sites: what is declared, who may order what, what is refused."""

import configparser
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pulumi_casebook import (
    DedicatedServer,
    DnsRoundRobin,
    DrpReplicaSite,
    DrpSite,
    GaleraCluster,
    InputError,
    Machine,
    SharedFiles,
    StandbyUnits,
    VrackNetwork,
    ssh_key,
)
from pulumi_casebook.machines.configuration.programs.apply import parse
from tests.harness import Registered, declare, declares_the_same, only


def drp_site(database: GaleraCluster, door: Machine) -> DrpSite:
    return DrpSite(database=database, rests=[StandbyUnits(machines=[door])], files=door)


def program(follows: bool = True, externally_managed: bool = True, **changes: Any) -> None:
    network = VrackNetwork("private", vrack="pn-1002", vlan=0, cidr="10.20.0.0/24")

    def server(name: str, number: int) -> DedicatedServer:
        return DedicatedServer(
            name, service_name=f"ns{number}.ip-198-18-16.eu", network=network, address=f"10.20.0.{number}",
            ssh_key=ssh_key(), admin_cidrs=["198.18.0.1/32"],
        )  # fmt: skip

    def cluster(name: str, first: int, **more: Any) -> GaleraCluster:
        members = [server(f"{name}-db-{n}", first + n) for n in (1, 2, 3)]
        return GaleraCluster(name, machines=members, network=network, clients=["10.20.0.10/32"], **more)

    near = cluster("near", 20, followers=["10.20.0.31", "10.20.0.32", "10.20.0.33"])
    far = cluster("far", 30, **({"replica_of": near.source} if follows else {}))
    doors = {name: server(name, number) for number, name in enumerate(("near-door", "far-door"), 40)}
    controller = server("controller", 50)
    given: dict[str, Any] = {
        "controller": controller,
        "primary": drp_site(near, doors["near-door"]),
        "replica": drp_site(far, doors["far-door"]),
        "record": DnsRoundRobin(
            "www",
            zone="casebook.example",
            subdomain="www",
            targets={"door": "198.18.16.40"},
            externally_managed=externally_managed,
        ),
        "addresses": {"door": "198.18.16.41"},
        "files": SharedFiles(path="/srv/files"),
    }
    if changes.pop("near_controller", False):
        given["controller"] = doors["near-door"]
    if changes.pop("door_is_member", False):
        given["replica"] = drp_site(far, far.machines[0])
    DrpReplicaSite("drp", **{**given, **changes})


@pytest.fixture(name="declared", scope="module")
def _declared(ssh_key_file: Path) -> list[Registered]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CASEBOOK_SSH_KEY_FILE", str(ssh_key_file))
        return declares_the_same(program)


def files(declared: list[Registered], name: str) -> dict[str, str]:
    role = parse(only(declared, "Command", name).inputs["stdin"])
    return {path: "\n".join(file["lines"]) + "\n" for path, file in role["files"].items()}


@pytest.mark.claim("KEY-6")
def test_each_machine_takes_these_orders_from_the_controller_and_no_others(declared: list[Registered]) -> None:
    for name, program_, orders in (
        ("far-db-1", "galera", ["status", "promote", "promote --other-is-off"]),
        ("near-door", "drp-site", ["status", "serve", "rest", "copy"]),
    ):
        role = files(declared, f"{name}-drp-access")
        allowed = role["/etc/sudoers.d/drp"].splitlines()
        assert allowed == [f"drp ALL=(root) NOPASSWD: /usr/local/sbin/{program_} {words}" for words in orders]
        assert role["/etc/ssh/drp.keys"].startswith('from="10.20.0.50",restrict ssh-ed25519 ')
        assert f"exec sudo -n /usr/local/sbin/{program_} $SSH_ORIGINAL" in role["/etc/ssh/sshd_config.d/20-drp.conf"]


def test_sudoers_are_valid(declared: list[Registered], tmp_path: Path) -> None:
    file = tmp_path / "sudoers"
    file.write_text(files(declared, "far-db-1-drp-access")["/etc/sudoers.d/drp"])
    done = subprocess.run(["visudo", "-cqf", str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_its_account_may_change_records_of_this_zone_and_no_more(declared: list[Registered]) -> None:
    policy = only(declared, "Policy", "drp").inputs
    assert policy["resources"] == ["urn:v1:eu:resource:dnsZone:casebook.example"]
    assert not [action for action in policy["allows"] if action.endswith(("*", "/create", "/delete"))]


def test_secrets_are_named_only(declared: list[Registered]) -> None:
    role = files(declared, "controller-drp")
    assert role["/etc/drp.key"] == "@secret(key)@\n"
    assert json.loads(role["/etc/drp.json"])["api"]["client_secret"] == "@secret(client_secret:json)@"
    assert "stdin" in only(declared, "Command", "controller-drp-secrets").secrets


def test_the_sites_differ_in_who_begins(declared: list[Registered]) -> None:
    settings = {
        site: json.loads(files(declared, f"{site}-door-drp-site")["/etc/drp-site.json"]) for site in ("near", "far")
    }
    assert {site: one["first"] for site, one in settings.items()} == {"near": "serve", "far": "rest"}
    assert {site: one["files"]["source"] for site, one in settings.items()} == {
        "near": "rsync://10.20.0.41:8730/files/",
        "far": "rsync://10.20.0.40:8730/files/",
    }
    assert all(one["units"] == ["haproxy.service"] for one in settings.values())


def test_files_are_offered_to_the_other_site_alone(declared: list[Registered]) -> None:
    role = files(declared, "near-door-drp-site")
    module = configparser.ConfigParser()
    module.read_string("[daemon]\n" + role["/etc/drp-files.conf"])
    assert dict(module["files"]) == {
        "path": "/srv/files", "read only": "yes", "list": "no", "hosts allow": "127.0.0.1", "hosts deny": "*"
    }  # fmt: skip
    assert "\naddress = 127.0.0.1\n" in role["/etc/drp-files.conf"]
    assert "verify=1 TCP:127.0.0.1:8730\n" in role["/etc/systemd/system/drp-files-tls.service"]
    assert "User=www-data\n" in role["/etc/systemd/system/drp-files.service"]
    assert "10.20.0.41/32 } tcp dport 8730 accept" in role["/etc/nftables.d/drp-site.nft"]


def test_units_are_valid(declared: list[Registered], tmp_path: Path) -> None:
    found = files(declared, "near-door-drp-site") | files(declared, "controller-drp")
    units = []
    for path, text in found.items():
        if re.fullmatch("/etc/systemd/system/[^/]+", path):
            unit = tmp_path / Path(path).name
            unit.write_text(text.replace("/usr/local/sbin/", "/bin/true #"))
            units.append(str(unit))
    assert len(units) == 6
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True)
    assert not [line for line in done.stderr.splitlines() if str(tmp_path) in line and "not executable" not in line]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"follows": False}, r"replica\.database: far does not follow near; give it replica_of=near\.source"),
        ({"externally_managed": False}, r"record: www is not declared with externally_managed=True"),
        ({"addresses": {"window": "198.18.16.41"}}, r"addresses: for window; the records of www are door"),
        ({"near_controller": True}, r"controller: near-door is of the first site"),
        ({"door_is_member": True}, r"replica: far-db-1 has a part already \(replica\)"),
        ({"files": None}, r"primary\.files: each site has a machine for files"),
        ({"interval": 1}, r"interval=1: .*greater than or equal to 5"),
    ],
)
def test_what_could_lose_data_or_make_two_writers_is_refused(
    changes: dict[str, Any], message: str, ssh_key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASEBOOK_SSH_KEY_FILE", str(ssh_key_file))
    with pytest.raises(InputError, match=message):
        declare(lambda: program(**changes), preview=True)
