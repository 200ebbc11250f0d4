"""Machines as a program declares them: names that stay, secrets that stay secret, edits that destroy nothing."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from pulumi_casebook import (
    Allow,
    Configuration,
    DedicatedServer,
    File,
    InputError,
    InstanceGroup,
    Machine,
    Unit,
    Vps,
    VrackNetwork,
    ssh_key,
)
from pulumi_casebook.machines.configuration.programs.apply import parse
from tests.harness import OUTPUTS, Registered, comes_after, declare, declares_the_same, only

PROJECT = "0123456789abcdef0123456789abcdef"
ADMINS = ["198.18.0.1/32"]


def network(**values: Any) -> VrackNetwork:
    given = {"vrack": "pn-1001", "vlan": 8, "cidr": "10.8.0.0/24", "project": PROJECT, "regions": ["GRA11"]}
    return VrackNetwork("private", **{**given, **values})


def server(vlan: int = 8, **values: Any) -> DedicatedServer:
    given: dict[str, Any] = {
        "service_name": "ns1001.example.net",
        "network": network(vlan=vlan),
        "address": "10.8.0.10",
    }
    return DedicatedServer("front-1", **{**given, "ssh_key": ssh_key(), "admin_cidrs": ADMINS, **values})


def group(name: str = "web", count: int = 2, **values: Any) -> InstanceGroup:
    given: dict[str, Any] = {
        "region": "GRA11",
        "flavor": "b3-8",
        "addresses": {f"web-{number}": f"10.8.0.{19 + number}" for number in range(1, count + 1)},
        "ssh_key": ssh_key(),
        "admin_cidrs": ADMINS,
    }
    if "network" not in values:
        given["network"] = network()
    return InstanceGroup(name, **{**given, **values})


def vps(**values: Any) -> Vps:
    given: dict[str, Any] = {"service_name": "vps-1.example.net", "ssh_key": ssh_key(), "admin_cidrs": ADMINS}
    return Vps("monitoring", **{**given, **values})


def private_group(**values: Any) -> InstanceGroup:
    """Instances behind a gateway that is one itself."""
    shared = network()
    gateway = group("gateway", network=shared, addresses={"gateway-1": "10.8.0.1"}, ip_forwarding=True)
    given: dict[str, Any] = {
        "region": "GRA11",
        "flavor": "b3-8",
        "network": shared,
        "addresses": {"app-1": "10.8.0.31"},
        "ssh_key": ssh_key(),
        "admin_cidrs": ADMINS,
        "public": False,
        "via": gateway.machines[0],
        "gateway": "10.8.0.1",
        "resolvers": ["10.8.0.2", "10.8.0.3"],
    }
    return InstanceGroup("app", **{**given, **values})


def role(made: list[Registered], name: str) -> dict[str, str]:
    files = parse(only(made, "Command", name).inputs["stdin"])["files"]
    return {path: "\n".join([*file["lines"], ""]) for path, file in files.items()}


@pytest.mark.parametrize("program", [server, group, vps])
def test_preview_shows_all_and_the_private_key_is_secret_everywhere(program: Any, ssh_key_file: Path) -> None:
    made = declares_the_same(program)
    private = ssh_key_file.read_text()
    holders = [resource for resource in made if private.splitlines()[1] in str(resource.inputs)]
    assert holders
    for resource in holders:
        assert resource.type == "command:remote:Command"
        assert "connection" in resource.secrets
        assert private not in str({name: value for name, value in resource.inputs.items() if name != "connection"})


def test_user_data_holds_the_public_key_and_nothing_that_changes(ssh_key_file: Path) -> None:
    made = declares_the_same(group)
    public = ssh_key_file.with_name("id_ed25519.pub").read_text().strip()
    for name in ("web-1", "web-2"):
        instance = only(made, "openstack:compute/instance:Instance", name)
        assert instance.inputs["userData"] == f"#cloud-config\nssh_authorized_keys:\n  - {public}\n"
        assert set(instance.ignore_changes) == {"imageId", "userData"}


def test_one_more_instance_changes_nothing_of_the_others() -> None:
    fewer, more = declares_the_same(lambda: group(count=2)), declares_the_same(lambda: group(count=3))
    before = {resource.urn: resource.inputs for resource in fewer}
    after = {resource.urn: resource.inputs for resource in more}
    assert before == {urn: after[urn] for urn in before}
    assert {urn.rpartition("::")[2].removeprefix("web-3") for urn in after.keys() - before.keys()} == {
        "",
        "-public",
        "-private",
        "-base",
        "-apply-program",
    }


def test_instances_have_their_planned_address_and_stand_on_different_hosts() -> None:
    made = declares_the_same(group)
    assert only(made, "Port", "web-2-private").inputs["fixedIps"] == [{"ipAddress": "10.8.0.21"}]
    assert only(made, "ServerGroup", "web").inputs["policies"] == "anti-affinity"
    hints = only(made, "openstack:compute/instance:Instance", "web-2").inputs["schedulerHints"]
    assert hints == [{"group": "web-id"}]


def test_nobody_reaches_an_instance_but_administrators_and_the_private_network() -> None:
    made = declares_the_same(lambda: group(allow=[Allow(port=443, sources=("0.0.0.0/0",))]))
    rules = [r.inputs for r in made if r.type.endswith("SecGroupRule")]
    found = {(r["remoteIpPrefix"], r.get("protocol"), r.get("portRangeMin")) for r in rules}
    world = {("0.0.0.0/0", "tcp", 443), ("::/0", "tcp", 443)}
    assert found == {("198.18.0.1/32", "tcp", 22), *world, ("10.8.0.0/24", None, None)}


def test_roles_are_applied_again_on_a_machine_that_was_made_anew() -> None:
    def program() -> None:
        for machine in group().machines:
            machine.configure(Configuration(role="web"), role="web", secrets={"a": "b"})

    instance = "openstack:compute/instance:Instance"
    made = declares_the_same(program, outputs={**OUTPUTS, instance: lambda _: {}})
    for name in ("web-1-apply-program", "web-1-base", "web-1-web", "web-1-web-secrets"):
        assert only(made, "Command", name).inputs["triggers"] == ["web-1-id"]
        assert comes_after(made, only(made, "Command", name), only(made, instance, "web-1"))


def test_only_a_machine_that_stays_cleans_up_after_a_role() -> None:
    assert "remove base" in only(declares_the_same(server), "Command", "front-1-base").inputs["delete"]
    assert "delete" not in only(declares_the_same(group), "Command", "web-1-base").inputs


def test_a_secret_makes_its_role_apply_again_and_shows_in_no_bundle() -> None:
    def program() -> None:
        file = File(path="/etc/x", content="@secret(password)@", mode="0600")
        server().configure(Configuration(role="x", files=(file,)), role="x", secrets={"password": "hunter2"})

    made = declares_the_same(program)
    kept, applied = only(made, "Command", "front-1-x-secrets"), only(made, "Command", "front-1-x")
    assert kept.inputs["stdin"] == '{"password": "hunter2"}'
    assert "stdin" in kept.secrets
    assert applied.inputs["create"].endswith("apply x # secrets 1")
    assert "stdin" not in applied.secrets
    assert not [r for r in made if "hunter2" in str(r.inputs) and r is not kept]


def test_a_server_is_installed_once_and_joined_to_the_vrack() -> None:
    made = declares_the_same(lambda: server(install="debian13_64"))
    install = only(made, "ServerReinstallTask", "front-1-install")
    assert set(install.ignore_changes) >= {"os", "customizations"}
    joined = only(made, "DedicatedServerInterface", "front-1-vrack")
    assert joined.delete_before_replace
    assert joined.inputs["serviceName"] == "pn-1001"
    assert comes_after(made, only(made, "Command", "front-1-base"), joined)
    assert comes_after(made, only(made, "Command", "front-1-base"), install)
    assert not [r for r in declares_the_same(server) if r.type.endswith("ServerReinstallTask")]


def test_the_vrack_s_interface_is_tagged_unless_the_vlan_is_zero() -> None:
    tagged = role(declares_the_same(server), "front-1-base")
    assert "Address=10.8.0.10/24" in tagged["/etc/systemd/network/20-vrack-vlan.network"]
    assert "Id=8" in tagged["/etc/systemd/network/20-vrack-vlan.netdev"]
    assert "VLAN=vrack.8" in tagged["/etc/systemd/network/20-vrack.network"]
    plain = role(declares_the_same(lambda: server(vlan=0)), "front-1-base")
    assert "Address=10.8.0.10/24" in plain["/etc/systemd/network/20-vrack.network"]
    assert [path for path in plain if "vlan" in path] == []


@pytest.mark.claim("NRT-2")
def test_an_instance_without_a_public_port_is_reached_and_leaves_through_the_gateway() -> None:
    allow = [Allow(port=80, sources=("0.0.0.0/0",))]
    made = declares_the_same(lambda: private_group(allow=allow, shared_addresses=["10.8.0.200"]))
    assert not [r.name for r in made if r.name.startswith("app") and "public" in r.name]
    instance = only(made, "openstack:compute/instance:Instance", "app-1")
    assert len(instance.inputs["networks"]) == 1
    port = only(made, "Port", "app-1-private")
    assert port.inputs["allowedAddressPairs"] == [{"ipAddress": "10.8.0.200"}]
    connection = only(made, "Command", "app-1-base").inputs["connection"]
    assert connection["host"] == "10.8.0.31"
    assert connection["proxy"]["host"] == only(made, "Command", "gateway-1-base").inputs["connection"]["host"]
    rules = [r.inputs for r in made if r.type.endswith("SecGroupRule") and r.name.startswith("app")]
    found = {(r["remoteIpPrefix"], r.get("protocol"), r.get("portRangeMin")) for r in rules}
    assert found == {("0.0.0.0/0", "tcp", 80), ("10.8.0.0/24", None, None)}
    files = role(made, "app-1-base")
    assert "ip saddr { 198.18.0.1/32, 10.8.0.1/32 } tcp dport 22 accept" in files["/etc/nftables.conf"]
    assert files["/etc/resolvers.conf"].startswith("nameserver 10.8.0.2\nnameserver 10.8.0.3\n")


def test_the_way_out_is_there_from_the_first_boot_as_the_role_keeps_it() -> None:
    made = declares_the_same(private_group)
    first_boot = yaml.safe_load(only(made, "openstack:compute/instance:Instance", "app-1").inputs["userData"])
    [file] = first_boot["write_files"]
    assert role(made, "app-1-base")[file["path"]] == file["content"]
    assert "Gateway=10.8.0.1\n" in file["content"]
    assert first_boot["runcmd"] == [["networkctl", "reload"]]


def test_a_gateway_s_own_port_takes_what_is_not_addressed_to_it() -> None:
    port = only(declares_the_same(private_group), "Port", "gateway-1-private").inputs
    assert port["portSecurityEnabled"] is False
    assert "securityGroupIds" not in port


def test_a_server_with_a_gateway_only_answers_on_its_public_interface() -> None:
    for vlan, file in ((8, "20-vrack-vlan.network"), (0, "20-vrack.network")):
        made = declares_the_same(lambda vlan=vlan: server(vlan=vlan, gateway="10.8.0.1"))  # type: ignore[misc]
        public = only(made, "Command", "front-1-base").inputs["connection"]["host"]
        text = role(made, "front-1-base")[f"/etc/systemd/network/{file}"]
        assert "[Route]\nGateway=10.8.0.1\nTable=20\n" in text
        assert f"From={public}\nTable=main\nPriority=100\n" in text
        assert "To=10.8.0.0/24\nTable=main\nPriority=101\n" in text
        assert (
            "RoutingPolicyRule"
            not in role(declares_the_same(lambda vlan=vlan: server(vlan=vlan)), "front-1-base")[  # type: ignore[misc]
                f"/etc/systemd/network/{file}"
            ]
        )


def test_nft_accepts_the_firewall_with_the_roles_it_includes(tmp_path: Path) -> None:
    def program() -> None:
        allow = Allow(port=53, protocol="udp", sources=("10.8.0.0/24",))
        machine: Machine = server(allow=[Allow(port=443, sources=("0.0.0.0/0",)), Allow(port=80, sources=())])
        machine.configure(Configuration(role="dns", allow=(allow,)), role="dns")

    made = declares_the_same(program)
    ruleset = role(made, "front-1-base")["/etc/nftables.conf"]
    assert "tcp dport 443 accept" in ruleset
    assert "dport 80" not in ruleset
    (tmp_path / "dns.nft").write_text(role(made, "front-1-dns")["/etc/nftables.d/dns.nft"])
    here = ruleset.replace("/etc/nftables.d", str(tmp_path))
    assert nft(here, tmp_path) == ""
    assert "syntax error" in nft(here.replace("policy drop", "policy dorp"), tmp_path)
    (tmp_path / "dns.nft").write_text("add rule inet filter input tcp dprt 1 accept\n")
    assert "dns.nft" in nft(here, tmp_path)


def nft(ruleset: str, folder: Path) -> str:
    """nftables' own check (Debian package nftables), where it cannot touch this machine's rules; its complaints."""
    (folder / "ruleset").write_text(ruleset)
    command = ["unshare", "--net", "nft", "--check", "--file", str(folder / "ruleset")]
    return subprocess.run(command, capture_output=True, text=True).stderr


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (lambda: server(service_name="front-1"), "service_name='front-1': a dedicated server's name"),
        (lambda: server(address=None), "address=None: goes together with network"),
        (lambda: server(address="10.9.0.1"), "address=10.9.0.1: outside the network 10.8.0.0/24"),
        (lambda: server(install="windows"), "install='windows': what OVHcloud installs is debian13_64"),
        (lambda: server(admin_cidrs=[]), "admin_cidrs=[]: "),
        (lambda: group(region="RBX-A"), "region=RBX-A: the private network private is in: GRA11"),
        (lambda: group(addresses={}), "addresses={}: "),
        (lambda: group(addresses={"Web": "10.8.0.20"}), "names become host names"),
        (lambda: group(gateway="10.8.0.1"), "gateway=10.8.0.1: instances with a public address leave by it"),
        (lambda: group(public=False), "public=False: nothing is reached or fetched without a public address"),
        (lambda: group(shared_addresses=["10.9.0.1"]), "shared_addresses.0=10.9.0.1: outside the network"),
        (lambda: group(ip_forwarding=True, shared_addresses=["10.8.0.9"]), "Neutron refuses shared_addresses"),
        (lambda: private_group(gateway="10.9.0.1"), "gateway=10.9.0.1: outside the network 10.8.0.0/24"),
        (lambda: private_group(gateway="10.8.0.31"), "gateway=10.8.0.31: the machine's own address"),
        (lambda: private_group(via=vps()), "via=monitoring: has no address in a private network"),
        (
            lambda: server(network=None, address=None, gateway="10.8.0.1"),
            "gateway=10.8.0.1, via=None: of a private network",
        ),
        (lambda: group(policy="affinity"), "policy='affinity': "),
        (lambda: vps(service_name="ns1.example.net"), "service_name='ns1.example.net': "),
        (lambda: vps(network=1), "network: no such field"),
    ],
)
def test_what_cannot_be_built_is_refused_with_its_reason(program: Any, reason: str) -> None:
    with pytest.raises(InputError) as refusal:
        declare(program, preview=True)
    assert reason in str(refusal.value)


def unknown(_: dict[str, Any]) -> dict[str, Any]:
    raise LookupError("The requested object (serviceName = x) does not exist")


@pytest.mark.parametrize(
    ("program", "token", "what"),
    [
        (server, "ovh:index/getServer:getServer", "dedicated server 'ns1001.example.net'"),
        (vps, "ovh:Vps/getVps:getVps", "VPS 'vps-1.example.net'"),
        (group, "openstack:images/getImage:getImage", "GRA11's image 'Debian 13'"),
        (group, "openstack:networking/getNetwork:getNetwork", "GRA11's external network 'Ext-Net'"),
    ],
)
def test_what_the_account_does_not_have_is_named(program: Any, token: str, what: str) -> None:
    with pytest.raises(InputError) as refusal:
        declare(program, preview=True, answers={token: unknown})
    assert str(refusal.value).startswith(what)
    assert "does not exist" in str(refusal.value)


def test_a_server_without_a_vrack_interface_is_refused() -> None:
    bare = {"id": "x", "ip": "198.18.16.1", "datacenter": "rbx8", "vnis": []}
    with pytest.raises(InputError, match=r"'ns1001\.example\.net': no vRack interface is enabled on it"):
        declare(server, preview=True, answers={"ovh:index/getServer:getServer": lambda _: bare})


def vni(uuid: str, *nics: str, mode: str = "vrack") -> dict[str, Any]:
    return {
        "uuid": uuid,
        "enabled": True,
        "mode": mode,
        "name": uuid,
        "nics": list(nics),
        "vrack": "",
        "serverName": "",
    }


def found_server(*interfaces: dict[str, Any]) -> Any:
    return lambda _: {"id": "x", "ip": "198.18.16.1", "datacenter": "rbx8", "vnis": list(interfaces)}


def test_a_server_joins_by_the_same_interface_however_they_are_listed() -> None:
    listed = [
        vni("b", "0c:00:00:00:00:02"),
        vni("p", "0c:00:00:00:00:03", mode="public"),
        vni("a", "0c:00:00:00:00:01"),
    ]
    for interfaces in (listed, listed[::-1]):
        answers = {"ovh:index/getServer:getServer": found_server(*interfaces)}
        made = declare(server, preview=False, answers=answers)
        assert only(made, "DedicatedServerInterface", "front-1-vrack").inputs["interfaceId"] == "a"
    bond = found_server(vni("a", "0c:00:00:00:00:01", "0c:00:00:00:00:02"))
    with pytest.raises(InputError, match="its vRack interface a has 2 network cards"):
        declare(server, preview=True, answers={"ovh:index/getServer:getServer": bond})


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("kind", ["instance", "VPS"])
def test_a_machine_is_reached_by_ipv4_wherever_that_stands_in_the_list(kind: str, order: int) -> None:
    listed = ["2001:2::7", "198.18.16.7"][::order]
    made = declare(
        lambda: (group(count=1), vps()),
        preview=False,
        answers={"ovh:Vps/getVps:getVps": lambda _: {"id": "x", "ips": listed, "datacenter": {"name": "gra"}}},
        outputs={"openstack:networking/port:Port": lambda _: {"allFixedIps": listed}},
    )
    name = "web-1" if kind == "instance" else "monitoring"
    assert only(made, "Command", f"{name}-base").inputs["connection"]["host"] == "198.18.16.7"


def test_a_machine_without_an_ipv4_address_is_refused() -> None:
    answers = {"ovh:Vps/getVps:getVps": lambda _: {"id": "x", "ips": ["2001:2::7"], "datacenter": {"name": "gra"}}}
    with pytest.raises(InputError, match=r"VPS 'vps-1\.example\.net': has no IPv4 address, of 2001:2::7"):
        declare(vps, preview=True, answers=answers)


def test_what_is_let_in_twice_is_one_rule_for_neutron() -> None:
    allow = [Allow(port=22, sources=(*ADMINS, "203.0.113.0/24")), Allow(port=22, sources=("203.0.113.0/24",))]
    made = declares_the_same(lambda: group(allow=allow))
    fields = ("securityGroupId", "remoteIpPrefix", "protocol", "portRangeMin", "ethertype")
    rules = [tuple(r.inputs.get(field) for field in fields) for r in made if r.type.endswith(":SecGroupRule")]
    assert len(set(rules)) == len(rules) == 3, rules


@pytest.mark.parametrize("ipv6", [True, False])
def test_the_world_comes_by_ipv6_too_unless_that_is_off(ipv6: bool) -> None:
    made = declares_the_same(lambda: group(ipv6=ipv6, allow=[Allow(port=443, sources=("0.0.0.0/0",))]))
    by_family = [r.inputs["remoteIpPrefix"] for r in made if r.inputs.get("ethertype") == "IPv6"]
    assert by_family == (["::/0"] if ipv6 else [])


def test_a_service_cannot_follow_a_file_of_another_role() -> None:
    with pytest.raises(InputError, match="none of the files"):
        Configuration(role="x", units=(Unit(unit="x.service", restart_on=("/etc/other",)),))
