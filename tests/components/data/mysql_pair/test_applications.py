"""The applications of the architectures, in real PHP, before a real server: inside TLS, with nobody but the pair."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import architectures
from pulumi_casebook.core.debian import PHP
from tests.components.data.mysql_pair.conftest import SECRETS
from tests.components.data.mysql_pair.pair import SERVICE, Node, sh
from tests.components.tls import Authority
from tests.waiting import until

SOURCES = Path(architectures.__file__).with_name("applications")
ELSEWHERE = "10.8.0.97"  # where the server listens as well, and what its certificate does not say
POOL = """
[global]
error_log = {0}/php.log
[www]
user = root
listen = {0}/php.sock
pm = static
pm.max_children = 2
catch_workers_output = yes
"""


@pytest.fixture
def php(machines: tuple[Node, Node], tmp_path: Path) -> Iterator[Path]:
    """PHP on the application's machine, before a pair that is formed; the folder of its socket."""
    first, second = machines
    options = first.folder / "server.cnf"
    options.write_text(options.read_text().replace(f",{SERVICE}", f",{SERVICE},{ELSEWHERE}"))
    sh("ip", "-n", first.namespace, "address", "add", f"{ELSEWHERE}/24", "dev", "vrack")
    for node in machines:
        node.start()
    until(second.ready)
    until(first.ready)
    shutil.copytree(SOURCES, tmp_path / "applications")
    (tmp_path / "pool.conf").write_text(POOL.format(tmp_path))
    daemon = (f"php-fpm{PHP}", "--nodaemonize", "--allow-to-run-as-root", "--fpm-config", f"{tmp_path}/pool.conf")
    running = subprocess.Popen(["ip", "netns", "exec", f"{first.network.label}-app", *daemon])
    try:
        until((tmp_path / "php.sock").exists)
        yield tmp_path
    finally:
        running.terminate()
        running.wait(30)


def answer(php: Path, script: str, path: str, **environment: str) -> str:
    """What the application says to a request, and what it writes down."""
    body = environment.pop("body", "")
    given = {
        "SCRIPT_FILENAME": f"{php}/applications/{script}/index.php",
        "REQUEST_METHOD": "POST" if body else "GET",
        "CONTENT_LENGTH": str(len(body)),
        "REQUEST_URI": path,
        "HTTPS": "on",
        "DATABASE_NAME": "app",
        "DATABASE_USER": "app",
        "DATABASE_PASSWORD": SECRETS["application"],
        "DATABASE_AUTHORITY": f"{php}/authority.crt",
        **dict.fromkeys(("DATABASE_HOST", "READ_FROM", "READ_ELSE_FROM", "WRITE_TO"), SERVICE),
        **environment,
    }
    command = ["env", *(f"{name}={value}" for name, value in given.items())]
    command += ["cgi-fcgi", "-bind", "-connect", f"{php}/php.sock"]
    return subprocess.run(command, input=body, capture_output=True, text=True, timeout=60).stdout


def test_applications_know_their_database_by_its_certificate(php: Path) -> None:
    assert "ready" in answer(php, "erp", "/health")
    assert "reserved a car" in answer(php, "keyzee/mobile", "/reservations", body="a car")
    assert "<ul>" in answer(php, "nextradiotv", "/", ROLE="office")

    (stranger := php / "stranger").mkdir()
    Authority(stranger)
    for unknown in (
        {"DATABASE_AUTHORITY": f"{stranger}/authority.crt"},
        dict.fromkeys(("DATABASE_HOST", "READ_FROM"), ELSEWHERE),
    ):
        assert "does not answer" in answer(php, "erp", "/health", **unknown)
        assert "does not answer" in answer(php, "keyzee/mobile", "/reservations", body="a car", **unknown)
        assert "Status: 500" in answer(php, "nextradiotv", "/", ROLE="office", **unknown)
