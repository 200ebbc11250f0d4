"""The watchdog: what is declared, what it may do, what is refused."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from pulumi_casebook import (
    DedicatedServer,
    FailoverIp,
    InputError,
    Listener,
    LoadBalancerIp,
    MysqlPair,
    Vps,
    VrackNetwork,
    Watchdog,
    ssh_key,
)
from tests.harness import Registered, declare, declares_the_same, only

NAMES = {"erp-1": "ns31000010.ip-198-18-16-10.eu", "erp-2": "ns31000009.ip-198-18-16-9.eu"}
ADDRESSES = {"erp-1": "10.9.0.16", "erp-2": "10.9.0.17"}


def program(lease: int | None = 20, externally_managed: bool = True, **changes: Any) -> None:
    everywhere: dict[str, Any] = {"ssh_key": ssh_key(), "admin_cidrs": ["198.18.0.1/32"]}
    network = VrackNetwork("private", vrack="pn-1001", vlan=0, cidr="10.9.0.0/24")
    machines = [
        DedicatedServer(name, service_name=service, network=network, address=ADDRESSES[name], **everywhere)
        for name, service in NAMES.items()
    ]
    database = MysqlPair(
        "database", machines=machines, network=network, address="10.9.0.40", clients=["10.9.0.16/31"],
        lease_seconds=lease,
    )  # fmt: skip
    balancer = LoadBalancerIp(
        "front", service_name="loadbalancer-0123", network=network, nat_cidr="10.9.0.240/28", servers=ADDRESSES,
        listeners=[Listener(port=80)], externally_managed=externally_managed,
    )  # fmt: skip
    given: dict[str, Any] = {
        "machine": Vps("monitoring", service_name="vps-0a1b2c02.vps.ovh.net", **everywhere),
        "load_balancer": balancer,
        "addresses": [FailoverIp("extranet", ip="198.18.28.1", machines=machines)],
    }
    if changes.pop("inside", False):
        given["machine"] = machines[0]
    Watchdog("watchdog", database=database, **{**given, **changes})


@pytest.fixture(name="declared", scope="module")
def _declared(ssh_key_file: Path) -> list[Registered]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CASEBOOK_SSH_KEY_FILE", str(ssh_key_file))
        return declares_the_same(program)


@pytest.mark.claim("ERP-5")
def test_its_account_may_do_this_and_no_more(declared: list[Registered]) -> None:
    policy = only(declared, "Policy", "watchdog").inputs
    assert set(policy["resources"]) == {
        "urn:v1:eu:resource:loadbalancer:loadbalancer-0123",
        "urn:v1:eu:resource:ip:198.18.28.1/32",
        *(f"urn:v1:eu:resource:dedicatedServer:{service}" for service in NAMES.values()),
    }
    assert not [action for action in policy["allows"] if action.endswith((":*", "/create", "/delete"))]
    assert only(declared, "APIOAuth2Client", "watchdog").inputs["flow"] == "CLIENT_CREDENTIALS"


def test_its_key_gives_four_orders_from_one_address(declared: list[Registered]) -> None:
    for name in NAMES:
        role = only(declared, "Command", f"{name}-watchdog-access").inputs["stdin"]
        orders = [line.partition("mysql-pair ")[2] for line in role.splitlines() if "NOPASSWD" in line]
        assert orders == ["renew-lease", "promote --peer-is-off", "stop", "rejoin"]
        assert 'from="198.' in role
        assert ",restrict " in role or "restrict ssh-" in role
        assert "ForceCommand" in role


def test_sudoers_are_valid(declared: list[Registered], tmp_path: Path) -> None:
    role = str(only(declared, "Command", "erp-1-watchdog-access").inputs["stdin"])
    lines = [line.lstrip("| ") for line in role.splitlines() if "NOPASSWD" in line]
    file = tmp_path / "sudoers"
    file.write_text("\n".join(lines) + "\n")
    done = subprocess.run(["visudo", "-cqf", str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_no_secret_is_in_the_settings(declared: list[Registered]) -> None:
    role = str(only(declared, "Command", "monitoring-watchdog").inputs["stdin"])
    assert "@secret(client_secret:json)@" in role
    assert "stdin" in only(declared, "Command", "monitoring-watchdog-secrets").secrets


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lease": None}, "database has no lease_seconds"),
        ({"externally_managed": False}, "front is not declared with externally_managed=True"),
        ({"inside": True}, "erp-1 is one of the pair; what takes it takes its watchdog"),
        ({"fronts": {"erp-3": "10.9.0.18"}}, "fronts.erp-3: no machine of the pair"),
        ({"failure_threshold": 1}, "failure_threshold=1: .*greater than or equal to 2"),
    ],
)
def test_what_could_make_two_writers_or_nothing_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        declare(lambda: program(**changes), preview=True)
