"""A request's way through the real daemons in a row: what is just below a limit passes every tier, what is above it is
refused by the first, and each tier waits for the one behind it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pulumi_casebook import Backend, Frontend, HaproxyTier, Memcached, NginxTier, PhpTier, Route, TomcatTier
from pulumi_casebook.edge.haproxy_tier.args import Timeouts
from tests.components.tier_fixtures import CIDR, Network, files_of, machines, network, role_of, written

PAGES = {
    # What has come, as long as it is to take, with an answer's header as long as it is to be.
    "index.php": """<?php
usleep((int) (1000000 * ($_GET['sleep'] ?? 0)));
if (isset($_GET['page'])) exit(str_repeat('a', (int) $_GET['page']));
if (isset($_GET['header'])) header('X-Long: ' . str_repeat('a', (int) $_GET['header']));
echo 'php ', strlen($_SERVER['HTTP_X_TEST'] ?? ''), ' ', strlen(file_get_contents('php://input'));
""",
    "apache-session.php": "<?php require 'session.php';\n",
    # A visit that others of the same visitor wait for.
    "session.php": """<?php
$known = session_start();
$_SESSION['visits'] = ($_SESSION['visits'] ?? 0) + 1;
usleep((int) (1000000 * ($_GET['sleep'] ?? 0)));
echo $known ? 'known ' : 'nobody ', $_SESSION['visits'];
""",
}
KEYS = {
    "keys/index.jsp": """<%@ page contentType="text/plain" session="false" %><%
    if (request.getParameter("sleep") != null)
        Thread.sleep((long) (1000 * Double.parseDouble(request.getParameter("sleep"))));
    String test = request.getHeader("X-Test");
    if (request.getParameter("header") != null)
        response.setHeader("X-Long", "a".repeat(Integer.parseInt(request.getParameter("header"))));
%>tomcat <%= test == null ? 0 : test.length() %> <%= request.getInputStream().readAllBytes().length %>
"""
}
# Becomes a websocket, says what it hears. (The key and its answer are those of RFC 6455.)
LIVE = r"""
ACCEPTED = (
    b'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
    b'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n'
)
import socket, threading
def talk(one):
    with one:
        asked = one.recv(65536)
        if b'pgrade: websocket' not in asked:
            one.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlive')
            return
        one.sendall(ACCEPTED)
        while said := one.recv(100):
            one.sendall(said)
listener = socket.create_server(('10.4.0.51', 8080))
while True:
    threading.Thread(target=talk, args=(listener.accept()[0],), daemon=True).start()
"""
# Asks for a websocket, is silent for a while, and prints what comes back of a word; nothing where it was cut.
SILENT = r"""
import socket, sys, time
ASKED = (
    'GET /%s HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n'
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
)
with socket.create_connection(('10.4.0.11', 80), 5) as one:
    one.sendall((ASKED % sys.argv[2]).encode())
    said = b''
    while not said.endswith(b'\r\n\r\n'):
        said += one.recv(65536) or sys.exit('no websocket')
    assert said.startswith(b'HTTP/1.1 101'), said
    time.sleep(float(sys.argv[1]))
    one.settimeout(3)
    try:
        one.sendall(b'still here')
        print(one.recv(100).decode())
    except OSError:
        pass
"""
PATIENCE = 4  # seconds that an application may take
SILENCE = 6  # that a websocket may be silent
LINE = 16 * 1024  # bytes of a request's line and headers that pass
BODY = 2 * 1024 * 1024
SECRETS = {"replication": "00112233445566778899aabbccddeeff" * 2}


def declared(folder: Path) -> Callable[[], None]:
    front, clients = ["10.4.0.11/32"], ["10.4.0.1/32"]

    def program() -> None:
        cache = Memcached("cache", machines=machines("cache", 41), clients=[CIDR], memory_mib=32)
        php, apache = (
            PhpTier(
                name,
                machines=machines(name, number),
                clients=given,
                application=folder / "pages",
                server="fpm" if name == "php" else "apache",
                sessions=cache.service,
                processes=4,
                request_seconds=PATIENCE,
                upload_mib=1,
                secure_cookies=False,
            )
            for name, number, given in (("php", 31, ["10.4.0.21/32"]), ("apache", 33, front))
        )
        keys = TomcatTier(
            "keys",
            machines=machines("keys", 34),
            clients=front,
            application=folder / "keys",
            memory_mib=256,
            request_seconds=PATIENCE,
            body_mib=2,
        )
        nginx = NginxTier("nginx", machines=machines("nginx", 21), clients=front, trusted_proxies=front, to=php.service)
        live = NginxTier(
            "live",
            machines=machines("live", 22),
            clients=front,
            trusted_proxies=front,
            upstreams={"live": "10.4.0.51:8080"},
            answer_seconds=1,
            websocket_seconds=SILENCE,
        )
        HaproxyTier(
            "front",
            machines=machines("haproxy", 11),
            clients=clients,
            timeouts=Timeouts(client=2, server=2),
            backends={
                "web": Backend(to=nginx.service),
                "apache": Backend(to=apache.service),
                "keys": Backend(to=keys.service),
                "live": Backend(to=live.service),
                "direct": Backend(servers={"live": "10.4.0.51:8080"}, idle=SILENCE),
            },
            frontends={
                "http": Frontend(
                    port=80,
                    backend="web",
                    response_headers={"Content-Security-Policy": "a" * 3000},
                    routes=[
                        Route(backend=name, path_prefix=f"/{name}") for name in ("apache", "keys", "live", "direct")
                    ],
                )
            },
        )

    return program


@pytest.fixture(scope="module")
def row(tmp_path_factory: pytest.TempPathFactory, ssh_key_file: Path) -> Iterator[Network]:
    numbers = {"client": 1, "haproxy_11": 11, "nginx_21": 21, "live_22": 22, "php_31": 31, "apache_33": 33}
    with network(**numbers, keys_34=34, cache_41=41, live=51) as net, pytest.MonkeyPatch.context() as patch:
        patch.setenv("CASEBOOK_SSH_KEY_FILE", str(ssh_key_file))
        folder = tmp_path_factory.mktemp("row")
        written(folder / "pages", PAGES)
        written(folder / "keys", KEYS)
        net["live"].run("cat >/run/live.py", LIVE)
        net["live"].start("exec python3 /run/live.py")
        net["client"].run("cat >/run/silent.py", SILENT)
        for server in ("php-31", "apache-33"):
            # PHP keeps a large body there; this host's may be of other users.
            net[server].run("mount -t tmpfs -o mode=1777 tmp /tmp")
        net.configure(declared(folder), SECRETS)
        yield net


def get(row: Network, path: str, options: str = "") -> str:
    """Its status, who answered (nobody where HAProxy did it itself), and what was said."""
    asked = f"curl -sS --max-time 20 -w '\n%{{http_code}} %header{{x-served-by}}' {options} 'http://10.4.0.11{path}'"
    body, _, status = row["client"].run(asked, check=False).rpartition("\n")
    return f"{status.strip()}: {body.strip()}"


@pytest.mark.parametrize(
    ("path", "answer"), [("/", "200 nginx-21: php"), ("/apache", "200 apache-33: php"), ("/keys/", "200: tomcat")]
)
def test_headers_just_below_the_limit_pass_and_above_it_haproxy_refuses(row: Network, path: str, answer: str) -> None:
    def with_header(length: int) -> str:
        row["client"].run(f"printf 'header = \"X-Test: %s\"' $(head -c {length} /dev/zero | tr '\\0' a) >/run/curl")
        return get(row, path, "-H 'User-Agent:' -H 'Accept:' -K /run/curl")

    # "Host: 10.4.0.11", "X-Test: ", ends of lines, and the path.
    fits = LINE - 50
    assert with_header(fits) == f"{answer} {fits} 0"
    assert with_header(LINE + 1).startswith("431:")
    assert with_header(LINE + 8000).startswith("400:")


@pytest.mark.parametrize(
    ("path", "answer"), [("/", "200 nginx-21: php"), ("/apache", "200 apache-33: php"), ("/keys/", "200: tomcat")]
)
def test_a_url_just_below_the_limit_passes_and_above_it_haproxy_refuses(row: Network, path: str, answer: str) -> None:
    def with_query(length: int) -> str:
        query = "a" * (length - len(path) - 1)
        return get(row, f"{path}?{query}", "-H 'User-Agent:' -H 'Accept:'")

    assert with_query(LINE - 100) == f"{answer} 0 0"
    assert with_query(LINE + 1).startswith("414:")


@pytest.mark.parametrize(
    ("path", "answer"), [("/", "200 nginx-21: php"), ("/apache", "200 apache-33: php"), ("/keys/", "200: tomcat")]
)
def test_a_body_just_below_the_limit_passes_and_above_it_is_refused(row: Network, path: str, answer: str) -> None:
    def with_body(length: int, options: str = "") -> str:
        row["client"].run(f"head -c {length} /dev/zero >/run/body")
        kind = "-H 'Content-Type: application/octet-stream' -H 'Expect:'"
        return get(row, path, f"{kind} {options} --data-binary @/run/body")

    assert with_body(BODY) == f"{answer} 0 {BODY}"
    assert with_body(BODY + 1) in ("413:", "413: ")
    if path != "/keys/":
        # Whose length nobody says before it has come.
        assert with_body(2 * BODY, "-H 'Transfer-Encoding: chunked'").startswith("413 ")


@pytest.mark.parametrize("path", ["/", "/apache", "/keys/"])
def test_an_answers_long_header_passes(row: Network, path: str) -> None:
    assert get(row, f"{path}?header=12000").startswith("200")


def test_a_large_page_has_room_for_long_headers_that_are_added(row: Network) -> None:
    assert get(row, "/?page=300000", "-o /run/page").startswith("200")
    assert row["client"].run("wc -c </run/page").strip() == "300000"


@pytest.mark.parametrize(("server", "unit"), [("php-31", "9000"), ("apache-33", "80")])
def test_php_that_cannot_read_the_application_says_so(row: Network, server: str, unit: str) -> None:
    box = row[server]
    http = f"curl -sS http://10.4.0.33:{unit}/healthz"
    check = "SCRIPT_NAME=/x SCRIPT_FILENAME=/usr/share/php-tier/healthz.php REQUEST_METHOD=GET"
    ask = http if server == "apache-33" else f"{check} cgi-fcgi -bind -connect 10.4.0.31:9000 | tail -1"
    assert box.run(ask).strip() == "ready"
    box.run("chmod 700 /srv/php")
    assert box.run(ask).strip() == "the application cannot be read"
    box.run("chmod 755 /srv/php")
    assert box.run(ask).strip() == "ready"


@pytest.mark.parametrize("path", ["/", "/apache", "/keys/"])
def test_an_answer_may_take_as_long_as_the_application_may(row: Network, path: str) -> None:
    assert get(row, f"{path}?sleep={PATIENCE - 0.7}").startswith("200")
    assert get(row, f"{path}?sleep={PATIENCE + 3}").startswith("504")


@pytest.mark.parametrize("path", ["live", "direct"])
def test_a_websocket_may_be_silent_as_long_as_is_said_on_a_route_too(row: Network, path: str) -> None:
    def silent(seconds: float) -> str:
        return row["client"].run(f"python3 /run/silent.py {seconds} {path}").strip()

    assert silent(SILENCE - 1.5) == "still here"
    assert silent(SILENCE + 1.5) == ""


@pytest.mark.parametrize("path", ["/session.php", "/apache-session.php"])
def test_requests_of_one_session_wait_for_each_other(row: Network, path: str) -> None:
    """However long the first may take."""
    row["client"].run(f"curl -sS -c /run/cookies 'http://10.4.0.11{path}'")
    ask = f"curl -sS --max-time 20 -b /run/cookies 'http://10.4.0.11{path}"
    seen = row["client"].run(f"{ask}?sleep={PATIENCE - 1}' >/run/first & sleep 0.5; {ask}'; wait; echo; cat /run/first")
    assert sorted(seen.split("\n")) == ["known 2", "known 3"]


def test_a_lock_is_waited_for_as_long_as_it_may_be_held(tmp_path: Path, ssh_key_file: Path) -> None:
    """In all of PHP's settings: the tries that the extension makes, 100 ms each."""
    written(tmp_path / "pages", PAGES)
    written(tmp_path / "keys", KEYS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CASEBOOK_SSH_KEY_FILE", str(ssh_key_file))
        files = files_of(role_of(declared(tmp_path), "php-31-php"))
    [ini] = [text for path, text in files.items() if path.endswith("90-casebook.ini")]
    said = dict(line.split(" = ", 1) for line in ini.splitlines() if " = " in line)
    waits = int(said["memcached.sess_lock_retries"]) * int(said["memcached.sess_lock_wait_max"]) / 1000
    assert waits >= int(said["memcached.sess_lock_expire"]) >= PATIENCE
