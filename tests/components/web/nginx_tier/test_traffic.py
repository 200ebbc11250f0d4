"""nginx, php-fpm, Memcached and Apache together, with the real daemons: what visitors get, and what they do not."""

import base64
import contextlib
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pulumi_casebook import Images, Memcached, NginxTier, PageCache, PhpTier, RequestFilter
from pulumi_casebook.core.debian import PHP
from tests.components.tier_fixtures import CIDR, Network, Values, machines, network, written
from tests.components.web.web_tier.namespaces import Box
from tests.waiting import until

PAGES = {
    # Each making of a page has a number; `sleep` makes it slow, `private` gives a cookie.
    "index.php": """<?php
$made = new Memcached(); $made->addServer('10.4.0.41', 11211); $made->add('pages', 0);
header('X-Page: ' . $made->increment('pages'));
if (isset($_GET['sleep'])) sleep((int) $_GET['sleep']);
if (isset($_GET['private'])) setcookie('PHPSESSID', 'mine');
echo $_SERVER['REQUEST_URI'], ' ', $_SERVER['REMOTE_ADDR'], ' ', $_SERVER['HTTPS'] ?? 'plain';
""",
    "secrets.php": "<?php echo getenv('PASSWORD'), ' ', getenv('PLACE'), ' ', implode(',', get_loaded_extensions());\n",
    "broken.php": "<?php header('HTTP/1.1 500 Broken'); echo 'broken';\n",
    # Begun, and not at its end before somebody says so; it is not silent for so long that it is given up.
    "slow.php": """<?php
ob_end_flush();
file_put_contents('/var/lib/php/sessions/asked', getmypid());
while (!file_exists('/var/lib/php/sessions/end')) { echo '.'; flush(); usleep(50000); clearstatcache(); }
echo 'whole';
""",
}
PASSWORD = 'of "quotes", \\ and $'
# As the component writes it.
SECRETS = {"PASSWORD": '"of \\"quotes\\", \\\\ and $"'}
FRONT = "10.4.0.1/32"
PATIENCE = 4  # seconds that a request may take, and nginx waits
FRESH = 5  # seconds of a page in the cache: two requests that come one after the other are within them


def png(width: int, height: int) -> bytes:
    """A picture, all grey."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 0, 0, 0, 0])
    rows = zlib.compress((b"\0" + b"\x80" * width) * height)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def width_of(picture: bytes) -> int:
    return int.from_bytes(picture[16:20], "big")


class Site:
    """php-31, php-32, cache-41, nginx-21 (pages and images), apache-33, proxy-22, the storage and the tier in front."""

    def __init__(self, net: Network, folder: Path) -> None:
        self.net, self.folder = net, folder

    def declare(self) -> None:
        cache = Memcached("cache", machines=machines("cache", 41), clients=[CIDR], memory_mib=32)
        environment: Values = {
            "environment": {"PLACE": "Roubaix"},
            "secrets": {"PASSWORD": PASSWORD},
        }
        php = PhpTier(
            "php",
            machines=machines("php", 31, 32),
            clients=["10.4.0.21/32"],
            sessions=cache.service,
            processes=4,
            request_seconds=PATIENCE,
            application=self.folder,
            **environment,
        )
        apache = PhpTier(
            "apache",
            machines=machines("apache", 33),
            clients=["10.4.0.22/32"],
            server="apache",
            application=self.folder,
            **environment,
        )
        NginxTier(
            "nginx",
            machines=machines("nginx", 21),
            clients=[FRONT],
            trusted_proxies=[FRONT],
            to=php.service,
            cache=PageCache(seconds=FRESH),
            images=Images(origin="http://10.4.0.51:8000/pictures", widths=(100, 200)),
        )
        NginxTier(
            "proxy",
            machines=machines("proxy", 22),
            clients=[FRONT],
            trusted_proxies=[FRONT],
            proxy_protocol=True,
            to=apache.service,
            request_filter=RequestFilter(paths=("/internal",), body_mib=1),
        )

    def get(self, path: str, options: str = "", port: str = "10.4.0.21") -> str:
        return self.net["front"].run(
            f"curl -sS --path-as-is --max-time 10 {options} 'http://{port}{path}'", check=False
        )

    def status(self, path: str, options: str = "", port: str = "10.4.0.21") -> str:
        return self.get(path, f"-o /dev/null -w '%{{http_code}} %header{{x-cache}}' {options}", port).strip()

    def page(self, path: str, options: str = "") -> tuple[str, str]:
        """(number of the page's making, X-Cache)"""
        number, cache = self.get(path, f"-o /dev/null -w '%header{{x-page}} %header{{x-cache}}' {options}").split(" ")
        return number, cache

    def filtered(self, path: str, options: str = "") -> str:
        """The status behind the filter."""
        return self.status(path, f"--haproxy-protocol {options}", "10.4.0.22")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, ssh_key_file: Path) -> Iterator[Site]:
    numbers = {"front": 1, "nginx_21": 21, "proxy_22": 22, "php_31": 31, "php_32": 32, "apache_33": 33}
    with network(**numbers, cache_41=41, storage=51) as net, pytest.MonkeyPatch.context() as patch:
        patch.setenv("CASEBOOK_SSH_KEY_FILE", str(ssh_key_file))
        made = Site(net, written(tmp_path_factory.mktemp("pages"), PAGES))
        picture = base64.b64encode(png(800, 600)).decode()
        net["storage"].run(
            "mkdir -p /srv/pictures; base64 -d >/srv/pictures/match.png; echo no >/srv/pictures/text.png", picture
        )
        net["storage"].start("cd /srv; exec python3 -m http.server 8000 2>/run/requests")
        net.configure(made.declare, SECRETS)
        yield made


@pytest.mark.claim("NRT-4")
def test_a_page_is_made_once_and_then_comes_from_the_cache(site: Site) -> None:
    number, cache = site.page("/article")
    assert (number.isdigit(), cache) == (True, "MISS")
    assert site.page("/article") == (number, "HIT")
    assert site.get("/article") == "/article 10.4.0.1 plain"


@pytest.mark.claim("NRT-4")
def test_an_old_page_is_given_while_a_new_one_is_made(site: Site) -> None:
    first, _ = site.page("/old?sleep=1")
    time.sleep(FRESH + 1)
    # Then the new one is there.
    assert site.page("/old?sleep=1") == (first, "STALE")
    until(lambda: site.page("/old?sleep=1")[0] != first, "no new page")


@pytest.mark.claim("NRT-4")
def test_a_crowd_on_a_new_page_makes_it_once(site: Site) -> None:
    crowd = " & ".join(["curl -s -o /dev/null -w '%header{x-page}\n' 'http://10.4.0.21/crowd?sleep=1'"] * 8)
    assert len(set(site.net["front"].run(f"{crowd} & wait").split())) == 1


@pytest.mark.claim("NRT-4")
def test_an_editor_has_pages_of_his_own(site: Site) -> None:
    public, _ = site.page("/front")
    mine, cache = site.page("/front", "-b PHPSESSID=mine")
    assert (mine != public, cache) == (True, "BYPASS")
    assert site.page("/front") == (public, "HIT")
    # Nor is a page kept that gives a cookie.
    assert site.page("/login?private=1")[1] == site.page("/login?private=1")[1] == "MISS"


@pytest.mark.claim("NRT-4")
def test_pages_outlive_all_php_servers(site: Site) -> None:
    number, _ = site.page("/outlives")
    for name in ("php-31", "php-32"):
        site.net[name].cut()
    time.sleep(FRESH + 1)
    assert site.page("/outlives") == (number, "STALE")
    assert site.status("/never-made").startswith("50")
    for name in ("php-31", "php-32"):
        site.net[name].run("ip link set eth0 up")
    until(lambda: site.status("/back").startswith("200"), "PHP does not answer")


@contextlib.contextmanager
def hanging(box: Box) -> Iterator[None]:
    """As one that is frozen: its kernel takes connections, and nobody reads them."""
    rules = "add table inet hangs; add chain inet hangs in { type filter hook input priority -300; }"
    box.run(f"nft '{rules}; add rule inet hangs in tcp dport 9000 tcp flags & psh == psh drop'")
    yield
    box.run("nft delete table inet hangs")


@pytest.mark.claim("NRT-4")
def test_a_server_that_hangs_is_left_for_another(site: Site) -> None:
    with hanging(site.net["php-31"]):
        seen = [site.status(f"/hangs-{number}") for number in range(8)]
    assert seen == ["200 MISS"] * 8


@pytest.mark.claim("NRT-14")
def test_a_server_that_is_well_again_is_asked_at_once_when_it_is_the_last(site: Site) -> None:
    site.net["php-32"].cut()
    with hanging(site.net["php-31"]):
        failed = [site.status(f"/waits-{number}") for number in range(2)]
    seen = site.status("/well")
    site.net["php-32"].run("ip link set eth0 up")
    assert [status[:2] for status in failed] == ["50", "50"]
    assert seen == "200 MISS"


@pytest.mark.claim("NRT-8")
def test_an_image_is_fetched_once_resized_and_then_comes_from_the_cache(site: Site) -> None:
    def fetched() -> int:
        return site.net["storage"].run("cat /run/requests").count("/pictures/match.png")

    assert site.status("/images/match.png?width=200") == "200 MISS"
    assert site.status("/images/match.png?width=200") == "200 HIT"
    for width in (100, 200):
        picture = base64.b64decode(
            site.net["front"].run(f"curl -sS 'http://10.4.0.21/images/match.png?width={width}' | base64")
        )
        assert width_of(picture) == width
    assert site.status("/images/match.png") == "200 MISS"
    assert fetched() == 1, "another size is made of what was fetched"


@pytest.mark.claim("NRT-8")
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/images/match.png?width=201", "404"),
        ("/images/match.png?width=200000", "404"),
        ("/images/missing.png?width=100", "404"),
        ("/images/text.png?width=100", "415"),
        ("/images/a%0d%0aX:%20b.png?width=100", "404"),
        ("/images/%2e%2e/%2e%2e/etc/passwd", "400"),
    ],
)
def test_nobody_has_other_sizes_made_or_reaches_elsewhere(site: Site, path: str, status: str) -> None:
    before = site.net["storage"].run("grep -c width= /run/requests", check=False)
    assert site.status(path).split(" ")[0] == status
    assert site.net["storage"].run("grep -c width= /run/requests", check=False) == before


@pytest.mark.claim("NRT-8")
def test_images_outlive_the_storage(site: Site) -> None:
    assert site.status("/images/match.png?width=100").startswith("200")
    site.net["storage"].cut()
    assert site.status("/images/match.png?width=100") == "200 HIT"
    site.net["storage"].run("ip link set eth0 up")


@pytest.mark.claim("KEY-2")
@pytest.mark.parametrize(
    ("path", "options", "status"),
    [
        ("/", "", "200"),
        ("/.well-known/a", "", "200"),
        ("/", "-X DELETE", "405"),
        ("/", "-X TRACE", "405"),
        ("/.git/config", "", "403"),
        ("/sub/.env", "", "403"),
        ("/dump.SQL", "", "403"),
        ("/Internal/keys", "", "403"),
        ("/%2egit/config", "", "403"),
        ("/", "-A 'sqlmap/1.7'", "000"),
        ("/", "-d @/run/large", "413"),
    ],
)
def test_unwanted_requests_go_no_further(site: Site, path: str, options: str, status: str) -> None:
    site.net["front"].run("head -c 1100000 /dev/zero | tr '\\0' a >/run/large")
    seen = "wc -l </var/log/apache2/access.log"
    before = int(site.net["apache-33"].run(seen))
    assert site.filtered(path, options).split(" ")[0] == status
    assert int(site.net["apache-33"].run(seen)) - before == (status == "200")


@pytest.mark.claim("KEY-3")
def test_apache_runs_php_with_its_environment_and_knows_the_client(site: Site) -> None:
    answer = site.get("/secrets.php", "--haproxy-protocol", "10.4.0.22")
    assert answer.startswith(f"{PASSWORD} Roubaix ")
    assert "memcached" in answer
    assert "gd" in answer
    assert site.get("/who", "--haproxy-protocol", "10.4.0.22").startswith("/who 10.4.0.1")


def test_php_fpm_has_its_environment_in_a_file_that_root_alone_reads(site: Site) -> None:
    assert site.get("/secrets.php").startswith(f"{PASSWORD} Roubaix ")
    assert site.net["php-31"].run(f"stat -c '%U %a' /etc/php/{PHP}/fpm/pool.d/www.conf") == "root 600\n"


def slow_request(site: Site) -> tuple[Box, str]:
    """Who has begun the answer to a request, and by which process."""

    def begun() -> list[tuple[Box, str]]:
        asked = {box: box.run("cat /var/lib/php/sessions/asked", check=False) for box in boxes}
        return [(box, process) for box, process in asked.items() if process]

    boxes = [site.net[name] for name in ("php-31", "php-32")]
    site.net["front"].start("curl -sS http://10.4.0.21/slow.php >/run/slow; echo $? >/run/slow.status")
    return until(begun, "nobody has begun the answer")[0]


def test_a_deployment_lets_requests_end_and_shows_the_new_code(site: Site) -> None:
    box, process = slow_request(site)
    listening = f"ss -Htlnp sport = :9000 | grep 'pid={process},'"
    assert box.run(listening)

    def end() -> None:
        # A process of php-fpm that is asked to end listens no more.
        until(lambda: not box.run(listening, check=False), "nobody has asked for its end")
        box.run("touch /var/lib/php/sessions/end")

    written(site.folder, {"new.php": "<?php echo 'new code';\n", "secrets.php": "<?php echo 'changed';\n"})
    with ThreadPoolExecutor() as pool:
        ended = pool.submit(end)
        said = site.net.configure(site.declare, SECRETS)
        ended.result()
    assert f"reloaded php{PHP}-fpm.service" in said["php-31-php"]
    assert "reloaded" not in said["nginx-21-nginx"]
    until(lambda: site.net["front"].run("cat /run/slow.status", check=False), "the request does not end")
    assert site.net["front"].run("cat /run/slow").endswith(".whole"), "the request was cut"
    assert site.get("/new.php") == "new code"
    until(lambda: site.get("/secrets.php", "-b session=1") == "changed", "old code")
    assert site.get("/secrets.php", "--haproxy-protocol", "10.4.0.22") == "changed"


def test_only_the_tier_in_front_reaches_each(site: Site) -> None:
    for address, port in (("10.4.0.31", 9000), ("10.4.0.33", 80)):
        assert not site.net["front"].run(f"timeout 1 bash -c '</dev/tcp/{address}/{port}' && echo open", check=False)
    assert site.net["cache-41"].run("ss -Hlnup sport = :11211") == "", "Memcached listens on UDP"
