"""What the component refuses, declares and puts on its machines."""

import configparser
import itertools
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pytest
from syrupy.assertion import SnapshotAssertion

from pulumi_casebook import DedicatedServer, InputError, InstanceGroup, MysqlPair, VrackNetwork, ssh_key
from pulumi_casebook.machines.configuration.programs.apply import parse
from tests.harness import Registered, comes_after, declare, declares_the_same, only

SERVER = "/etc/mysql/mariadb.conf.d/90-mysql-pair.cnf"
DATACENTERS = {"ns1001.example.net": "rbx8", "ns1002.example.net": "sbg3", "ns1003.example.net": "rbx7"}


def program(after: Callable[[MysqlPair], None] = lambda _: None, second: int = 2, **values: Any) -> Callable[[], None]:
    def run() -> None:
        everywhere: dict[str, Any] = {"ssh_key": ssh_key(), "admin_cidrs": ["198.18.0.1/32"]}
        network = VrackNetwork("private", vrack="pn-1001", vlan=8, cidr="10.8.0.0/24")
        machines = [
            DedicatedServer(
                f"db-{number}",
                service_name=f"ns100{number}.example.net",
                network=network,
                address=f"10.8.0.{79 + number}",
                **everywhere,
            )
            for number in (1, second)
        ]
        given: dict[str, Any] = {"machines": machines, "network": network, "address": "10.8.0.89"}
        after(MysqlPair("db", **{**given, "clients": ["10.8.0.16/28"], **values}))

    return run


def declared(**values: Any) -> list[Registered]:
    return declares_the_same(program(**values), datacenters=DATACENTERS)


def test_what_a_machine_gets_is_readable_at_preview(snapshot: SnapshotAssertion) -> None:
    made = declare(program(), preview=True, datacenters=DATACENTERS)
    text = only(made, "Command", "db-1-mysql").inputs["stdin"]
    role, files = parse(text), parse(text)["files"]
    for path, file in files.items():
        if path.startswith("/usr/local/"):
            file["lines"] = ["(the program)"]
    assert role["packages"] == ["mariadb-server"]
    assert files == snapshot


@pytest.mark.claim("SOF-4")
def test_one_machine_comes_after_the_other_and_the_pair_after_both_servers() -> None:
    made = declared(primary="db-2")
    order = ["db-2-mysql", "db-1-mysql", "db-2-mysql-pair", "db-1-mysql-pair"]
    for earlier, later in itertools.pairwise(order):
        assert comes_after(made, only(made, "Command", later), only(made, "Command", earlier))
        assert not comes_after(made, only(made, "Command", earlier), only(made, "Command", later))
    for name in order[:2]:
        settings = json.loads("\n".join(parse_file(made, name, "/etc/mysql-pair.json")))
        assert settings["primary"] == "db-2"


def test_a_machine_that_hangs_is_started_anew_where_a_lease_counts_on_it() -> None:
    unit = "/etc/systemd/system/mysql-pair.service"
    for lease in (None, 20):
        made = only(declared(lease_seconds=lease), "Command", "db-1-mysql").inputs["stdin"]
        lines = parse(made)["files"][unit]["lines"]
        assert ("WatchdogSec=20" in lines) == (lease == 20)
        assert any("reboot" in line for line in lines) == (lease == 20)


def test_in_the_two_way_form_each_server_has_keys_and_a_domain_of_its_own() -> None:
    resources = declared(two_way=True)
    for name, number in (("db-1", 1), ("db-2", 2)):
        lines = parse_file(resources, f"{name}-mysql", SERVER)
        assert f"gtid_domain_id = {number}" in lines
        assert f"auto_increment_offset = {number}" in lines
        assert "auto_increment_increment = 2" in lines


def test_server_ids_come_from_the_planned_addresses() -> None:
    made = declared()
    found = {}
    for name in ("db-1", "db-2"):
        server = configparser.ConfigParser(allow_no_value=True)
        server.read_string("\n".join(parse_file(made, f"{name}-mysql", SERVER)))
        found[name] = server["mariadbd"]["server_id"]
        assert server["mariadbd"]["read_only"] == "1"
    assert found == {"db-1": str(10 * 2**24 + 8 * 2**16 + 80), "db-2": str(10 * 2**24 + 8 * 2**16 + 81)}


def test_only_clients_and_the_peer_reach_the_server() -> None:
    rules = parse_file(declared(), "db-1-mysql", "/etc/nftables.d/mysql.nft")
    assert [line for line in rules if line.startswith("add")] == [
        "add rule inet filter input ip saddr { 10.8.0.16/28, 10.8.0.81/32 } tcp dport 3306 accept"
    ]


def test_no_secret_is_readable_outside_its_own_resource() -> None:
    made = declared()
    hidden = ["drawn-db-application", "drawn-db-pair", "private-key-of-db-"]
    for resource in made:
        if resource.name.endswith("-mysql-secrets"):
            assert "stdin" in resource.secrets
        elif resource.type.endswith(":Command"):
            assert not [word for word in hidden if word in str(resource.inputs)]
    for name in ("db-1-mysql", "db-2-mysql"):
        for path, file in parse(only(made, "Command", name).inputs["stdin"])["files"].items():
            assert file["mode"] & 0o007 == 0 or "@secret" not in "".join(file["lines"]), path


def test_a_server_is_known_at_its_own_address_and_at_the_writer_s() -> None:
    made = declared()
    for name, own in (("db-1", "10.8.0.80"), ("db-2", "10.8.0.81")):
        asked = only(made, "tls:index/certRequest:CertRequest", f"db-{name}")
        assert asked.inputs["ipAddresses"] == [own, "10.8.0.89"]
        signed = only(made, "tls:index/locallySignedCert:LocallySignedCert", f"db-{name}")
        assert "caPrivateKeyPem" in signed.secrets
        assert signed.inputs["allowedUses"] == ["digital_signature", "server_auth", "client_auth"]


def test_outputs() -> None:
    def export(pair: MysqlPair) -> None:
        pulumi.export("database", [pair.address, pair.port, pair.database, pair.user, pair.password])

    made = declare(program(export), preview=False, datacenters=DATACENTERS)
    assert made[0].outputs["database"] == ["10.8.0.89", 3306, "app", "app", "drawn-db-application"]
    assert made[0].secret_outputs


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (
            {"second": 3},
            "db-1 and db-3 are both in rbx; what takes that site away takes both. Choose another machine, or",
        ),
        ({"second": 1}, "a pair is two machines"),
        ({"primary": "db-9"}, "primary='db-9': not one of the machines db-1, db-2"),
        ({"address": "10.8.0.80"}, "address=10.8.0.80: db-1's own; plan one that no machine has"),
        ({"address": "10.9.0.80"}, "address=10.9.0.80: outside the network 10.8.0.0/24"),
        ({"clients": []}, "clients=[]: Tuple should have at least 1 item"),
        ({"two_way": True, "lease_seconds": 20}, "lease_seconds: of a single writer, which a Watchdog replaces"),
        ({"user": "pair"}, "user='pair': the server's or the pair's own account"),
        ({"database": "mysql"}, "database='mysql': the server's or the pair's own"),
        ({"database": "a b"}, "database='a b': a name in a database: "),
        ({"buffer_pool_mib": "1G"}, "buffer_pool_mib='1G': Input should be a valid integer"),
        ({"colour": "red"}, "colour: no such field"),
    ],
)
def test_what_cannot_work_is_refused_with_its_reason(values: dict[str, Any], reason: str) -> None:
    if values.get("second") == 1:
        values = {"second": 2, "machines": []}
    with pytest.raises(InputError) as refusal:
        declare(program(**values), preview=False, datacenters=DATACENTERS)
    assert reason in str(refusal.value)
    assert str(refusal.value).startswith("MysqlPair 'db': ")


def test_an_instance_cannot_take_the_service_address() -> None:
    def run() -> None:
        network = VrackNetwork(
            "private", vrack="pn-1001", vlan=8, cidr="10.8.0.0/24", project="0" * 32, regions=["GRA11", "SBG5"]
        )
        machines = []
        for region, address in (("GRA11", "10.8.0.80"), ("SBG5", "10.8.0.81")):
            options: dict[str, Any] = {
                "region": region,
                "flavor": "b3-8",
                "addresses": {f"db-{region.lower()}": address},
            }
            options |= {"network": network, "ssh_key": ssh_key(), "admin_cidrs": ["198.18.0.1/32"]}
            machines += InstanceGroup(f"db-{region.lower()}", **options).machines
        MysqlPair("db", machines=machines, network=network, address="10.8.0.89", clients=["10.8.0.16/28"])

    with pytest.raises(InputError, match="db-gra11 is an instance; Neutron drops packets"):
        declare(run, preview=True)


def test_two_machines_in_one_site_on_demand() -> None:
    assert declared(second=3, same_site=True)


@pytest.mark.parametrize("values", [{}, {"two_way": True}])
def test_mariadb_accepts_the_server_s_options(values: dict[str, Any], tmp_path: Path) -> None:
    text = "\n".join(parse_file(declared(**values), "db-1-mysql", SERVER))
    assert validate(text, tmp_path) == ""
    assert "unknown variable 'gtid_strict_mood" in validate(text.replace("strict_mode", "strict_mood"), tmp_path)


def validate(text: str, folder: Path) -> str:
    """The daemon's own check, as machines make it before a restart (Debian package mariadb-server-core)."""
    (folder / "server.cnf").write_text(text)
    command = ["mariadbd", f"--defaults-file={folder}/server.cnf", "--user=mysql", "--help", "--verbose"]
    done = subprocess.run(command, capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stderr


def parse_file(made: list[Registered], command: str, path: str) -> list[str]:
    return parse(only(made, "Command", command).inputs["stdin"])["files"][path]["lines"]
