"""A dedicated server's firewall on a real kernel: with a public and a private interface, between two networks."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from pulumi_casebook import Allow, Configuration
from tests.components.machines.machine.test_machine import role, server
from tests.components.web.web_tier.namespaces import Box
from tests.harness import declares_the_same
from tests.waiting import until

PUBLIC, WORLD = "198.18.0.2", "198.18.0.9"
PUBLIC6, WORLD6 = "2001:2::2", "2001:2::9"
PRIVATE, GATEWAY = "10.8.0.10", "10.8.0.1"
# What a private interface tells of who may speak there: each datagram, a line.
LISTEN = """
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken, open("/run/heard", "w", buffering=1) as heard:
    taken.bind(("", 9000))
    while True:
        heard.write(taken.recv(99).decode() + "\\n")
"""
SAY = """python3 -c "
import socket
said = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
said.bind(('{source}', 0))
said.sendto(b'{word}', ('{target}', 9000))
" """
SERVE = "python3 -m http.server --bind :: 80"
CURL = "curl -s -o /dev/null --max-time 2"


class Place(NamedTuple):
    world: Box
    server: Box
    gateway: Box


@pytest.fixture(scope="module")
def place(ssh_key_file: Path) -> Iterator[Place]:
    """A server that has a gateway, in the middle; its role `listener` hears the private network alone."""

    def program() -> None:
        private = Allow(port=9000, protocol="udp", sources=("10.8.0.0/24",))
        machine = server(gateway=GATEWAY, address=PRIVATE, allow=[Allow(port=80, sources=("0.0.0.0/0",))])
        machine.configure(Configuration(role="listener", allow=(private,)), role="listener")

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CASEBOOK_SSH_KEY_FILE", str(ssh_key_file))
        made = declares_the_same(program)
    with Box("world") as world, Box("front-1") as middle, Box("gateway") as gateway:
        for box, address, name in ((world, PUBLIC, "public"), (gateway, PRIVATE, "private")):
            box.plug(middle, address)
            middle.run(f"ip link set eth0 down && ip link set eth0 name {name} && ip link set {name} up")
        world.run(f"ip addr add {WORLD}/24 dev bridge; ip -6 addr add {WORLD6}/64 dev bridge nodad")
        gateway.run(f"ip addr add {GATEWAY}/24 dev bridge")
        middle.run(f"ip -6 addr add {PUBLIC6}/64 dev public nodad; ip -6 route add default via {WORLD6}")
        # What the server's networkd makes of its files.
        middle.run(f"ip route add default via {WORLD}; ip route add default via {GATEWAY} table 20")
        middle.run(f"ip rule add from {PUBLIC} table main priority 100")
        middle.run("ip rule add to 10.8.0.0/24 table main priority 101; ip rule add table 20 priority 102")
        middle.run("mkdir -p /etc/nftables.d")
        for name in ("base", "listener"):
            for path, text in role(made, f"front-1-{name}").items():
                if path.startswith("/etc/nftables"):
                    middle.run(f"cat > {path}", text)
        for box in (world, middle):
            box.start(SERVE)
        middle.start(f"python3 -c '{LISTEN}'")
        until(lambda: works(world, f"{CURL} http://{PUBLIC}"), "the server does not serve")
        yield Place(world, middle, gateway)


def works(box: Box, command: str) -> bool:
    return box.run(f"{command} && echo yes", check=False).strip() == "yes"


def protect(place: Place) -> None:
    place.server.run("nft -f /etc/nftables.conf")


def expose(place: Place) -> None:
    place.server.run("nft flush ruleset")


def heard(place: Place, word: str) -> bool:
    return word in place.server.run("cat /run/heard")


def test_the_private_network_s_addresses_are_believed_on_its_interface_alone(place: Place) -> None:
    place.world.run("ip addr add 10.8.0.77/32 dev bridge")
    expose(place)
    place.world.run(SAY.format(source="10.8.0.77", word="forged-open", target=PUBLIC))
    until(lambda: heard(place, "forged-open"), "nobody hears without a firewall, so silence proves nothing")
    protect(place)
    place.world.run(SAY.format(source="10.8.0.77", word="forged", target=PUBLIC))
    place.gateway.run(SAY.format(source=GATEWAY, word="honest", target=PRIVATE))
    until(lambda: heard(place, "honest"), "the private network is not heard")
    assert not heard(place, "forged\n")


@pytest.mark.claim("KEY-1")
@pytest.mark.parametrize(
    "request_",
    [
        f"{CURL} --interface {PUBLIC} http://{WORLD}",
        f"{CURL} --interface public http://{WORLD}",
        f"{CURL} http://[{WORLD6}]",
    ],
    ids=["from the public address", "by the public interface", "by IPv6"],
)
def test_what_begins_behind_a_gateway_leaves_by_it_whatever_a_process_asks_for(place: Place, request_: str) -> None:
    expose(place)
    until(lambda: works(place.server, request_), "the way is not there without a firewall, so its end proves nothing")
    protect(place)
    assert not works(place.server, request_)


def test_the_public_address_answers_all_the_same(place: Place) -> None:
    protect(place)
    assert works(place.world, f"{CURL} http://{PUBLIC}")
    assert works(place.world, f"{CURL} http://[{PUBLIC6}]")


def test_nothing_is_open_to_ipv6_but_what_is_open_to_the_world(place: Place) -> None:
    open_to_some = place.server.run("cat /etc/nftables.conf").replace(
        "tcp dport 80", "ip saddr 198.18.0.0/24 tcp dport 80"
    )
    place.server.run("nft -f -", open_to_some)
    assert works(place.world, f"{CURL} http://{PUBLIC}")
    assert not works(place.world, f"{CURL} http://[{PUBLIC6}]")
    closed = role(
        declares_the_same(lambda: server(ipv6=False, allow=[Allow(port=80, sources=("0.0.0.0/0",))])), "front-1-base"
    )
    place.server.run("nft -f -", closed["/etc/nftables.conf"])
    assert works(place.world, f"{CURL} http://{PUBLIC}")
    assert not works(place.world, f"{CURL} http://[{PUBLIC6}]")
