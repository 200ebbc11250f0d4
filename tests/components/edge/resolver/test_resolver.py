"""Name servers: refused mistakes, and two real Unbounds that answer, cache and survive."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pulumi_casebook import DedicatedServer, InputError, Resolver, Vps, VrackNetwork, ssh_key
from pulumi_casebook.machines.configuration.programs.apply import parse
from tests.components.web.web_tier.namespaces import Box
from tests.harness import Registered, comes_after, declare, declares_the_same, only
from tests.waiting import until

UPSTREAM, CLIENT, STRANGER = "10.8.0.9", "10.8.0.20", "10.8.1.20"
# Answers every question for an address with the number of questions so far, and counts; names that begin with a z, with
# an address of the private network.
WORLD = """
import socket, struct
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("10.8.0.9", 53))
count = 0
while True:
    asked, who = server.recvfrom(4096)
    end = asked.index(b"\\0", 12) + 5
    kind = struct.unpack("!H", asked[end - 4:end - 2])[0]
    count += kind == 1
    network = (10, 8, 0) if asked[13:14] == b"z" else (192, 0, 2)
    answer = struct.pack("!HHHLH4B", 0xC00C, 1, 1, 60, 4, *network, count) if kind == 1 else b""
    head = asked[:2] + struct.pack("!HHHHH", 0x8180, 1, int(kind == 1), 0, 0)
    server.sendto(head + asked[12:end] + answer, who)
"""


def resolver(**values: Any) -> Resolver:
    network = VrackNetwork("private", vrack="pn-1002", vlan=8, cidr="10.8.0.0/16")
    servers = [
        DedicatedServer(
            f"dns-{n}",
            service_name=f"ns3100001{n}.ip-198-18-16-1{n}.eu",
            network=network,
            address=f"10.8.0.{10 + n}",
            ssh_key=ssh_key(),
            admin_cidrs=["198.18.0.1/32"],
        )
        for n in (1, 2)
    ]
    given: dict[str, Any] = {
        "machines": servers,
        "clients": ["10.8.0.0/24"],
        "forwarders": [UPSTREAM],
        "dnssec": False,
        "names": {"db-1": "10.8.0.40"},
    }
    return Resolver("dns", **{**given, **values})


def written(made: list[Registered], name: str) -> dict[str, str]:
    found = parse(only(made, "Command", f"{name}-resolver").inputs["stdin"])["files"]
    return {path: "\n".join([*file["lines"], ""]) for path, file in found.items()}


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"machines": []}, "machines=[]: "),
        ({"clients": []}, "clients=[]: "),
        ({"forwarders": ["dns.example"]}, "forwarders.0='dns.example': not an IPv4 address"),
        ({"zone": "Internal!"}, "zone='Internal!': "),
        ({"names": {"Db": "10.8.0.40"}}, "names become host names"),
    ],
)
def test_what_cannot_be_built_is_refused_with_its_reason(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError) as refusal:
        declare(lambda: resolver(**values), preview=True)
    assert reason in str(refusal.value)


def test_a_machine_without_a_private_address_is_refused() -> None:
    def program() -> None:
        vps = Vps("v", service_name="vps-1.example.net", ssh_key=ssh_key(), admin_cidrs=["198.18.0.1/32"])
        resolver(machines=[vps])

    with pytest.raises(InputError, match="v has no address in a private network to answer on"):
        declare(program, preview=True)


@pytest.mark.claim("NRT-9")
def test_the_second_comes_after_the_first_and_only_the_network_may_ask() -> None:
    made = declares_the_same(resolver)
    first, second = (only(made, "Command", f"dns-{n}-resolver") for n in (1, 2))
    assert comes_after(made, second, first)
    rules = written(made, "dns-1")["/etc/nftables.d/resolver.nft"]
    for protocol in ("udp", "tcp"):
        assert f"ip saddr {{ 10.8.0.0/24 }} {protocol} dport 53 accept" in rules


def test_unbound_accepts_it_and_refuses_what_is_broken(tmp_path: Path) -> None:
    def check(text: str) -> int:
        (tmp_path / "unbound.conf").write_text(text)
        return subprocess.run(["unbound-checkconf", tmp_path / "unbound.conf"], capture_output=True).returncode

    for values in ({}, {"forwarders": [], "dnssec": True, "serve_expired": 0}):
        text = written(declares_the_same(lambda v=values: resolver(**v)), "dns-1")[  # type: ignore[misc]
            "/etc/unbound/unbound.conf.d/resolver.conf"
        ]
        assert check(text) == 0
        assert check(text.replace("prefetch: yes", "prefetch: perhaps")) != 0
    assert "forward-zone" not in text
    assert "module-config" not in text


@pytest.fixture(scope="module")
def site(ssh_key_file: Path) -> Iterator[dict[str, Box]]:
    """Two name servers, a machine that asks, and whom the name servers ask."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CASEBOOK_SSH_KEY_FILE", str(ssh_key_file))
        made = declares_the_same(resolver)
    with Box("client") as client, Box("dns-1") as first, Box("dns-2") as second, Box("upstream") as upstream:
        boxes = {"client": client, "dns-1": first, "dns-2": second, "upstream": upstream}
        for box, address in ((first, "10.8.0.11"), (second, "10.8.0.12"), (upstream, UPSTREAM)):
            client.plug(box, address)
            box.run(f"ip route add {STRANGER} dev eth0")
        client.run(f"ip addr add {CLIENT}/24 dev bridge; ip addr add {STRANGER}/32 dev lo")
        upstream.run("cat > /run/world.py", WORLD)
        upstream.start("python3 /run/world.py")
        for name in ("dns-1", "dns-2"):
            for path, text in written(made, name).items():
                boxes[name].run(f"mkdir -p {Path(path).parent} && cat > {path}", text)
            boxes[name].start("unbound -d -p")
            until(lambda box=boxes[name]: "running" in box.run("unbound-control status", check=False), f"{name}")  # type: ignore[misc]
        yield boxes


def ask(site: dict[str, Box], server: str, name: str, source: str = CLIENT, kind: str = "A") -> str:
    return site["client"].run(f"dig +short +time=3 +tries=1 -b {source} @{server} {kind} {name}", check=False).strip()


@pytest.mark.claim("NRT-9")
def test_a_name_is_asked_for_once_outside_and_machines_have_names(site: dict[str, Box]) -> None:
    first = ask(site, "10.8.0.11", "www.example.org")
    assert first.startswith("192.0.2.")
    assert ask(site, "10.8.0.11", "www.example.org") == first
    assert ask(site, "10.8.0.12", "www.example.org") != first, "each asks for itself"
    assert ask(site, "10.8.0.12", "db-1.internal") == "10.8.0.40"
    assert ask(site, "10.8.0.12", "40.0.8.10.in-addr.arpa", kind="PTR") == "db-1.internal."
    assert ask(site, "10.8.0.11", "www.example.org", source=STRANGER) == ";; missing question section", "not refused"


def test_the_world_does_not_say_what_is_inside(site: dict[str, Box]) -> None:
    assert ask(site, "10.8.0.11", "other.example.org").startswith("192.0.2.")
    assert ask(site, "10.8.0.11", "z.example.org") == ""


@pytest.mark.claim("NRT-9")
def test_what_is_known_is_answered_without_the_world_and_by_either(site: dict[str, Box]) -> None:
    known = ask(site, "10.8.0.11", "www.example.org")
    site["upstream"].cut()
    assert ask(site, "10.8.0.11", "www.example.org") == known
    site["dns-1"].cut()
    assert ask(site, "10.8.0.11", "www.example.org").startswith(";;")
    assert ask(site, "10.8.0.12", "db-1.internal") == "10.8.0.40"
