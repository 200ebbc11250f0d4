"""The balancer's HAProxy: what the API holds, rendered, checked by HAProxy itself, and answering."""

import http.client
import http.server
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from sandbox.ovhcloud import balancer
from sandbox.ovhcloud.loadbalancer import declared_configuration
from sandbox.ovhcloud.store import Object
from sandbox.ports import free_port

from .conftest import BALANCER, Client
from .test_loadbalancer import LB, in_vrack, self_signed

Answer = tuple[int, dict[str, str], str]
Start = Callable[[], Callable[..., Answer]]


@pytest.fixture(scope="module")
def haproxy() -> str:
    found = shutil.which("haproxy")
    assert found, "these tests need HAProxy: apt-get install haproxy"
    return found


@pytest.fixture
def servers() -> Iterator[Callable[[str], int]]:
    """Start a web server that answers with its name and the headers it was sent; returns its port."""
    running: list[http.server.HTTPServer] = []

    def start(name: str) -> int:
        class Page(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                for header in ("X-Forwarded-For", "X-Forwarded-Proto", "X-Client", "Remote-IP"):
                    self.send_header(f"Saw-{header}", self.headers.get(header, ""))
                self.end_headers()
                self.wfile.write(name.encode())

            def log_message(self, *args: Any) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
        running.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return server.server_port

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


def configuration(app: Starlette) -> Object:
    return {**declared_configuration(app.state.store, BALANCER), "ipv4": "127.0.0.1"}


def text_of(app: Starlette, folder: Path) -> str | None:
    """What would run, with every certificate in the folder, and without the legs that only a balancer has."""
    found = configuration(app)
    pems: dict[int | None, str] = {None: "own.pem"}
    (folder / "own.pem").write_text("".join(self_signed("own.example")))
    for number in found["certificates"]:
        pems[number] = f"{number}.pem"
        (folder / f"{number}.pem").write_text(app.state.store.get("sandbox", "certificate", number)["pem"])
    text = balancer.render(found, pems, {})
    return text and text.replace(" interface internet", "")


@pytest.fixture
def start(app: Starlette, haproxy: str, tmp_path: Path) -> Iterator[Start]:
    """Run the declared configuration; returns a client for the frontend on `port`."""
    processes: list[subprocess.Popen[bytes]] = []

    def run() -> Callable[..., Answer]:
        text = text_of(app, tmp_path)
        assert text
        (tmp_path / "haproxy.cfg").write_text(text)
        subprocess.run([haproxy, "-c", "-f", "haproxy.cfg"], cwd=tmp_path, check=True, capture_output=True)
        processes.append(
            subprocess.Popen(
                [haproxy, "-db", "-f", "haproxy.cfg"],
                cwd=tmp_path,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )

        def get(port: int, path: str = "/", **headers: str) -> Answer:
            for _ in range(100):
                try:
                    client = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                    client.request("GET", path, headers={name.replace("_", "-"): v for name, v in headers.items()})
                    answer = client.getresponse()
                    found = {name.lower(): value for name, value in answer.getheaders()}
                    return answer.status, found, answer.read().decode()
                except ConnectionRefusedError:
                    time.sleep(0.02)
            raise AssertionError(f"nothing listens on {port}")

        return get

    yield run
    for process in processes:
        process.kill()
        process.wait()


def site(call: Client, *ports: int, farm: Object | None = None, frontend: Object | None = None) -> tuple[int, int]:
    """A frontend on a free port before servers on these ports; (its port, the farm's id)."""
    number = call("POST", f"{LB}/http/farm", {"zone": "all", **(farm or {})})["farmId"]
    for port in ports:
        call("POST", f"{LB}/http/farm/{number}/server", {"address": "127.0.0.1", "port": port, "status": "active"})
    listening = free_port()
    call(
        "POST",
        f"{LB}/http/frontend",
        {"zone": "all", "port": str(listening), "defaultFarmId": number, **(frontend or {})},
    )
    return listening, number


def test_servers_answer_in_turn(call: Client, servers: Callable[[str], int], start: Start) -> None:
    port, _ = site(call, servers("a"), servers("b"))
    get = start()
    assert sorted(get(port)[2] for _ in range(4)) == ["a", "a", "b", "b"]


def test_the_client_is_told_to_the_servers(call: Client, servers: Callable[[str], int], start: Start) -> None:
    port, _ = site(call, servers("a"), frontend={"httpHeader": ["X-Client: %ci 100%"]})
    _, headers, _ = start()(port)
    assert headers["saw-x-forwarded-for"] == headers["saw-remote-ip"] == "127.0.0.1"
    assert headers["saw-x-client"] == "127.0.0.1 100%"
    assert headers["saw-x-forwarded-proto"] == "http"


def test_weights(call: Client, servers: Callable[[str], int], start: Start) -> None:
    port, farm = site(call, servers("a"))
    call(
        "POST",
        f"{LB}/http/farm/{farm}/server",
        {"address": "127.0.0.1", "port": servers("b"), "status": "active", "weight": 3},
    )
    get = start()
    assert [get(port)[2] for _ in range(8)].count("b") == 6


def test_a_server_that_is_gone_costs_no_request(call: Client, servers: Callable[[str], int], start: Start) -> None:
    port, farm = site(call, servers("a"))
    call(
        "POST",
        f"{LB}/http/farm/{farm}/server",
        {"address": "127.0.0.1", "port": free_port(), "status": "active", "probe": True},
    )
    get = start()
    assert {get(port)[::2] for _ in range(6)} == {(200, "a")}


def test_an_inactive_server_gets_nothing_and_a_backup_only_when_the_others_are_gone(
    call: Client, servers: Callable[[str], int], start: Start
) -> None:
    served, farm = site(call, servers("a"))
    alone, spare = site(call)
    for number in (farm, spare):
        for name, more in (("off", {"status": "inactive"}), ("backup", {"status": "active", "backup": True})):
            body = {"address": "127.0.0.1", "port": servers(name), **more}
            call("POST", f"{LB}/http/farm/{number}/server", body)
    get = start()
    assert {get(served)[2] for _ in range(4)} == {"a"}
    assert {get(alone)[2] for _ in range(4)} == {"backup"}


def test_a_cookie_keeps_a_visitor_on_a_server(call: Client, servers: Callable[[str], int], start: Start) -> None:
    port, _ = site(call, servers("a"), servers("b"), farm={"stickiness": "cookie"})
    get = start()
    _, headers, first = get(port)
    cookie = headers["set-cookie"].split(";")[0]
    assert {get(port, Cookie=cookie)[2] for _ in range(4)} == {first}


def test_sources(call: Client, servers: Callable[[str], int], start: Start) -> None:
    port, _ = site(call, servers("a"), frontend={"deniedSource": ["127.0.0.0/8"]})
    get = start()
    with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
        get(port)


def test_a_redirection(call: Client, start: Start) -> None:
    listening = free_port()
    call(
        "POST",
        f"{LB}/http/frontend",
        {"zone": "all", "port": str(listening), "redirectLocation": "https://${host}${uri}"},
    )
    status, headers, _ = start()(listening, "/a?b=50%25", Host="www.sofoot.example:80")
    assert (status, headers["location"]) == (302, "https://www.sofoot.example/a?b=50%25")


def test_the_first_route_that_matches_wins_by_weight(call: Client, servers: Callable[[str], int], start: Start) -> None:
    port, _ = site(call, servers("site"))
    frontend = call("GET", f"{LB}/http/frontend")[0]
    _, other = site(call, servers("api"))

    def route(weight: int, action: Object, **rule: Any) -> None:
        made = call("POST", f"{LB}/http/route", {"frontendId": frontend, "weight": weight, "action": action})["routeId"]
        call("POST", f"{LB}/http/route/{made}/rule", rule)

    route(20, {"type": "reject", "status": 403}, field="uri", match="startswith", pattern="/api")
    route(10, {"type": "farm", "target": str(other)}, field="uri", match="matches", pattern="^/api/v[12]/")
    route(5, {"type": "redirect", "target": "/it's", "status": 301}, field="header", subField="X-Old", match="exists")
    get = start()
    assert get(port, "/api/v1/x")[2] == "api"
    assert get(port, "/api/x")[0] == 403
    assert get(port, "/x")[2] == "site"
    status, headers, _ = get(port, "/api/x", X_Old="1")
    assert (status, headers["location"]) == (301, "/it's")


def test_a_disabled_frontend_does_not_listen(app: Starlette, call: Client, tmp_path: Path) -> None:
    site(call, frontend={"disabled": True})
    assert text_of(app, tmp_path) is None


def test_nothing_declared_is_nothing_to_run(app: Starlette, tmp_path: Path) -> None:
    assert text_of(app, tmp_path) is None


def test_everything_at_once_is_valid(app: Starlette, call: Client, haproxy: str, tmp_path: Path) -> None:
    in_vrack(call)
    network = call("POST", f"{LB}/vrack/network", {"subnet": "10.0.0.0/24", "natIp": "10.0.0.64/28", "vlan": 100})
    certificate, key = self_signed("www.sofoot.example")
    ssl = call("POST", f"{LB}/ssl", {"certificate": certificate, "key": key})["id"]
    for number, kind in enumerate(["http", "internal", "mysql", "oco", "pgsql", "smtp", "tcp"]):
        for match in ("contains", "default", "internal", "matches", "status"):
            probe = {"type": kind, "match": match, "pattern": "[23]..", "negate": True, "port": 81, "forceSsl": True}
            farm = call(
                "POST",
                f"{LB}/tcp/farm",
                {
                    "zone": "all",
                    "probe": probe,
                    "balance": "first",
                    "port": 80,
                    "stickiness": "sourceIp",
                    "vrackNetworkId": network["vrackNetworkId"],
                },
            )["farmId"]
            call(
                "POST",
                f"{LB}/tcp/farm/{farm}/server",
                {
                    "address": "10.0.0.9",
                    "status": "active",
                    "probe": True,
                    "weight": 0,
                    "onMarkedDown": "shutdown-sessions",
                    "proxyProtocolVersion": "v2-ssl-cn",
                },
            )
        call(
            "POST",
            f"{LB}/tcp/frontend",
            {"zone": "all", "port": str(1000 + number), "defaultFarmId": farm, "ssl": True, "defaultSslId": ssl},
        )
    frontend = call(
        "POST",
        f"{LB}/http/frontend",
        {
            "zone": "all",
            "port": "443,8443-8450",
            "ssl": True,
            "hsts": True,
            "allowedSource": ["192.0.2.0/24", "2001:db8::/32"],
        },
    )["frontendId"]
    for field in ("cookie", "header", "host", "method", "protocol", "query", "source", "uri"):
        matches = ["in", "is"] if field == "source" else ["contains", "endswith", "exists", "in", "is", "matches"]
        route = call("POST", f"{LB}/http/route", {"frontendId": frontend, "action": {"type": "reject"}})["routeId"]
        for match in matches:
            call(
                "POST",
                f"{LB}/http/route/{route}/rule",
                {
                    "field": field,
                    "subField": "X-A",
                    "match": match,
                    "negate": True,
                    "pattern": "192.0.2.0/24" if field == "source" else "a 'quoted' \"word\" # $HOME \\ %",
                },
            )
    sni = call(
        "POST", f"{LB}/tcp/route", {"frontendId": call("GET", f"{LB}/tcp/frontend")[0], "action": {"type": "reject"}}
    )["routeId"]
    call("POST", f"{LB}/tcp/route/{sni}/rule", {"field": "sni", "match": "is", "pattern": "a.example"})
    text = text_of(app, tmp_path)
    assert text
    assert "source 10.0.0.65 interface vrack.100" in text
    (tmp_path / "haproxy.cfg").write_text(text)
    checked = subprocess.run([haproxy, "-c", "-f", "haproxy.cfg"], cwd=tmp_path, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    assert "WARNING" not in checked.stderr


def test_the_state_of_a_server() -> None:
    rows = (
        "# pxname,svname,status,check_status,check_code,last_chk\n"
        "http_farm_1,server_7,UP 1/2,L7OK,200,OK\nhttp_farm_1,BACKEND,UP,,,\n"
    )
    assert balancer.read_state(rows, 7) == [
        {
            "instanceId": 1,
            "status": "up",
            "checkStatus": "L7OK",
            "checkCode": "200",
            "lastCheckContent": "OK",
            "checkTime": None,
        }
    ]
    assert balancer.read_state(rows, 8) == []
