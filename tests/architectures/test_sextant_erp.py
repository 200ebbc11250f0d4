"""Sextant's ERP as declared, with known and with unknown identifiers."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import architectures
from pulumi_casebook import InputError
from tests.harness import Registered, declare, declares_the_same, only

FILE = Path(__file__).parents[2] / "stacks/Pulumi.sextant-erp.yaml"
PROJECT = "0123456789ab4cdef0123456789abcde"


def configuration(**changes: Any) -> dict[str, str]:
    """The committed stack's, with some settings changed."""
    given = yaml.safe_load(FILE.read_text())["config"]
    settings = {**given["casebook:settings"], **changes}
    settings = {key: value for key, value in settings.items() if value is not None}
    return {"casebook:architecture": given["casebook:architecture"], "casebook:settings": json.dumps(settings)}


def declared(**changes: Any) -> list[Registered]:
    return declare(architectures.build, preview=False, config=configuration(**changes))


@pytest.fixture(name="stack", scope="module")
def _stack(ssh_key_file: Path) -> list[Registered]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CASEBOOK_SSH_KEY_FILE", str(ssh_key_file))
        return declares_the_same(architectures.build, config=configuration())


def of(stack: list[Registered], kind: str) -> list[Registered]:
    return [one for one in stack if one.type.rpartition(":")[2] == kind]


def bundle(stack: list[Registered], name: str) -> str:
    return str(only(stack, "Command", name).inputs["stdin"])


@pytest.mark.claim("ERP-1")
def test_two_identical_servers_in_two_sites_with_all_three_layers(stack: list[Registered]) -> None:
    machines = stack[0].outputs["machines"]
    assert (machines["erp-1"]["site"], machines["erp-2"]["site"]) == ("sbg3", "rbx8")
    for role in ("nginx", "php", "mysql"):
        assert bundle(stack, f"erp-1-{role}")
        assert bundle(stack, f"erp-2-{role}")
    assert bundle(stack, "erp-1-nginx").replace("10.9.0.16", "10.9.0.17").replace("erp-1", "erp-2") == bundle(
        stack, "erp-2-nginx"
    )
    assert {one.inputs["status"] for one in of(stack, "HttpFarmServer")} == {"active"}, "both take requests"


@pytest.mark.claim("ERP-2")
def test_the_balancer_ends_tls_and_sends_60_per_cent_to_the_master(stack: list[Registered]) -> None:
    frontends = {one.inputs["port"]: one.inputs for one in of(stack, "HttpFrontend")}
    assert set(frontends) == {"443", "80"}
    assert of(stack, "TcpFrontend") == []
    assert frontends["443"]["ssl"] is True
    assert only(stack, "HttpFarm", "front-443").inputs["balance"] == "roundrobin"
    weights = {one.inputs["address"]: one.inputs["weight"] for one in of(stack, "HttpFarmServer")}
    assert weights == {"10.9.0.16": 60, "10.9.0.17": 40}
    assert '"primary": "erp-1"' in bundle(stack, "erp-1-mysql")


@pytest.mark.claim("ERP-3")
def test_web_and_database_are_probed(stack: list[Registered]) -> None:
    probes = {one.name: one.inputs["probe"] for one in of(stack, "HttpFarm") + of(stack, "TcpFarm")}
    assert {name: (probe["type"], probe["port"]) for name, probe in probes.items()} == {
        "front-443": ("http", 80), "front-80": ("http", 80), "front-3306": ("mysql", 3306)
    }  # fmt: skip
    assert probes["front-443"]["url"] == "/health"


@pytest.mark.claim("ERP-4")
@pytest.mark.claim("ERP-6")
def test_reads_stay_writes_and_replication_take_the_private_network(stack: list[Registered]) -> None:
    for name, own, peer in (("erp-1", "10.9.0.16", "10.9.0.17"), ("erp-2", "10.9.0.17", "10.9.0.16")):
        php, mysql = bundle(stack, f"{name}-php"), bundle(stack, f"{name}-mysql")
        assert f'READ_FROM] = "{own}"' in php
        assert f'READ_ELSE_FROM] = "{peer}"' in php
        assert 'WRITE_TO] = "10.9.0.40"' in php
        assert f"bind-address = 127.0.0.1,{own},10.9.0.40" in mysql
        assert f'"address": "{peer}"' in mysql


@pytest.mark.claim("ERP-5")
def test_an_up_leaves_to_the_watchdog_what_it_moves(stack: list[Registered]) -> None:
    for one in of(stack, "HttpFarmServer") + of(stack, "TcpFarmServer"):
        assert {"weight", "status"} <= set(one.ignore_changes)


@pytest.mark.claim("ERP-7")
def test_a_third_server_takes_both_databases_every_hour(stack: list[Registered]) -> None:
    for name in ("erp-1", "erp-2"):
        role = bundle(stack, f"{name}-backup-database-{name}")
        assert "OnCalendar=hourly" in role
        kept = next(one for one in of(stack, "Command") if one.name == f"backup-backup-of-database-{name}")
        words = str(kept.inputs["stdin"])
        assert words.index("--keep-within-hourly") < words.index("7d") < words.index("--keep-within-weekly")
        assert "31d" in words


@pytest.mark.claim("ERP-8")
def test_a_vps_watches_every_machine(stack: list[Registered]) -> None:
    targets = bundle(stack, "monitoring-monitoring-targets")
    for name in ("erp-1", "erp-2", "backup", "monitoring"):
        assert f'machine: "{name}"' in targets


@pytest.mark.claim("ERP-10")
def test_the_database_on_servers_of_its_own_is_an_option() -> None:
    names = {"db-1": "ns31000007.ip-198-18-16-7.eu", "db-2": "ns31000006.ip-198-18-16-6.eu"}
    split = declared(database_servers=names)
    assert not [one for one in of(split, "Command") if one.name == "erp-1-mysql"]
    assert bundle(split, "db-1-mysql")
    assert 'READ_FROM] = "10.9.0.32"' in bundle(split, "erp-1-php")
    assert '"front": "10.9.0.16"' in bundle(split, "monitoring-watchdog")


@pytest.mark.claim("ERP-10")
def test_backups_in_object_storage_are_an_option() -> None:
    moved = declared(backup=None, backup_storage={"project": PROJECT})
    assert len(of(moved, "Storage")) == 1
    assert "backup" not in moved[0].outputs["machines"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"backup": None}, "backup or backup_storage: backups go to one of them"),
        # Whoever loses that server loses the backup with it.
        (
            {"backup": "ns31000010.ip-198-18-16-10.eu"},
            r"backup=ns31000010\.ip-198-18-16-10\.eu: is servers\.erp-1 already; one of it cannot be two",
        ),
        (
            {"database_servers": {"erp-1": "ns31000007.ip-198-18-16-7.eu", "db-2": "ns31000006.ip-198-18-16-6.eu"}},
            r"database_servers\.erp-1=erp-1: is servers\.erp-1 already",
        ),
        (
            {"private_cidr": "10.9.0.0/25"},
            r"private_cidr=10\.9\.0\.0/25: too small for the drawing.*load_balancer=240/28",
        ),
        ({"servers": {"erp-1": "ns31000010.ip-198-18-16-10.eu"}}, "servers.*2"),
        ({"admin_cidr": ["0.0.0.0/0"]}, "admin_cidr: no such field"),
    ],
)
def test_what_cannot_be_built_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        declared(**changes)


@pytest.mark.claim("ERP-2")
def test_the_world_reaches_the_balancer_and_nothing_else(stack: list[Registered]) -> None:
    exposure = stack[0].outputs["exposure"]
    assert exposure["load balancer"] == {"0.0.0.0/0": ["80/tcp", "443/tcp"]}
    watcher = exposure["monitoring"].keys() - {"198.18.0.1/32"}
    for name in ("erp-1", "erp-2"):
        # The servers and their service address, the balancer, the administrators, the watchdog: it gives orders.
        assert exposure[name].keys() == {
            *("10.9.0.16/32", "10.9.0.17/32", "10.9.0.40/32", "10.9.0.240/28", "198.18.0.1/32"),
            *watcher,
        }
        assert [exposure[name][address] for address in watcher] == [["22/tcp", "9100/tcp"]]
    assert exposure["backup"]["10.9.0.16/32"] == ["2222/tcp"]


def test_secrets_are_secret(stack: list[Registered]) -> None:
    kept = [one for one in of(stack, "Command") if one.name.endswith("-secrets")]
    assert {"erp-1-php-secrets", "erp-1-mysql-secrets", "monitoring-watchdog-secrets"} <= {one.name for one in kept}
    for one in [*kept, only(stack, "Command", "front-443-certificate")]:
        assert "stdin" in one.secrets
