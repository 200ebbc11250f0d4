"""A gateway between the world and a private network: real kernel, WireGuard, OpenSSH, Fail2ban and Suricata."""

import json
import re
import shlex
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from pulumi_casebook import Vpn
from tests.components.edge.gateway.program import ADDRESS, INSIDE, files, gateway
from tests.components.web.web_tier.namespaces import Box
from tests.harness import declares_the_same
from tests.waiting import until

WORLD, ELSEWHERE, PUBLIC = "198.18.0.9", "203.0.113.9", "198.18.0.2"
SERVER = """
import http.server

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.client_address[0].encode())

http.server.ThreadingHTTPServer(("", 80), Handler).serve_forever()
"""
SSHD = "mkdir -p /run/sshd; /usr/sbin/sshd -D -e"
# What a machine's journal would add to a line of sshd; one number would make all of them one session to Fail2ban.
DATED = """while read -r line; do n=$((n + 1)); echo "$(date '+%b %d %T') gateway sshd[$n]: $line"; done"""
CURL = "curl -s --max-time 3"
SURICATA = (
    "suricata -q 0 -c /etc/suricata/suricata.yaml --include /etc/suricata/gateway.yaml --pidfile /run/suricata.pid"
)
# A connection that says more when it is told to, and in the end expects an answer.
LASTING = f"""
import pathlib, socket, time
def wait(name):
    while not pathlib.Path("/run", name).exists():
        time.sleep(0.1)
told = pathlib.Path("/run/lasting")
with socket.create_connection(("{PUBLIC}", 8080)) as connection:
    connection.settimeout(10)
    connection.send(b"GET / HTTP/1.0\\r\\n")
    told.write_text("open")
    wait("more")
    for number in range(60):
        connection.sendall(b"X-%d: %s\\r\\n" % (number, b"x" * 10000))
    told.write_text("said")
    wait("end")
    try:
        connection.send(b"\\r\\n")
        told.write_text(str(connection.recv(4), "ascii"))
    except OSError as error:
        told.write_text(type(error).__name__)
"""


class Site(NamedTuple):
    world: Box
    gateway: Box
    inside: Box


@pytest.fixture(scope="module")
def site(ssh_key_file: Path) -> Iterator[Site]:
    """Three machines in a row; the one in the middle has the gateway's roles."""
    with Box("world") as world, Box("gateway") as middle, Box("inside") as inside:
        world.plug(middle, PUBLIC)
        world.run(f"ip addr add {WORLD}/24 dev bridge; ip addr add {ELSEWHERE}/32 dev lo")
        middle.plug(inside, INSIDE)
        middle.run(f"ip addr add {ADDRESS}/24 dev bridge; ip route add default via {WORLD}")
        inside.run(f"ip route add default via {ADDRESS}")
        for box in (world, inside):
            box.start(f"python3 -c {shlex.quote(SERVER)}")
        inside.start(SSHD)
        world.run("ssh-keygen -q -t ed25519 -N '' -f /run/jump; (umask 077; wg genkey > /run/ann)")
        # As an operator has it: the peer's key and the jump key are known, the gateway's is not.
        peer = world.run("wg pubkey < /run/ann").strip()
        jump = world.run("cat /run/jump.pub").strip()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CASEBOOK_SSH_KEY_FILE", str(ssh_key_file))
            program = lambda: gateway(vpn=Vpn(peers={"ann": peer}), jump_keys={"ann": jump})  # noqa: E731
            made = declares_the_same(program)
        for role in ("base", "gateway", "intrusion-detection"):
            for path, (text, mode) in files(made, role).items():
                middle.run(f"mkdir -p {Path(path).parent} && cat > {path} && chmod {mode:o} {path}", text)
        middle.run("sysctl -q -p /etc/sysctl.d/80-gateway.conf && nft -f /etc/nftables.conf")
        middle.run("systemd-sysusers /etc/sysusers.d/jump.conf")
        # Fail2ban asks who it is itself.
        middle.run("echo 127.0.0.1 gateway >> /etc/hosts")
        yield Site(world, middle, inside)


def works(box: Box, command: str) -> bool:
    return box.run(f"{command} >/dev/null 2>&1 && echo yes", check=False).strip() == "yes"


def start_suricata(site: Site) -> None:
    site.gateway.run("mkdir -p /var/log/suricata /run/suricata")
    site.gateway.start(SURICATA)
    until(lambda: works(site.gateway, "suricatasc -c uptime"), "Suricata does not answer")


@pytest.mark.claim("NRT-10")
def test_the_network_leaves_with_the_gateway_s_address_to_where_it_may(site: Site) -> None:
    until(lambda: works(site.world, f"{CURL} http://{WORLD}"), "no server")
    assert site.inside.run(f"{CURL} http://{WORLD}") == PUBLIC
    assert not works(site.inside, f"{CURL} http://{ELSEWHERE}")
    assert works(site.gateway, f"ip route add {ELSEWHERE} via {WORLD} && {CURL} http://{ELSEWHERE}")


@pytest.mark.claim("KEY-1")
def test_the_world_enters_by_a_forward_alone_and_keeps_its_address(site: Site) -> None:
    until(lambda: works(site.inside, f"{CURL} http://{INSIDE}"), "no server")
    assert site.world.run(f"{CURL} http://{PUBLIC}:8080") == WORLD
    site.world.run(f"ip route add 10.8.0.0/24 via {PUBLIC}")
    assert not works(site.world, f"{CURL} http://{INSIDE}")
    site.world.run(f"ip route del 10.8.0.0/24 via {PUBLIC}")


@pytest.mark.claim("NRT-10")
def test_administrators_are_inside_by_vpn(site: Site) -> None:
    key = files_key(site)
    site.gateway.run("wg-quick up vpn")
    config = f"""[Interface]
Address = {Vpn(peers={"ann": "x" * 42 + "w="}).addresses["ann"]}/16
PrivateKey = {site.world.run("cat /run/ann").strip()}
[Peer]
PublicKey = {key}
Endpoint = {PUBLIC}:51820
AllowedIPs = 10.8.0.0/24
"""
    site.world.run("umask 077; mkdir -p /etc/wireguard; cat > /etc/wireguard/home.conf; wg-quick up home", config)
    assert site.world.run(f"{CURL} http://{INSIDE}") == ADDRESS
    site.world.run("wg-quick down home")
    assert not works(site.world, f"{CURL} http://{INSIDE}")


def files_key(site: Site) -> str:
    """The gateway's key is born as its unit does it; the public half."""
    unit = site.gateway.run("cat /etc/systemd/system/wg-quick@vpn.service.d/key.conf")
    born = re.search(r"^ExecStartPre=(.*)$", unit, re.M)
    assert born
    site.gateway.run(born[1])
    first = site.gateway.run("wg pubkey < /etc/wireguard/private.key").strip()
    site.gateway.run(born[1])
    assert site.gateway.run("wg pubkey < /etc/wireguard/private.key").strip() == first
    assert site.gateway.run("stat -c %a /etc/wireguard/private.key").strip() == "600"
    return first


@pytest.mark.claim("NRT-15")
def test_administrators_jump_to_the_network_s_ssh_and_who_guesses_is_banned(site: Site) -> None:
    site.gateway.run("ssh-keygen -A >/dev/null; touch /run/auth.log")
    site.gateway.start(f"{SSHD} 2>&1 | {{ {DATED}; }} >> /run/auth.log")
    options = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes -o LogLevel=ERROR"
    jump = f"ssh {options} -i /run/jump"
    banner = f"timeout 5 {jump} -W {{}} jump@{PUBLIC} </dev/null | head -c 7"
    until(lambda: site.world.run(banner.format(f"{INSIDE}:22"), check=False) == "SSH-2.0", "no way to SSH inside")
    assert site.world.run(banner.format(f"{INSIDE}:80"), check=False) == ""
    assert site.world.run(banner.format(f"{WORLD}:22"), check=False) == ""
    assert not works(site.world, f"timeout 5 {jump} jump@{PUBLIC} true")

    # Box has no journal: the same jail on a file.
    jail = "/etc/fail2ban/jail.d/gateway.conf"
    site.gateway.run(f"sed -i 's|^mode.*|&\\nbackend = polling\\nlogpath = /run/auth.log|' {jail}")
    site.gateway.run("mkdir -p /run/fail2ban; fail2ban-client --test && fail2ban-server -b start")
    until(lambda: works(site.gateway, "fail2ban-client status sshd"), "no jail")

    def guessed() -> int:
        assert not works(site.world, f"timeout 5 ssh {options} -i /run/jump root@{PUBLIC} true")
        return int(site.gateway.run("grep -c 'authenticating user root' /run/auth.log", check=False))

    until(lambda: guessed() >= 3, "sshd does not log who guesses")
    # A busy machine's Fail2ban looks at a file every few seconds.
    until(lambda: WORLD in site.gateway.run("fail2ban-client status sshd"), "nobody is banned")
    reachable = f"timeout 2 sh -c 'exec 3<>/dev/tcp/{PUBLIC}/22'".replace("sh -c", "bash -c")
    until(lambda: not works(site.world, reachable), "the ban is no rule")
    # The firewall is loaded anew: every rule is there once, and so is the ban, which is not the firewall's.
    rules = "nft list table inet filter"
    before = site.gateway.run(rules)
    assert site.gateway.run(f"nft -f /etc/nftables.conf && {rules}") == before
    assert not works(site.world, reachable)
    site.gateway.run(f"fail2ban-client set sshd unbanip {WORLD}")
    assert works(site.world, reachable)


@pytest.mark.claim("KEY-1")
def test_a_known_bad_request_raises_an_alert_and_is_dropped(site: Site) -> None:
    good, bad = f"{CURL} http://{PUBLIC}:8080/", f"{CURL} -H 'X-Id: ${{jndi:ldap://x/y}}' http://{PUBLIC}:8080/"
    until(lambda: works(site.world, bad), "the server inside does not answer")  # nothing reads it yet
    site.gateway.run("/usr/local/sbin/suricata-queue on")
    assert works(site.world, good)  # a queue that nobody reads is passed by
    start_suricata(site)
    assert works(site.world, good)
    assert not works(site.world, bad)
    until(lambda: "9000002" in site.gateway.run("cat /var/log/suricata/eve.json"), "no alert")
    events = [json.loads(line) for line in site.gateway.run("cat /var/log/suricata/eve.json").splitlines()]
    [alert] = [e for e in events if e["event_type"] == "alert" and e["alert"]["signature_id"] == 9000002][:1]
    assert (alert["alert"]["action"], alert["src_ip"], alert["dest_ip"]) == ("blocked", WORLD, INSIDE)
    # A client that nobody has answered comes again from the same port, as one of many behind one address does.
    site.inside.run("nft 'table inet hole { chain input { type filter hook input priority 0; tcp dport 80 drop; }; }'")
    assert not works(site.world, f"{good} --local-port 40000")
    site.inside.run("nft delete table inet hole")
    time.sleep(8)
    assert works(site.world, f"{good} --local-port 40000")
    site.gateway.run("nft -f /etc/nftables.conf && /usr/local/sbin/suricata-queue check")
    # Without its queue the rules are of no use: it is the queue that brings it the packets.
    site.gateway.run("/usr/local/sbin/suricata-queue off")
    assert not works(site.gateway, "/usr/local/sbin/suricata-queue check")
    assert works(site.world, bad)


def lasts(site: Site, saying: Callable[[Callable[[], None]], None]) -> str:
    """What a connection through the gateway ends with; `saying` is called with what makes it say more."""

    def said(word: str) -> None:
        until(lambda: site.world.run("cat /run/lasting", check=False) == word, f"the connection is not {word}")

    def more() -> None:
        site.world.run("touch /run/more")
        said("said")

    site.world.run("rm -f /run/lasting /run/more /run/end")
    site.world.start(f"python3 -c {shlex.quote(LASTING)}")
    said("open")
    saying(more)
    site.world.run("touch /run/end")
    until(lambda: site.world.run("cat /run/lasting") != "said", "it neither ends nor fails")
    return site.world.run("cat /run/lasting")


@pytest.mark.claim("KEY-1")
def test_connections_outlive_what_suricata_has_not_seen_of_them(site: Site) -> None:
    def unseen(more: Callable[[], None]) -> None:
        site.gateway.run("/usr/local/sbin/suricata-queue off")
        more()
        site.gateway.run("/usr/local/sbin/suricata-queue on")

    def restarted(more: Callable[[], None]) -> None:
        stop = "kill $pid; while kill -0 $pid 2>/dev/null; do sleep 0.1; done; rm -f /run/suricata.pid"
        site.gateway.run(f"pid=$(cat /run/suricata.pid); {stop}")
        more()
        start_suricata(site)

    until(lambda: works(site.world, f"{CURL} http://{PUBLIC}:8080"), "the server inside does not answer")
    if not works(site.gateway, "suricatasc -c uptime"):
        start_suricata(site)
    site.gateway.run("/usr/local/sbin/suricata-queue on")
    assert lasts(site, unseen) == "HTTP"
    assert lasts(site, restarted) == "HTTP"
    site.gateway.run("/usr/local/sbin/suricata-queue off")


def test_what_suricata_cannot_read_goes_on(site: Site) -> None:
    long = f"{CURL} http://{PUBLIC}:8080/{'a' * 20000}"
    until(lambda: works(site.world, long), "the server inside does not answer")
    if not works(site.gateway, "suricatasc -c uptime"):
        start_suricata(site)
    site.gateway.run("/usr/local/sbin/suricata-queue on")
    assert works(site.world, long)
    site.gateway.run("/usr/local/sbin/suricata-queue off")
