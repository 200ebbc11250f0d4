"""Two members of a tier and three SQL servers, as boxes on one wire."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from casebook import Backend, Frontend, HaproxyTier, HealthCheck, VrackNetwork
from tests.components.web_tier.boxes import Box, until
from tests.components.web_tier.site import PLAN, servers
from tests.harness import declare, only

CLIENT = "10.8.0.99"
MEMBERS = {f"haproxy-{n}": PLAN.address("haproxy", n) for n in (1, 2)}
SERVERS = {f"db-{n}": f"10.8.0.8{n}" for n in (1, 2, 3)}
SERVER = Path(__file__).with_name("server.py")


def tier() -> None:
    """A database behind two members."""
    network = VrackNetwork("private", vrack="pn-1001", vlan=8, cidr=PLAN.cidr)
    HaproxyTier(
        "sql",
        machines=servers(network, "haproxy", 2, 100),
        backends={
            "database": Backend(
                servers=SERVERS, port=3306, mode="tcp", check=HealthCheck(path="/", port=9200), single_writer=True
            )
        },
        frontends={"sql": Frontend(port=3306, backend="database")},
        allowed_cidrs=[f"{CLIENT}/32"],
        metrics_cidrs=[f"{CLIENT}/32"],
    )


class Tier:
    """Boxes by name, and what a client and an operator do with them."""

    def __init__(self, boxes: dict[str, Box]) -> None:
        self.boxes = boxes
        declared = declare(tier, preview=True)
        self._bundles = {name: only(declared, "Command", f"{name}-haproxy").inputs["stdin"] for name in MEMBERS}

    def configure(self, member: str) -> str:
        return self.boxes[member].apply("haproxy", self._bundles[member])

    def start(self, server: str) -> None:
        self.boxes["servers"].start(f"exec python3 {SERVER} {server} {SERVERS[server]}")

    def kill(self, server: str) -> None:
        self.boxes["servers"].run(f"pkill -KILL -f '^python3 .* {server} '")

    def restart(self, member: str) -> None:
        """HAProxy alone: it forgets all that it knew."""
        self.boxes[member].run(
            "kill -KILL $(cat /run/haproxy.pid); pkill -KILL -x haproxy; sleep 0.2; systemctl start haproxy.service"
        )

    def writer(self, member: str) -> str:
        """Who answers a new connection through a member; nothing where nobody does."""
        return self.boxes["client"].run(
            f"timeout 5 python3 -c 'import socket; c = socket.create_connection((\"{MEMBERS[member]}\", 3306), 4); "
            "c.settimeout(4); print(c.recv(99).decode().strip())' 2>&1 | tail -1",
            check=False,
        ).strip()  # fmt: skip

    def state(self, member: str, server: str) -> str:
        """A server in a member's eyes: UP or DOWN."""
        told = self.boxes["client"].run(f"curl -sS 'http://{MEMBERS[member]}:8404/;csv'")
        return next(line.split(",")[17] for line in told.splitlines() if line.startswith(f"database,{server},"))


@pytest.fixture
def sql(ssh_key_file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tier]:
    monkeypatch.setenv("CASEBOOK_SSH_KEY_FILE", str(ssh_key_file))
    names = [*MEMBERS, "servers", "client"]
    with ExitStack() as stack, ThreadPoolExecutor(4) as pool:
        wire = stack.enter_context(Box("wire"))
        boxes = {name: stack.enter_context(box) for name, box in zip(names, pool.map(Box, names), strict=True)}
        for name, address in {**MEMBERS, "servers": "10.8.0.80", "client": CLIENT}.items():
            wire.plug(boxes[name], address)
        for address in SERVERS.values():
            boxes["servers"].run(f"ip address add {address}/24 dev eth0")
        made = Tier(boxes)
        for server in SERVERS:
            made.start(server)
        for member in MEMBERS:
            boxes[member].run("mkdir -p /etc/nftables.d; cat > /etc/nftables.conf", "#!/usr/sbin/nft -f\n")
            made.configure(member)
        until(lambda: all(made.writer(member) == "db-1" for member in MEMBERS), "the tier does not answer")
        yield made
