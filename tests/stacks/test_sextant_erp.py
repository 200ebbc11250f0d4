"""Sextant's ERP in the sandbox, seen from outside. The checks run in this order, on one `up`."""

import json
import time
from collections import Counter
from datetime import datetime
from typing import Any

import pytest

from stacks.clouds import Clouds
from tests.stacks.running import credentials, customer, make, open_ports, open_to_the_world, outputs, ssh, world
from tests.waiting import until

pytestmark = pytest.mark.sandbox
STACK, BALANCER = "sextant-erp", "loadbalancer-5c27f80e91ab4d6380f4b1c9e3a7d205"
SERVERS = {"erp-1": "ns31000010.ip-198-18-16-10.eu", "erp-2": "ns31000009.ip-198-18-16-9.eu"}


@pytest.fixture(scope="module", name="up")
def _up() -> dict[str, Any]:
    """The ERP, up. It stays so when a check fails, to be looked at; the last check takes it away."""
    make("up", STACK, timeout=1800)
    shown = outputs(STACK)
    first, second = shown["machines"]["erp-1"], shown["machines"]["erp-2"]
    if status(shown, "erp-1")["role"] != "writer":  # a run that broke off after the switch; nothing moves it back
        ssh(first["public"], "sudo mysql-pair promote")
    until(lambda: weights() == {first["private"]: (60, "active"), second["private"]: (40, "active")})
    until(lambda: served_by(shown["url"], 20)["erp-1"] == 12)  # in force
    return shown


def served_by(url: str, requests: int) -> Counter[str]:
    """How many of the requests each server answered, from the world, each on a connection of its own."""
    shown = world(
        "sh", "-c", f"seq {requests} | xargs -P8 -I% curl -skI --max-time 20 {url}/ | grep -i ^x-served-by",
        check=False, timeout=600,
    )  # fmt: skip
    return Counter(line.split(":")[1].strip() for line in shown.splitlines())


def entries(url: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(world("curl", "-skf", "--max-time", "20", f"{url}/entries"))
    return found


def enter(url: str, label: str) -> str:
    return world(
        *("curl", "-sk", "--max-time", "20", "-o", "/dev/null", "-w", "%{http_code}"),
        *("-d", f"label={label}", "-d", "amount=12.50", f"{url}/entries"),
        check=False,
    )


def status(up: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ssh(up["machines"][name]["public"], "sudo mysql-pair status"))
    return found


def weights() -> dict[str, tuple[int, str]]:
    """Address -> weight and status at the balancer, as the API shows them."""
    cloud = Clouds(credentials())
    base = f"/ipLoadbalancing/{BALANCER}/http/farm"
    found: dict[str, tuple[int, str]] = {}
    for farm in cloud.ovh(base):
        for number in cloud.ovh(f"{base}/{farm}/server"):
            server = cloud.ovh(f"{base}/{farm}/server/{number}")
            found[server["address"]] = (server["weight"], server["status"])
    return found


def switch_on(server: str) -> None:
    """As in the manager: a reboot starts a server that is off."""
    customer().post(f"/dedicated/server/{server}/reboot")


@pytest.mark.claim("ERP-2")
def test_60_per_cent_of_1000_requests_reach_the_masters_site(up: dict[str, Any]) -> None:
    served = served_by(up["url"], 1000)
    assert served.total() == 1000
    # Weighted round robin is exact but for what is under way when the balancer is reloaded.
    assert abs(served["erp-1"] - 600) <= 10, served
    plain = world("curl", "-sI", "--max-time", "10", up["url"].replace("https", "http"))
    assert f"location: {up['url']}/" in plain.lower(), plain


@pytest.mark.claim("ERP-3")
def test_the_balancers_probes_see_web_and_database_of_both(up: dict[str, Any]) -> None:
    cloud, base = Clouds(credentials()), f"/ipLoadbalancing/{BALANCER}"

    def seen() -> bool:
        states = [
            cloud.ovh(f"{base}/{farms}/{farm}/server/{number}")["serverState"]
            for farms in ("http/farm", "tcp/farm")
            for farm in cloud.ovh(f"{base}/{farms}")
            for number in cloud.ovh(f"{base}/{farms}/{farm}/server")
        ]
        return len(states) == 6 and all(one and one[0]["status"] == "up" for one in states)

    assert up["machines"]
    until(seen)


@pytest.mark.claim("ERP-4")
@pytest.mark.claim("ERP-6")
def test_writes_of_either_site_end_on_the_master_and_nothing_crosses_the_public_network(up: dict[str, Any]) -> None:
    counted = {name: up["machines"][name]["public"] for name in SERVERS}
    table = "table inet probe { chain seen { type filter hook %s priority -300; iifname eno1 tcp dport 3306 counter; \
iifname eno1 tcp sport 3306 counter; }; }"
    anew = "table inet probe; delete table inet probe;"
    for address in counted.values():
        ssh(address, f"sudo nft '{anew} {table % 'prerouting'}'")
    labels = [f"entry {number} {time.time()}" for number in range(20)]
    assert {enter(up["url"], label) for label in labels} == {"201"}
    until(lambda: set(labels) <= {one["label"] for one in entries(up["url"])})
    found = [one for one in entries(up["url"]) if one["label"] in labels]
    assert {one["written_on"] for one in found} == {"erp-1"}, "one database is written to"
    assert {one["taken_by"] for one in found} == {"erp-1", "erp-2"}, "both sites took requests"
    for address in counted.values():
        ruleset = ssh(address, "sudo nft list table inet probe; sudo nft delete table inet probe")
        assert ruleset.count("packets 0 ") == 2, ruleset
    listening = ssh(counted["erp-1"], "sudo ss -Htln sport = :3306")
    assert up["machines"]["erp-1"]["public"] not in listening
    assert "0.0.0.0:3306" not in listening


def test_only_what_is_printed_is_open_to_the_world(up: dict[str, Any]) -> None:
    balancer = up["url"].removeprefix("https://")
    machines = [machine["public"] for machine in up["machines"].values()]
    assert len(machines) == 4
    found = open_ports([balancer, *machines])
    assert found.pop(balancer) == open_to_the_world(up, "load balancer")
    assert found == {address: set() for address in machines}


@pytest.mark.usefixtures("up")
def test_a_second_up_changes_nothing() -> None:
    assert " unchanged" in make("up", STACK, "--expect-no-changes")


@pytest.mark.claim("ERP-7")
def test_the_hourly_backup_has_run_is_pruned_and_restored(up: dict[str, Any]) -> None:
    server = up["machines"]["erp-2"]["public"]
    ssh(server, "sudo backup-database-erp-2 run")
    # The clock advanced: a month and more of earlier hours, pruned as the hourly timer does.
    ssh(
        server,
        'for hours in $(seq 1 26) 48 72 120 144 170 200 340 500 670 900; do echo "$hours" | sudo backup-database-erp-2'
        ' restic backup --quiet --host "$(hostname)" --tag mysql --stdin --stdin-filename mysql.sql'
        ' --time "$(date -d "$hours hours ago" "+%F %T")"; done',
        timeout=600,
    )
    store = up["machines"]["backup"]["public"]
    made = json.loads(ssh(server, "sudo backup-database-erp-2 restic snapshots --json --no-lock"))
    # They have arrived when they say: a snapshot whose time is not the server's would be refused.
    arrived = "".join(f"touch --date={one['time']} {one['id']}\n" for one in made)
    ssh(store, f"sudo sh -c 'cd /srv/backup/database-erp-2/repository/snapshots\n{arrived}'")
    ssh(store, "sudo backup-server prune database-erp-2", timeout=300)
    kept = json.loads(ssh(server, "sudo backup-database-erp-2 restic snapshots --json --no-lock"))
    ages = sorted((time.time() - parsed(one["time"])) / 3600 for one in kept)
    assert sum(age < 24.5 for age in ages) >= 24, "24 hourly of the previous day"
    assert {48, 72, 120, 144} <= {round(age) for age in ages}, "hourly for seven days"
    assert 2 <= sum(age > 7 * 24 for age in ages) <= 5, "weekly for a month"
    assert max(ages) < 32 * 24
    ssh(server, "sudo rm -rf /var/tmp/restored; sudo backup-database-erp-2 restore /var/tmp/restored")
    assert "entries" in ssh(server, "sudo grep -o 'INSERT INTO `entries`' -m1 /var/tmp/restored/mysql.sql")
    ssh(server, "sudo rm -rf /var/tmp/restored")


def parsed(stamp: str) -> float:
    """restic's time, which is finer than Python reads it."""
    return datetime.fromisoformat(stamp[:19] + (stamp[-6:] if stamp[-6] in "+-" else "+00:00")).timestamp()


@pytest.mark.claim("ERP-8")
def test_metrics_are_there(up: dict[str, Any]) -> None:
    watcher = up["machines"]["monitoring"]["public"]

    def seen() -> bool:
        answer = ssh(watcher, "curl -fsS 'http://127.0.0.1:9090/api/v1/query?query=casebook:load:per_core'")
        return {one["metric"]["machine"] for one in json.loads(answer)["data"]["result"]} >= set(up["machines"])

    until(seen)


@pytest.mark.claim("ERP-3")
def test_a_server_that_fails_gets_no_traffic_until_it_is_back(up: dict[str, Any]) -> None:
    second = up["machines"]["erp-2"]["public"]
    ssh(second, "sudo systemctl stop nginx")
    try:
        until(lambda: set(served_by(up["url"], 20)) == {"erp-1"})
    finally:
        ssh(second, "sudo systemctl start nginx")
    until(lambda: set(served_by(up["url"], 20)) == set(SERVERS))


@pytest.mark.claim("ERP-5")
@pytest.mark.claim("ERP-8")
def test_the_watchdog_switches_when_the_masters_server_is_lost_and_it_stays_so(up: dict[str, Any]) -> None:
    first, second = up["machines"]["erp-1"], up["machines"]["erp-2"]
    label = f"before {time.time()}"
    assert enter(up["url"], label) == "201"
    until(lambda: label in [one["label"] for one in entries(up["url"])])
    watcher = up["machines"]["monitoring"]["public"]
    ssh(watcher, "sudo truncate --no-create --size=0 /var/mail/debian")
    # The power fails: nothing is shut down in order.
    ssh(first["public"], "sudo sh -c '(sleep 1; systemctl poweroff --force --force) >/dev/null 2>&1 &'")
    began = time.monotonic()
    until(lambda: weights() == {first["private"]: (40, "inactive"), second["private"]: (60, "active")}, seconds=240)
    after = f"after {time.time()}"
    until(lambda: enter(up["url"], after) == "201")
    print(f"a write succeeds again {time.monotonic() - began:.0f} s after the loss")
    assert status(up, "erp-2")["role"] == "writer"
    assert set(served_by(up["url"], 20)) == {"erp-2"}
    until(lambda: "erp-1" in ssh(watcher, "cat /var/mail/debian"), seconds=180)

    switch_on(SERVERS["erp-1"])
    until(lambda: weights() == {first["private"]: (40, "active"), second["private"]: (60, "active")}, seconds=240)
    assert status(up, "erp-1")["role"] == "replica"
    labels = ssh(first["public"], "sudo mariadb -N -e 'select label from erp.entries'")
    assert label in labels
    assert after in labels
    make("up", STACK, "--expect-no-changes")
    assert weights() == {first["private"]: (40, "active"), second["private"]: (60, "active")}
    assert served_by(up["url"], 100)["erp-2"] == 60


def test_destroy_leaves_an_empty_account(up: dict[str, Any]) -> None:
    make("destroy", STACK, "--ignore-protect", timeout=1200)
    cloud = Clouds(credentials())
    for path in (
        "/vrack/pn-1003/ipLoadbalancing",
        "/vrack/pn-1003/dedicatedServerInterface",
        "/me/api/oauth2/client",
        "/v2/iam/policy",
        *(f"/ipLoadbalancing/{BALANCER}/{kind}" for kind in ("tcp/farm", "http/farm", "http/frontend", "ssl")),
        f"/ipLoadbalancing/{BALANCER}/vrack/network",
        f"/ipLoadbalancing/{BALANCER}/pendingChanges",
    ):
        assert cloud.ovh(path) == [], path
    assert world("curl", "-sk", "--max-time", "5", up["url"], check=False) == "", "the balancer still answers"
