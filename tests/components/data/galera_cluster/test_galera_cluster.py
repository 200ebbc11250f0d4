"""What the component refuses, declares and puts on its machines."""

import itertools
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pulumi_casebook import DedicatedServer, GaleraCluster, InputError, VrackNetwork, ssh_key
from pulumi_casebook.machines.configuration.programs.apply import parse
from tests.harness import Registered, comes_after, declare, declares_the_same, only

MEMBERS = "/etc/mysql/mariadb.conf.d/91-galera-members.cnf"
SERVER = "/etc/mysql/mariadb.conf.d/90-galera.cnf"


def program(members: int = 3, arbitrators: int = 0, **values: Any) -> Callable[[], None]:
    def run() -> None:
        network = VrackNetwork("private", vrack="pn-1002", vlan=20, cidr="10.8.0.0/24")
        machines = [
            DedicatedServer(
                f"db-{number}",
                service_name=f"ns{1000 + number}.example.net",
                network=network,
                address=f"10.8.0.{79 + number}",
                ssh_key=ssh_key(),
                admin_cidrs=["198.18.0.1/32"],
            )
            for number in range(1, members + arbitrators + 1)
        ]
        given = {"machines": machines[:members], "arbitrators": machines[members:], "network": network}
        if values.pop("twice", False):
            given["arbitrators"] = [machines[0], machines[1]]
        GaleraCluster("db", **{**given, "clients": ["10.8.0.16/28"], **values})

    return run


def lines_of(made: list[Registered], command: str, path: str) -> list[str]:
    return parse(only(made, "Command", command).inputs["stdin"])["files"][path]["lines"]


@pytest.mark.claim("NRT-5")
def test_ten_members_need_an_arbitrator_and_are_set_up_one_after_the_other() -> None:
    made = declares_the_same(program(members=10, arbitrators=1))
    order = [f"db-{number}-galera" for number in range(1, 11)] + ["db-11-galera-arbitrator"]
    for earlier, later in itertools.pairwise(order):
        assert comes_after(made, only(made, "Command", later), only(made, "Command", earlier))
        assert not comes_after(made, only(made, "Command", earlier), only(made, "Command", later))
    for number in range(1, 11):
        # Nobody begins before every other member can tell what it holds.
        assert comes_after(made, only(made, "Command", order[0]), only(made, "Command", f"db-{number}-galera-peer"))


@pytest.mark.claim("NRT-5")
def test_one_more_member_restarts_no_other() -> None:
    three, five = declare(program(), preview=True), declare(program(members=5), preview=True)
    for role in ("galera-peer", "galera"):
        before, after = (parse(only(made, "Command", f"db-1-{role}").inputs["stdin"]) for made in (three, five))
        changed = {path for path, file in after["files"].items() if before["files"][path] != file}
        assert changed
        restarted = [
            service["unit"]
            for service in after["services"]
            if changed & set(service["follows"]) and service["change"] == "restart"
        ]
        assert restarted == []


def test_only_members_arbitrators_and_clients_are_let_in() -> None:
    made = declare(program(members=4, arbitrators=1), preview=True)
    rules = [line.split(" ip saddr ")[1] for line in lines_of(made, "db-1-galera", "/etc/nftables.d/galera.nft")[1:]]
    assert rules == [
        "{ 10.8.0.16/28 } tcp dport 3306 accept",
        "{ 10.8.0.81/32, 10.8.0.82/32, 10.8.0.83/32, 10.8.0.84/32 } tcp dport 4567 accept",
        "{ 10.8.0.81/32, 10.8.0.82/32, 10.8.0.83/32 } tcp dport 4568 accept",
        "{ 10.8.0.81/32, 10.8.0.82/32, 10.8.0.83/32 } tcp dport 4444 accept",
    ]
    rules = lines_of(made, "db-5-galera-arbitrator", "/etc/nftables.d/galera-arbitrator.nft")[1:]
    assert len(rules) == 1
    assert "10.8.0.80/32" in rules[0]


def test_members_are_known_where_clients_reach_them() -> None:
    made = declare(program(arbitrators=0, reached_at=["10.8.0.20"]), preview=True)
    asked = only(made, "tls:index/certRequest:CertRequest", "db-db-2")
    assert asked.inputs["ipAddresses"] == ["10.8.0.81", "10.8.0.20"]


def test_no_secret_is_readable_outside_its_own_resource() -> None:
    made = declares_the_same(program(arbitrators=0))
    hidden = [f"drawn-db-{name}" for name in ("application", "sst", "health")] + ["private-key-of-db-"]
    for resource in made:
        if resource.name.endswith("-secrets"):
            assert "stdin" in resource.secrets
        elif resource.type.endswith(":Command"):
            assert not any(secret in str(resource.inputs) for secret in hidden)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"members": 4}, "machines: 4 members split 2/2 and stop; use 3, 5, or add an arbitrator"),
        ({"members": 10}, "machines: 10 members split 5/5 and stop; use 9, or add an arbitrator"),
        ({"members": 3, "arbitrators": 1}, "machines: 3 members and 1 arbitrators split 2/2 and stop"),
        ({"members": 2, "arbitrators": 1}, "2 members; a cluster has 3 to 10"),
        ({"members": 11}, "11 members; a cluster has 3 to 10"),
        ({"twice": True}, "machines, arbitrators: db-1 is given twice; a machine has one part in a cluster"),
        ({"clients": []}, "clients=[]: Tuple should have at least 1 item"),
        ({"user": "sst"}, "user='sst': the server's or the cluster's own account"),
        ({"database": "mysql"}, "database='mysql': the server's or the cluster's own"),
        ({"port": 4567}, "port=4567: the cluster itself uses"),
        ({"colour": "red"}, "colour: no such field"),
    ],
)
def test_what_cannot_work_is_refused_with_its_reason(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError) as refusal:
        declare(program(**values), preview=False)
    assert reason in str(refusal.value)
    assert str(refusal.value).startswith("GaleraCluster 'db': ")


def test_mariadb_accepts_the_server_s_options(tmp_path: Path) -> None:
    made = declare(program(), preview=True)
    text = "\n".join(line for path in (SERVER, MEMBERS) for line in lines_of(made, "db-1-galera", path))
    assert validate(text, tmp_path) == ""
    assert "unknown variable 'wsrep_gtid_mood" in validate(text.replace("gtid_mode", "gtid_mood"), tmp_path)


def validate(text: str, folder: Path) -> str:
    """The daemon's own check, as machines make it before a restart."""
    (folder / "server.cnf").write_text(text)
    command = ["mariadbd", f"--defaults-file={folder}/server.cnf", "--user=mysql", "--help", "--verbose"]
    done = subprocess.run(command, capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stderr
