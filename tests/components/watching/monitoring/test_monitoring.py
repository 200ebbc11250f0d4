"""What monitoring declares, and what it puts on the machines."""

import re
from typing import Any

import pulumi
import pytest
from syrupy.assertion import SnapshotAssertion

from pulumi_casebook import (
    Allow,
    DedicatedServer,
    Exporter,
    InputError,
    InstanceGroup,
    Monitored,
    Monitoring,
    Vps,
    VrackNetwork,
    exposure,
    ssh_key,
)
from pulumi_casebook.machines.configuration.programs.apply import Role, parse
from tests.harness import UNKNOWN, Registered, comes_after, declare, declares_the_same, only


def access() -> dict[str, Any]:
    return {"ssh_key": ssh_key(), "admin_cidrs": ["198.18.0.0/16"]}


def vps() -> Vps:
    return Vps("monitoring", service_name="vps-1.vps.ovh.net", **access())


def servers(*names: str) -> list[DedicatedServer]:
    network = VrackNetwork("private", vrack="pn-1001", vlan=8, cidr="10.8.0.0/24")
    return [
        DedicatedServer(
            name, service_name=f"ns300{number}.ip-198-18-16.eu", network=network, address=f"10.8.0.{number}", **access()
        )
        for number, name in enumerate(names, 10)
    ]


def program(*names: str, **values: Any) -> Any:
    def declare_it() -> None:
        Monitoring("watch", **{"machine": vps(), "machines": servers(*names), "over": "public", **values})

    return declare_it


def role(registered: list[Registered], machine: str, name: str) -> Role:
    """The parsed bundle of one role."""
    return parse(only(registered, "Command", f"{machine}-{name}").inputs["stdin"])


def files(registered: list[Registered], name: str, machine: str = "monitoring") -> dict[str, str]:
    parsed = role(registered, machine, name)
    return {path: "\n".join([*file["lines"], ""]) for path, file in parsed["files"].items()}


EVERYTHING: dict[str, Any] = {
    "sms": {"to": ["+33612345678"], "operators": [{"url": "https://sms.example.net/", "token": "s3cret"}]},
    "night": {},
    "probes": {"site": "https://www.example.net/", "database": "tcp://10.8.0.10:3306"},
    "mail": {"to": ["ops@example.net"], "sender": "casebook@example.net", "server": "mail.example.net:587"},
    "webhook": "https://hooks.example.net/0123",
    "viewers_cidrs": ["203.0.113.0/24"],
}


@pytest.mark.claim("SOF-7")
def test_a_vps_watches_itself_and_every_machine(snapshot: SnapshotAssertion) -> None:
    registered = declares_the_same(program("web-1", "db-1"))
    for name in ("monitoring", "web-1", "db-1"):
        assert role(registered, name, "exporter")["packages"] == ["openssl", "prometheus-node-exporter"]
    assert only(registered, "Command", "monitoring-monitoring").inputs["stdin"] == snapshot(name="monitoring")
    assert only(registered, "Command", "monitoring-monitoring-targets").inputs["stdin"] == snapshot(name="targets")
    assert only(registered, "Command", "web-1-exporter").inputs["stdin"] == snapshot(name="exporter")


def test_everything_but_addresses_that_are_not_born_is_shown_by_a_preview() -> None:
    shown = declare(program("web-1"), preview=True)
    assert only(shown, "Command", "monitoring-monitoring").inputs["stdin"] is not UNKNOWN
    assert only(shown, "Command", "web-1-exporter").inputs["stdin"] is not UNKNOWN


def test_one_more_machine_changes_one_line_of_the_watching_one() -> None:
    few, more = (declares_the_same(program(*names)) for names in (["web-1"], ["web-1", "web-2"]))
    unchanged = [r for r in few if r.name != "monitoring-monitoring-targets"]
    assert all(next(m for m in more if m.urn == r.urn).inputs == r.inputs for r in unchanged)
    before, after = (files(r, "monitoring-targets")["/etc/prometheus/machines.yml"].splitlines() for r in (few, more))
    assert len(after) == len(before) + 1
    assert [line for line in after if line in before] == before


@pytest.mark.claim("SOF-7")
def test_an_exporter_is_open_to_the_watching_machine_alone() -> None:
    seen = {}

    def declare_it() -> None:
        watcher = vps()
        seen["address"] = watcher.public_ip
        Monitoring("watch", machine=watcher, machines=servers("web-1"), over="public")

    firewall = role(declares_the_same(declare_it), "web-1", "exporter")["files"]["/etc/nftables.d/exporter.nft"][
        "lines"
    ]
    assert firewall[1:] == [f"add rule inet filter input ip saddr {{ {seen['address']}/32 }} tcp dport 9100 accept"]


def test_over_the_private_network_every_address_is_planned() -> None:
    def declare_it() -> None:
        watcher, *others = servers("watcher", "web-1")
        Monitoring("watch", machine=watcher, machines=others)

    shown = declare(declare_it, preview=True)
    targets = role(shown, "watcher", "monitoring-targets")["files"]["/etc/prometheus/machines.yml"]["lines"]
    assert [line for line in targets if '"10.8.0.10:9100"' in line or '"10.8.0.11:9100"' in line] == targets[1:]


def test_pages_are_local_unless_somebody_may_see_them() -> None:
    closed, opened = (declares_the_same(program("web-1", **values)) for values in ({}, EVERYTHING))
    assert "/etc/nftables.d/monitoring.nft" not in files(closed, "monitoring")
    assert "--web.listen-address=127.0.0.1:9090 " in files(closed, "monitoring")["/etc/default/prometheus"]
    assert "--web.listen-address=127.0.0.1:9093 " in files(closed, "monitoring")["/etc/default/prometheus-alertmanager"]
    rules = files(opened, "monitoring")["/etc/nftables.d/monitoring.nft"]
    assert "ip saddr { 203.0.113.0/24 } tcp dport 9090 accept" in rules


def test_alerts_go_where_they_are_told_and_their_secrets_nowhere_else() -> None:
    mail = {**EVERYTHING["mail"], "username": "casebook", "password": "hunter2"}
    registered = declares_the_same(program("web-1", **{**EVERYTHING, "mail": mail}))
    holders = {
        word: {r.name for r in registered if word in str(r.inputs)}
        for word in ("hunter2", "hooks.example.net", "s3cret")
    }
    assert holders == {
        "hunter2": {"monitoring-monitoring-secrets"},
        "hooks.example.net": {"monitoring-monitoring-secrets"},
        "s3cret": {"monitoring-sms-secrets"},
    }
    assert role(registered, "monitoring", "sms")["files"]["/etc/casebook/sms/token-0"]["mode"] == 0o640
    modes = role(registered, "monitoring", "monitoring")["files"]
    assert modes["/etc/prometheus/alertmanager.yml"]["mode"] == 0o640
    assert modes["/etc/prometheus/smtp-password"]["mode"] == 0o640


@pytest.mark.claim("NRT-11")
def test_mail_is_muted_by_night_and_text_messages_by_day() -> None:
    text = files(declares_the_same(program("web-1", **EVERYTHING)), "monitoring")["/etc/prometheus/alertmanager.yml"]
    assert "- {receiver: mail, continue: true, mute_time_intervals: [night]}" in text
    assert "- {receiver: sms, continue: true, active_time_intervals: [night]}" in text
    assert "- {receiver: webhook, continue: true}" in text
    for line in ('start_time: "20:00", end_time: "24:00"', 'start_time: "00:00", end_time: "08:00"', "Europe/Paris"):
        assert line in text
    both = {**EVERYTHING, "night": None}
    text = files(declares_the_same(program("web-1", **both)), "monitoring")["/etc/prometheus/alertmanager.yml"]
    assert "night" not in text


def test_probes_may_be_born_with_the_stack() -> None:
    def declare_it() -> None:
        (haproxy,) = servers("haproxy-1")
        page = haproxy.public_address.apply(lambda address: f"http://{address}/")
        Monitoring("watch", machine=vps(), machines=[haproxy], over="public", probes={"site": page})

    probes = files(declares_the_same(declare_it), "monitoring-targets")["/etc/prometheus/probes.yml"]
    assert re.search(r'"http://198[0-9.]+/"\], labels: {probe: "site", module: http}', probes)


def monitored(name: str, *machines: DedicatedServer, port: int = 8404) -> Monitored:
    rule = f"- alert: Broken\n  expr: broken{{machine='{machines[0].name}'}} == 1\n"
    return Monitored(name, machines, rule, exporters=(Exporter("daemon", port),), figures=("broken",))


def test_what_is_watched_brings_its_machines_each_once_its_figures_and_its_rules() -> None:
    seen: dict[str, Any] = {}

    def declare_it() -> None:
        watcher, (one, two, other) = vps(), servers("one", "two", "other")
        seen["source"] = f"{watcher.public_ip}/32"
        watches = [monitored("first", one, two), monitored("second", two, port=8405)]
        Monitoring("watch", machine=watcher, watches=watches, machines=[watcher, two, other], over="public")
        seen["open"] = exposure([one, two, other])

    registered = declares_the_same(declare_it)
    lists = files(registered, "monitoring-targets")
    assert re.findall(r'machine: "([a-z]+)"', lists["/etc/prometheus/machines.yml"]) == [
        "monitoring",
        "two",
        "other",
        "one",
    ]
    asked = re.findall(r':([0-9]+)"\], labels: {machine: "([a-z]+)"', lists["/etc/prometheus/daemon.yml"])
    assert asked == [("8404", "one"), ("8404", "two"), ("8405", "two")]
    watching = files(registered, "monitoring")
    assert "job_name: daemon\n" in watching["/etc/prometheus/prometheus.yml"]
    rules = {path: text for path, text in watching.items() if "/rules/" in path}
    assert {path: re.findall("broken{machine='([a-z]+)'}", text) for path, text in rules.items()} == {
        "/etc/prometheus/rules/machines.yml": [],
        "/etc/prometheus/rules/first.yml": ["one"],
        "/etc/prometheus/rules/second.yml": ["two"],
    }
    [prometheus] = [
        unit
        for unit in role(registered, "monitoring", "monitoring")["services"]
        if unit["unit"] == "prometheus.service"
    ]
    assert set(rules) < set(prometheus["follows"])
    assert {name: found[seen["source"]] for name, found in seen["open"].items()} == {
        "one": ["8404/tcp", "9100/tcp"],
        "two": ["8404/tcp", "8405/tcp", "9100/tcp"],
        "other": ["9100/tcp"],
    }


@pytest.mark.claim("SOF-7")
@pytest.mark.parametrize("over", ["public", "private"])
def test_the_platform_s_firewall_before_an_instance_lets_the_watching_machine_in(over: str) -> None:
    def declare_it() -> None:
        network = VrackNetwork(
            "private", vrack="pn-1001", vlan=8, cidr="10.8.0.0/24", project="0" * 32, regions=["GRA11"]
        )
        watcher = DedicatedServer(
            "watcher", service_name="ns3001.ip-198-18-16.eu", network=network, address="10.8.0.9", **access()
        )
        web = InstanceGroup(
            "web",
            region="GRA11",
            flavor="b3-8",
            network=network,
            addresses={f"web-{number}": f"10.8.0.{number}" for number in (21, 22)},
            # As an earlier release had it opened: it is opened once.
            allow=[Allow(port=9100, sources=(f"{watcher.public_ip}/32",))] if over == "public" else [],
            **access(),
        )
        found = Monitored("daemon-web", web.machines, "", exporters=(Exporter("daemon", 8404),))
        Monitoring("watch", machine=watcher, watches=[found], over=over)  # type: ignore[arg-type]
        pulumi.export("watcher", watcher.public_ip)

    registered = declares_the_same(declare_it)
    rules = [r for r in registered if r.type.endswith("SecGroupRule") and r.inputs.get("portRangeMin") in (8404, 9100)]
    if over == "private":
        assert rules == []
        return
    assert [(r.name.rpartition("-")[0], r.inputs["remoteIpPrefix"]) for r in rules] == [
        (f"web-public-tcp-{port}", f"{registered[0].outputs['watcher']}/32") for port in (9100, 8404)
    ]
    targets = only(registered, "Command", "watcher-monitoring-targets")
    assert all(comes_after(registered, targets, rule) for rule in rules)


def test_up_need_not_wait_for_the_machines() -> None:
    assert (
        role(declares_the_same(program("web-1", wait_seconds=0)), "monitoring", "monitoring-targets")["ready"] is None
    )


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"machines": []}, "watches, machines: nothing to watch"),
        ({"over": "private"}, "over=private: monitoring has no private network; give it one, or over=public"),
        ({"thresholds": {"memory_percent": 120}}, "thresholds.memory_percent=120: Input should be less than or equal"),
        ({"thresholds": {"swap": 1}}, "thresholds.swap: no such field"),
        ({"mail": {**EVERYTHING["mail"], "server": "mail"}}, "mail.server='mail': a port is a number from 1 to 65535"),
        ({"mail": {**EVERYTHING["mail"], "username": "x"}}, "username and password go together"),
        ({"mail": {"to": ["a@b"], "sender": "a@b", "username": "x", "password": "y"}}, "username: goes with a server"),
        ({"sms": {"to": ["0612345678"], "operators": []}}, "sms.to.0='0612345678': a telephone in international form"),
        ({"night": {}, "mail": EVERYTHING["mail"]}, "night: needs both mail and sms"),
        ({"night": {"start": "8:00"}}, "night.start='8:00': an hour and a minute"),
        ({"night": {"start": "08:00", "end": "08:00"}}, "start=08:00: is the end as well"),
        ({"night": {"time_zone": "Paris"}}, "night.time_zone='Paris': not a time zone"),
        ({"probes": {"site": "www.example.net"}}, "site='www.example.net': begins with http"),
        (
            {"watches": [Monitored("daemon-a", [], "", exporters=(Exporter("probes", 1),))]},
            "watches=.*: probes: the name of one of Monitoring's own jobs, not of an exporter",
        ),
        (
            {"watches": [Monitored("daemon-a", [], ""), Monitored("daemon-a", [], "")]},
            "watches=.*: daemon-a: a file of rules has this name; a name is of one component alone",
        ),
        ({"watches": [Monitored("machines", [], "")]}, "watches=.*: machines: a file of rules has this name"),
        ({"wait_seconds": -1}, "wait_seconds=-1: Input should be greater than or equal to 0"),
        ({"viewers_cidrs": ["0.0.0.0/0"]}, "nearly everybody; name the networks"),
        ({"viewers_cidrs": ["0.0.0.0/1", "128.0.0.0/1"]}, "nearly everybody; name the networks"),
        ({"viewers_cidrs": ["everyone"]}, "viewers_cidrs.0='everyone': not an IPv4 network"),
    ],
)
def test_what_cannot_work_is_refused(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        declares_the_same(program("web-1", **values))


def test_the_watching_machine_must_be_known_to_firewalls() -> None:
    def declare_it() -> None:
        watcher, other = servers("watcher", "web-1")
        watcher.public_ip = None
        Monitoring("watch", machine=watcher, machines=[other], over="public")

    with pytest.raises(InputError, match="the address of watcher is not known before it is made"):
        declares_the_same(declare_it)


def test_a_machine_is_watched_once() -> None:
    def declare_it() -> None:
        (server,) = servers("web-1")
        Monitoring("watch", machine=vps(), machines=[server, server], over="public")

    with pytest.raises(InputError, match=r"machines=\[web-1, web-1\]: web-1 is given twice"):
        declares_the_same(declare_it)
