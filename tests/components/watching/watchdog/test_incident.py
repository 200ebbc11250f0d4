"""The watchdog at work: two real servers with their keepers, the sandbox's API with a balancer, machines lost."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ovh
import pytest
import uvicorn

from pulumi_casebook.machines.service_account import URN
from pulumi_casebook.watching.watchdog.component import ADDRESS_ACTIONS, BALANCER_ACTIONS, PROGRAM
from sandbox.ovhcloud.app import create_app
from sandbox.ovhcloud.backing import Backing
from sandbox.ovhcloud.balancer import Monitor
from sandbox.ovhcloud.openstack import InMemoryOpenStack
from sandbox.ports import free_port
from tests.components.data.mysql_pair.conftest import empty_server, formed, machines
from tests.components.data.mysql_pair.pair import ADDRESSES, Node
from tests.components.data.mysql_pair.test_pair import rows, write
from tests.ovhcloud.conftest import BALANCER, KEYS, account
from tests.waiting import until

__all__ = ["account", "empty_server", "formed", "machines"]  # fixtures
Machines = tuple[Node, Node]
FARM = f"/ipLoadbalancing/{BALANCER}/http/farm"
IP, HOLDERS = "198.18.28.1", {"db-1": "ns31000001.ip-198-18-16-1.eu", "db-2": "ns31000002.ip-198-18-16-2.eu"}
LEASE = 8  # seconds; longer than the watchdog needs to ask where a machine's peer is gone, which is tried for 3
leased = pytest.mark.parametrize("machines", [{"lease_seconds": LEASE}], indirect=True)


class Balancer(Monitor):
    """The API on a port of its own, with one farm, and an account of the watchdog's own."""

    def __init__(self, folder: Path, customer: Any) -> None:
        port = free_port()
        self.found = {"db-1": "up", "db-2": "up"}  # by its probes
        self.servers: dict[int, str] = {}
        app = create_app(folder / "account.sqlite", customer, 0.1, lambda _: Backing(InMemoryOpenStack(), self, None))
        self.server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        until(lambda: self.server.started)
        self.url = f"http://127.0.0.1:{port}"
        ovh.client.ENDPOINTS[f"{self.url}/1.0"] = f"{self.url}/1.0"
        self.client = ovh.Client(endpoint=f"{self.url}/1.0", **KEYS)
        self.farm = self.client.post(FARM, zone="all", port=80)["farmId"]
        for (name, address), weight in zip(ADDRESSES.items(), (60, 40), strict=True):
            server = {"address": address, "status": "active", "weight": weight}
            added = self.client.post(f"{FARM}/{self.farm}/server", **server)
            self.servers[added["serverId"]] = name
        made = self.client.post(
            "/me/api/oauth2/client", name="w", description="w", flow="CLIENT_CREDENTIALS", callbackUrls=[]
        )
        identity = self.client.get(f"/me/api/oauth2/client/{made['clientId']}")["identity"]
        self.client.post(
            "/v2/iam/policy",
            name="w",
            identities=[identity],
            resources=[{"urn": f"{URN}:loadbalancer:{BALANCER}"}, {"urn": f"{URN}:ip:{IP}/32"}],
            permissions={"allow": [{"action": action} for action in (*BALANCER_ACTIONS, *ADDRESS_ACTIONS)]},
        )
        self.credential = {"client_id": made["clientId"], "client_secret": made["clientSecret"]}

    def in_force(self) -> dict[str, tuple[int, str]]:
        """Machine -> weight and status, once nothing is pending."""
        if self.client.get(f"/ipLoadbalancing/{BALANCER}/pendingChanges"):
            return {}
        where = f"{FARM}/{self.farm}/server"
        found = [self.client.get(f"{where}/{number}") for number in self.client.get(where)]
        names = {address: name for name, address in ADDRESSES.items()}
        return {names[server["address"]]: (server["weight"], server["status"]) for server in found}

    def server_state(self, _service: str, server: int) -> list[dict[str, Any]]:
        return [{"instanceId": 1, "status": self.found[self.servers[server]]}] if server in self.servers else []

    def holder(self) -> str:
        """The machine to which the additional IP is routed."""
        routed = self.client.get(f"/ip/{IP}")["routedTo"]["serviceName"]
        return next(name for name, service in HOLDERS.items() if service == routed)

    def close(self) -> None:
        self.server.should_exit = True
        self.thread.join()


@pytest.fixture(name="balancer")
def _balancer(tmp_path: Path, account: Any) -> Iterator[Balancer]:
    made = Balancer(tmp_path, account)
    yield made
    made.close()


def order(node: Node) -> list[str]:
    """As ssh gives orders: one string of words; 255 where the machine cannot be reached."""
    (node.folder / "systemctl").write_text(f"#!/bin/sh\nkill -9 $(cat {node.folder}/pid) || true\n")
    (node.folder / "systemctl").chmod(0o755)
    run = " ".join(node.inside(*node.program))
    environment = f"MYSQL_PAIR={node.folder}/settings.json PATH={node.folder}:$PATH"
    return ["sh", "-c", f"[ ! -e {node.folder}/off ] || exit 255; exec env {environment} {run} $1", "order"]


class Running:
    """The watchdog's own process, and what it has said."""

    def __init__(self, folder: Path, nodes: Machines, balancer: Balancer) -> None:
        api = {"url": f"{balancer.url}/1.0", "token": f"{balancer.url}/auth/oauth2/token", **balancer.credential}
        settings = {
            "machines": {node.name: {"front": ADDRESSES[node.name], "order": order(node)} for node in nodes},
            "failure_threshold": 3,
            "interval": 0.3,
            "lease": LEASE,
            "settled": 4,
            "load_balancer": BALANCER,
            "weights": [60, 40],
            "api": api,
            "alertmanager": None,
            "addresses": {IP: HOLDERS},
            "state": str(folder / "state.json"),
        }
        self.file, self.log = folder / "watchdog.json", folder / "watchdog.log"
        self.file.write_text(json.dumps(settings))
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            command = [sys.executable, str(PROGRAM), "keep"]
            environment = {**os.environ, "WATCHDOG": str(self.file)}
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()

    def command(self, *words: str) -> tuple[bool, str]:
        environment = {**os.environ, "WATCHDOG": str(self.file)}
        command = [sys.executable, str(PROGRAM), *words]
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        return done.returncode == 0, done.stdout + done.stderr

    def says(self, words: str) -> bool:
        return words in self.log.read_text()


@pytest.fixture(name="watchdog")
def _watchdog(tmp_path: Path, formed: Machines, balancer: Balancer) -> Iterator[Running]:
    running = Running(tmp_path, formed, balancer)
    try:
        until(lambda: running.command("ready")[0])
        yield running
    finally:
        running.stop()


def lose(node: Node) -> None:
    """Its power fails: it neither runs nor answers."""
    (node.folder / "off").touch()
    node.kill()


@leased
@pytest.mark.claim("ERP-5")
def test_the_replica_takes_over_and_the_weights_follow_until_the_next_incident(
    formed: Machines, watchdog: Running, balancer: Balancer
) -> None:
    first, second = formed
    assert write(first, 1) == ""
    until(lambda: rows(second) == ["1"])
    assert balancer.holder() == "db-1"
    lose(first)
    until(lambda: balancer.in_force() == {"db-1": (40, "inactive"), "db-2": (60, "active")})
    until(lambda: write(first, 2) == "")
    assert second.status()["role"] == "writer"
    until(lambda: balancer.holder() == "db-2")
    assert not watchdog.command("ready")[0], "somebody has to look at db-1"

    # Repaired: it is the replica, gets its part of the traffic, and nothing goes back to it.
    (first.folder / "off").unlink()
    first.start()
    until(first.ready)
    until(lambda: balancer.in_force() == {"db-1": (40, "active"), "db-2": (60, "active")})
    until(lambda: rows(first) == ["1", "2"])
    watchdog.stop()
    watchdog.start()
    time.sleep(2)
    assert balancer.in_force() == {"db-1": (40, "active"), "db-2": (60, "active")}
    assert second.status()["role"] == "writer"

    # The next incident, the other way round.
    lose(second)
    until(lambda: balancer.in_force() == {"db-1": (60, "active"), "db-2": (40, "inactive")})
    until(lambda: write(first, 3) == "")


@leased
@pytest.mark.claim("ERP-5")
def test_two_never_write_when_the_writer_lives_but_nobody_sees_it(formed: Machines, watchdog: Running) -> None:
    first, second = formed
    (first.folder / "off").touch()
    first.network.cut("db-1")
    both, stop = list[float](), threading.Event()

    def look() -> None:
        while not stop.is_set():
            if [node.ask("SELECT @@GLOBAL.read_only")[1] for node in formed] == ["0", "0"]:
                both.append(time.monotonic())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        until(lambda: first.says(f"no watchdog has asked for {LEASE} s; db-1 no longer writes"))
        until(lambda: second.ask("SELECT @@GLOBAL.read_only")[1] == "0")
        first.network.mend("db-1")
        (first.folder / "off").unlink()
        until(first.ready)
    finally:
        stop.set()
        thread.join()
    assert both == []
    assert (first.status()["role"], second.status()["role"]) == ("replica", "writer")
    until(lambda: watchdog.command("ready")[0])


@leased
def test_one_missed_answer_or_a_peer_that_sees_it_is_no_incident(formed: Machines, watchdog: Running) -> None:
    first, second = formed
    (first.folder / "off").touch()
    until(lambda: watchdog.says("db-1 is not seen from here, but db-2 sees it; nothing is done"))
    time.sleep(3)
    assert (first.status()["role"], second.status()["role"]) == ("writer", "replica")
    (first.folder / "off").unlink()
    until(lambda: watchdog.says("db-1: well again"))


@leased
def test_a_writer_whose_server_is_dead_is_replaced_at_once(formed: Machines, watchdog: Running) -> None:
    first, second = formed
    first.processes.pop("server").kill()
    until(lambda: watchdog.says("db-1 is reached, but its server does not answer, or only here: ending it"))
    until(lambda: second.status()["role"] == "writer")
    first.start_server()
    until(first.ready)
    assert first.status()["role"] == "replica"


@leased
@pytest.mark.claim("ERP-5")
def test_a_writer_that_only_the_watchdog_sees_is_replaced(
    formed: Machines, watchdog: Running, balancer: Balancer
) -> None:
    first, second = formed
    # The replica's link: the writer is where the balancer's visitors are.
    first.network.cut("db-2")
    balancer.found["db-2"] = "down"
    until(lambda: balancer.in_force() == {"db-1": (60, "active"), "db-2": (40, "inactive")})
    time.sleep(3)
    assert (first.status()["role"], second.status()["role"]) == ("writer", "replica")
    first.network.mend("db-2")
    balancer.found["db-2"] = "up"
    until(lambda: watchdog.command("ready")[0])

    # The writer's: it is ended, and stays read-only though the watchdog goes on looking at it.
    first.network.cut("db-1")
    balancer.found["db-1"] = "down"
    until(lambda: second.status()["role"] == "writer")
    first.processes.pop("server").wait()
    first.start_server()
    until(lambda: balancer.in_force() == {"db-1": (40, "inactive"), "db-2": (60, "active")})
    time.sleep(3)
    assert first.ask("SELECT @@GLOBAL.read_only")[1] == "1"
    first.network.mend("db-1")
    balancer.found["db-1"] = "up"
    until(first.ready)
    assert (first.status()["role"], second.status()["role"]) == ("replica", "writer")
    until(lambda: balancer.in_force() == {"db-1": (40, "active"), "db-2": (60, "active")})


@leased
def test_a_lost_replica_leaves_the_writer_alone_and_gets_no_traffic(
    formed: Machines, watchdog: Running, balancer: Balancer
) -> None:
    first, second = formed
    lose(second)
    until(lambda: balancer.in_force() == {"db-1": (60, "active"), "db-2": (40, "inactive")})
    time.sleep(LEASE + 2)
    assert write(first, 1) == "", "it is watched, so its lease goes on"
    (second.folder / "off").unlink()
    second.start()
    until(lambda: balancer.in_force() == {"db-1": (60, "active"), "db-2": (40, "active")})
    until(lambda: watchdog.command("ready")[0])
