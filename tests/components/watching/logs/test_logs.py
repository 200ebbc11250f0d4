"""What the component refuses, declares and puts on its machines."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pulumi_casebook import DedicatedServer, InputError, Logs, VrackNetwork, ssh_key
from pulumi_casebook.machines.configuration.programs.apply import parse
from tests.components.tls import Authority
from tests.harness import Registered, comes_after, declare, declares_the_same, only

NAMES = ("logs", "web-1", "web-2")


def program(names: tuple[str, ...] = NAMES, network: bool = True, **values: Any) -> Callable[[], None]:
    def run() -> None:
        private = VrackNetwork("private", vrack="pn-1001", vlan=8, cidr="10.8.0.0/24")
        keeper, *others = (
            DedicatedServer(
                name,
                service_name=f"ns3100003{9 - number}.ip-198-18-16-3{9 - number}.eu",
                network=private if network else None,
                address=f"10.8.0.{80 + number}" if network else None,
                ssh_key=ssh_key(),
                admin_cidrs=["198.18.0.1/32"],
            )
            for number, name in enumerate(names)
        )
        Logs("logs", **{"machine": keeper, "machines": others, **values})

    return run


def files(made: list[Registered], command: str) -> dict[str, str]:
    role = parse(only(made, "Command", command).inputs["stdin"])
    return {path: "\n".join(file["lines"]) + "\n" for path, file in role["files"].items()}


EVERYTHING = {"files": {"http": "/var/log/nginx/access.log"}, "programs": {"balancer": "haproxy"}, "queue_mib": 64}


@pytest.mark.claim("NRT-11")
def test_every_machine_ships_and_only_those_reach_the_keeper() -> None:
    made = declares_the_same(program())
    for name in NAMES:
        rules = files(made, f"{name}-shipper")["/etc/rsyslog.d/50-shipper.conf"]
        assert 'target="10.8.0.80" port="2514"' in rules
        assert f" {name} %app-name%" in rules
        assert comes_after(made, only(made, "Command", "logs-logs-seen"), only(made, "Command", f"{name}-shipper"))
    opened = files(made, "logs-logs")["/etc/nftables.d/logs.nft"]
    assert "saddr { 10.8.0.80/32, 10.8.0.81/32, 10.8.0.82/32 } tcp dport 2514" in opened
    # The store itself listens to its own machine only.
    store = files(made, "logs-logs-store")
    assert 'network.host: "127.0.0.1"' in store["/etc/opensearch-logs-store/opensearch.yml"]
    assert not [path for path in store if path.startswith("/etc/nftables.d/")]


def test_one_more_machine_touches_no_other() -> None:
    few, more = declares_the_same(program(names=NAMES[:2])), declares_the_same(program())
    for command in ("logs-shipper", "web-1-shipper", "logs-logs-store"):
        assert files(few, command) == files(more, command)


@pytest.mark.claim("NRT-12")
def test_http_logs_are_kept_a_year_and_others_three_weeks() -> None:
    made = declares_the_same(program())
    assert '"default": 21' in files(made, "logs-logs")["/etc/logs.json"]
    assert '"http": 365' in files(made, "logs-logs")["/etc/logs.json"]
    assert "OnCalendar=daily" in files(made, "logs-logs")["/etc/systemd/system/logs-expire.timer"]


@pytest.mark.parametrize("values", [{}, EVERYTHING])
def test_rsyslog_accepts_its_files(values: dict[str, Any], tmp_path: Path) -> None:
    made = declares_the_same(program(**values))
    authority = Authority(tmp_path)
    authority.certify(tmp_path / "own", "10.8.0.80")
    names = files(made, "logs-logs")["/etc/rsyslog.d/logs-machines.json"]
    (tmp_path / "logs-machines.json").write_text(names)
    for command, path in (
        ("logs-logs", "/etc/rsyslog.d/40-logs.conf"),
        ("web-1-shipper", "/etc/rsyslog.d/50-shipper.conf"),
    ):
        file = tmp_path / "rsyslog.conf"
        rules = re.sub("/etc/(ssl/casebook/logs/[a-z]+|rsyslog.d)/", f"{tmp_path}/", files(made, command)[path])
        file.write_text(f'global(workDirectory="{tmp_path}")\nmodule(load="imuxsock")\n{rules}')
        done = subprocess.run(["rsyslogd", "-N1", "-f", file], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"machines": []}, "machines=[]: Tuple should have at least 1 item"),
        ({"retention_days": 0}, "retention_days=0: Input should be greater than or equal to 1"),
        ({"tag_retention_days": {"mail": 3}}, "tag_retention_days: no file and no program has the tag mail"),
        (
            {"programs": {"http": "haproxy", "mail": "postfix"}, "retention_days": 365},
            "1095 days in all (system 365, http 365, mail 365), and a day of a tag is an index",
        ),
        ({"files": {"http": "access.log"}}, "files.http='access.log': an absolute path"),
        ({"programs": {"http": 'a"b'}}, "a program as the system's log names it"),
        ({"network": False}, "logs has no private network, where lines travel; give it one"),
    ],
)
def test_what_cannot_work_is_refused_with_its_reason(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError) as refusal:
        declare(program(**values), preview=False)
    assert reason in str(refusal.value)
    assert str(refusal.value).startswith("Logs 'logs': ")
