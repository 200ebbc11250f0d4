"""The controller's decisions: two sites that answer as theirs would, and the sandbox's API with their zone."""

import http.server
import json
import os
import socket
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
from pulumi_casebook.recovery.drp_replica_site.component import ACTIONS, PROGRAM
from sandbox.ovhcloud.app import create_app
from sandbox.ports import free_port
from tests.ovhcloud.conftest import KEYS, account
from tests.waiting import until

__all__ = ["account"]  # fixture
ZONE, NEAR, FAR = "/domain/zone/casebook.example", "127.0.0.1", "127.0.0.2"
pytestmark = pytest.mark.claim("KEY-6")

# In ssh's place: USER@MACHINE and the order's words. What the sites are is a file; who is off does not answer.
# The controller asks several machines at once: they take turns.
MACHINES = """
import fcntl, json, os, sys
turn = open(sys.argv[0])
fcntl.flock(turn, fcntl.LOCK_EX)
machine, words = sys.argv[1].removeprefix("drp@"), sys.argv[2].split()
file = sys.argv[0].replace("ssh.py", "sites.json")
sites = json.load(open(file))
site = machine.split("-")[0]
if machine in sites["off"]:
    sys.exit(255)
sites["orders"].append(f"{machine} {' '.join(words)}")
if machine.endswith("db"):
    if words[0] == "promote":
        if sites["stuck"]:
            sys.exit("not everything has been applied yet")
        sites["epoch"], sites["writer"] = sites["epoch"] + 1, site
    writes = sites["writer"] == site
    one = {"state": "primary", "epoch": sites["epoch"], "writer": sites["writer"], "writable": writes}
    print(json.dumps({"members": {machine: {**one, "channel": not writes}}}))
else:
    if words[0] in ("serve", "rest"):
        sites[machine] = words[0]
    if words[0] == "copy" and f"{sites['writer']}-door" in sites["off"]:
        sys.exit("no files")
    print(json.dumps({"part": sites[machine], "units": {}, "files_copied": 7}))
with open(f"{file}.new", "w") as new:
    json.dump(sites, new)
os.replace(new.name, file)
"""


class Front(http.server.ThreadingHTTPServer):
    """What visitors of a site are answered: a status, which changes."""

    def __init__(self, address: str, port: int, status: int) -> None:
        super().__init__((address, port), Visit)
        self.status = status
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Visit(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        assert isinstance(self.server, Front)
        assert self.headers["Host"] == "www.casebook.example"
        self.send_response(self.server.status)
        self.end_headers()

    def log_request(self, *_: object) -> None:
        """Nothing: a test's output is what it says itself."""


class Sites:
    def __init__(self, folder: Path, customer: Any) -> None:
        self.folder, self.file = folder, folder / "sites.json"
        port = free_port()
        app = create_app(folder / "account.sqlite", customer, 0.1)
        self.server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        until(lambda: self.server.started)
        self.url = f"http://127.0.0.1:{port}"
        ovh.client.ENDPOINTS[f"{self.url}/1.0"] = f"{self.url}/1.0"
        self.client = ovh.Client(endpoint=f"{self.url}/1.0", **KEYS)
        self.client.post(f"{ZONE}/record", fieldType="A", subDomain="www", target=NEAR, ttl=60)
        self.client.post(f"{ZONE}/record", fieldType="A", subDomain="other", target=NEAR, ttl=60)
        made = self.client.post(
            "/me/api/oauth2/client", name="d", description="d", flow="CLIENT_CREDENTIALS", callbackUrls=[]
        )
        self.client.post(
            "/v2/iam/policy",
            name="d",
            identities=[self.client.get(f"/me/api/oauth2/client/{made['clientId']}")["identity"]],
            resources=[{"urn": f"{URN}:dnsZone:casebook.example"}],
            permissions={"allow": [{"action": action} for action in ACTIONS]},
        )
        self.credential = {"client_id": made["clientId"], "client_secret": made["clientSecret"]}
        (folder / "ssh.py").write_text(MACHINES)
        self.front = free_port()
        self.near, self.far = (Front(address, self.front, 200) for address in (NEAR, FAR))
        first = {"near-door": "serve", "far-door": "rest", "writer": "near", "epoch": 1}
        self.set(**first, off=[], orders=[], stuck=False)

    def set(self, **values: Any) -> None:
        known = json.loads(self.file.read_text()) if self.file.exists() else {}
        self.file.write_text(json.dumps(known | values))

    def __getitem__(self, name: str) -> Any:
        return json.loads(self.file.read_text())[name]

    def run(self, *words: str, url: str | None = None) -> tuple[bool, str]:
        settings = {
            "sites": {
                which: {
                    "cluster": name,
                    "members": {f"{name}-db": f"{name}-db"},
                    "parts": {f"{name}-door": f"{name}-door"},
                    "files": f"{name}-door",
                    "addresses": {"front": address},
                }
                for which, name, address in (("primary", "near", NEAR), ("replica", "far", FAR))
            },
            "ssh": [sys.executable, str(self.folder / "ssh.py")],
            "port": self.front,
            "zone": "casebook.example",
            "subdomain": "www",
            "api": {"url": f"{url or self.url}/1.0", "token": f"{self.url}/auth/oauth2/token", **self.credential},
            "state": str(self.folder),
        }
        (self.folder / "drp.json").write_text(json.dumps(settings))
        environment = {**os.environ, "DRP": str(self.folder / "drp.json")}
        done = subprocess.run([sys.executable, str(PROGRAM), *words], capture_output=True, text=True, env=environment)
        return done.returncode == 0, done.stdout + done.stderr

    def leads_to(self, name: str = "www") -> list[str]:
        numbers = self.client.get(f"{ZONE}/record", subDomain=name)
        return [self.client.get(f"{ZONE}/record/{number}")["target"] for number in numbers]


@pytest.fixture(name="sites")
def _sites(tmp_path: Path, account: Any) -> Iterator[Sites]:
    sites = Sites(tmp_path, account)
    yield sites
    sites.server.should_exit = True
    sites.thread.join()
    for front in (sites.near, sites.far):
        front.shutdown()
        front.server_close()


def test_a_switch_is_a_command_either_way(sites: Sites) -> None:
    well, said = sites.run("failover")
    assert well, said
    assert (sites["near-door"], sites["far-door"], sites["writer"]) == ("rest", "serve", "far")
    acts = [order for order in sites["orders"] if not order.endswith("status")]
    assert acts == ["near-door rest", "far-door copy", "far-db promote", "far-door serve"]
    assert (sites.leads_to(), sites.leads_to("other")) == ([FAR], [NEAR])
    well, said = sites.run("failback")
    assert well, said
    assert (sites["near-door"], sites["far-door"], sites["writer"], sites.leads_to()) == (
        "serve",
        "rest",
        "near",
        [NEAR],
    )


def test_a_site_that_is_lost_is_replaced_and_put_to_rest_when_it_is_back(sites: Sites) -> None:
    sites.set(off=["near-db", "near-door"])
    sites.near.status = 503  # a balancer with nobody behind it
    well, said = sites.run("failover")
    assert well, said
    assert "files are as they were 7 s ago" in said
    assert "far-db promote --other-is-off" in sites["orders"]
    assert (sites["far-door"], sites.leads_to()) == ("serve", [FAR])
    well, said = sites.run("failback")
    assert not well
    assert "near-door of primary do not answer" in said
    sites.set(off=[])
    assert sites["near-door"] == "serve"
    well, said = sites.run("keep")
    assert well, said
    assert sites["near-door"] == "rest"


def test_nothing_is_done_while_something_answers_at_a_site_that_cannot_be_ordered(sites: Sites) -> None:
    sites.set(off=["near-db", "near-door"])
    well, said = sites.run("failover")
    assert not well
    assert "both sites would write; switch it off, then: drp failover --first-site-is-off" in said
    assert (sites["writer"], sites["far-door"], sites.leads_to()) == ("near", "rest", [NEAR])
    # Who says that it is off knows better.
    well, said = sites.run("failover", "--first-site-is-off")
    assert well, said
    assert (sites["writer"], sites["far-door"], sites.leads_to()) == ("far", "serve", [FAR])


def test_a_balancer_that_takes_connections_is_no_site(sites: Sites) -> None:
    sites.set(off=["near-db", "near-door"])
    sites.near.shutdown()
    sites.near.server_close()
    with socket.create_server((NEAR, sites.front)) as balancer:

        def nobody_behind() -> None:
            while True:
                try:
                    balancer.accept()[0].close()
                except OSError:
                    return

        threading.Thread(target=nobody_behind, daemon=True).start()
        well, said = sites.run("failover")
        balancer.shutdown(socket.SHUT_RDWR)
    assert well, said
    assert sites["writer"] == "far"


def test_the_command_ends_when_visitors_are_answered(sites: Sites) -> None:
    sites.far.status = 503
    later = threading.Timer(6, lambda: setattr(sites.far, "status", 301))
    later.start()
    began = time.monotonic()
    well, said = sites.run("failover")
    assert well, said
    assert not later.is_alive()
    assert time.monotonic() - began > 5


def test_a_promotion_that_fails_leaves_the_old_site_serving(sites: Sites) -> None:
    sites.set(stuck=True)
    well, said = sites.run("failover")
    assert not well
    assert "not everything has been applied yet" in said
    assert (sites["near-door"], sites["far-door"], sites.leads_to()) == ("serve", "rest", [NEAR])


def test_who_cannot_reach_the_api_does_nothing(sites: Sites) -> None:
    sites.set(off=["near-db", "near-door"])
    well, _ = sites.run("failover", url=f"http://127.0.0.1:{free_port()}")
    assert not well
    assert sites["orders"] == []


def test_a_zone_that_was_not_served_again_is_served_by_the_next_look(sites: Sites) -> None:
    before = sites.client.get(ZONE)["lastUpdate"]
    assert sites.run("keep")[0]
    assert sites.client.get(ZONE)["lastUpdate"] == before
    (sites.folder / "unserved").touch()
    assert sites.run("keep")[0]
    assert sites.client.get(ZONE)["lastUpdate"] != before
    assert not (sites.folder / "unserved").exists()
