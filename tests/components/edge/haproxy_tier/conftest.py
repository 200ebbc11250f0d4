"""A tier on boxes of one wire, with a few servers behind it and a client in front."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from pulumi_casebook import AddressPlan, Backend, Frontend, HaproxyTier, HealthCheck, VrackNetwork
from pulumi_casebook.machines.configuration.programs.apply import parse
from tests.components.web.web_tier.namespaces import Box
from tests.components.web.web_tier.site import servers
from tests.harness import declare, only
from tests.waiting import until

PLAN = AddressPlan("10.8.0.0/24", haproxy="16/28")
CLIENT = "10.8.0.99"
SERVERS = {f"db-{n}": f"10.8.0.8{n}" for n in (1, 2, 3)}
SERVER = Path(__file__).with_name("server.py")


def database(members: int, **given: Any) -> Callable[[], None]:
    """A program: a database behind some members."""

    def program() -> None:
        network = VrackNetwork("private", vrack="pn-1001", vlan=8, cidr=PLAN.cidr)
        HaproxyTier(
            "sql",
            machines=servers(network, "haproxy", members, 100, PLAN),
            **{
                "backends": {
                    "database": Backend(
                        servers=SERVERS,
                        port=3306,
                        mode="tcp",
                        check=HealthCheck(path="/", port=9200),
                        single_writer=True,
                    )
                },
                "frontends": {"sql": Frontend(port=3306, backend="database")},
                "clients": [f"{CLIENT}/32"],
                "probed_by": [f"{CLIENT}/32"],
                **given,
            },
        )

    return program


class Tier:
    """Boxes by name, and what a client and an operator do with them."""

    def __init__(self, boxes: dict[str, Box], program: Callable[[], None]) -> None:
        self.boxes = boxes
        self.members = {name: PLAN.address("haproxy", int(name[-1])) for name in boxes if name.startswith("haproxy")}
        declared = declare(program, preview=True)
        self._bundles = {
            role: {name: only(declared, "Command", f"{name}-{role}").inputs["stdin"] for name in self.members}
            for role in ("base", "haproxy")
        }

    def configure(self, member: str) -> str:
        box = self.boxes[member]
        base = parse(self._bundles["base"][member])["files"]["/etc/nftables.conf"]
        box.run("mkdir -p /etc/nftables.d; cat > /etc/nftables.conf", "\n".join(base["lines"]) + "\n")
        return box.apply("haproxy", self._bundles["haproxy"][member])

    def start(self, server: str) -> None:
        self.boxes["servers"].start(f"exec python3 {SERVER} {server} {SERVERS[server]}")

    def signal(self, server: str, name: str) -> None:
        self.boxes["servers"].run(f"pkill -{name} -f '^python3 .* {server} '")

    def stop_haproxy(self, member: str) -> None:
        """HAProxy alone: it forgets all that it knew."""
        self.boxes[member].run("pkill -KILL -x haproxy; rm /run/active-haproxy.service")

    def start_haproxy(self, member: str) -> None:
        self.boxes[member].run("systemctl start haproxy.service")

    def answers(self, address: str) -> str:
        """Which server answers a new connection to an address; nothing where none does."""
        return self.boxes["client"].run(
            "python3 -c 'import socket, sys; c = socket.create_connection((sys.argv[1], 3306), 1); c.settimeout(4);"
            f'print(c.recv(99).decode(), end="")\' {address} 2>/run/refused',
            check=False,
        ).strip()  # fmt: skip

    def writers(self) -> list[str]:
        """Who is written to through each member."""
        return [self.answers(address) for address in self.members.values()]

    def sees(self, server: str, state: str) -> bool:
        """Whether a server is UP or DOWN in all members' eyes."""
        told = [self.boxes["client"].run(f"curl -sS 'http://{address}:8404/;csv'") for address in self.members.values()]
        return all(re.search(rf"^database,{server},(?:[^,]*,){{15}}{state}", text, re.MULTILINE) for text in told)

    def holder(self, address: str) -> str:
        """The members that have an address, which should be one."""
        return " ".join(
            name
            for name, box in self.boxes.items()
            if name in self.members and box.run(f"ip -4 -oneline address show to {address}/32")
        )


@pytest.fixture
def tier(request: pytest.FixtureRequest, ssh_key_file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tier]:
    """A tier that serves; the test's parameter is how many members, and the tier's other arguments."""
    members, given = request.param
    monkeypatch.setenv("CASEBOOK_SSH_KEY_FILE", str(ssh_key_file))
    addresses = {f"haproxy-{n}": PLAN.address("haproxy", n) for n in range(1, members + 1)}
    addresses |= {"servers": "10.8.0.80", "client": CLIENT}
    with ExitStack() as stack, ThreadPoolExecutor(4) as pool:
        wire = stack.enter_context(Box("wire"))
        boxes = dict(zip(addresses, pool.map(Box, addresses), strict=True))
        for name, box in boxes.items():
            stack.enter_context(box)
            wire.plug(box, addresses[name])
        for address in SERVERS.values():
            boxes["servers"].run(f"ip address add {address}/24 dev eth0")
        made = Tier(boxes, database(members, **given))
        for server in SERVERS:
            made.start(server)
        for member in made.members:
            made.configure(member)
        until(lambda: set(made.writers()) == {"db-1"}, "the tier does not answer")
        yield made
