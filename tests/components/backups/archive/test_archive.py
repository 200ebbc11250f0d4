"""An archive: what is refused, what it declares, and its program against a Swift of this file's."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest

from pulumi_casebook import Archive, ContainerArgs, InputError, SwiftStorage, Vps, ssh_key
from pulumi_casebook.backups.archive.component import PROGRAM
from tests.harness import declares_the_same, only

VPS = "vps-0a1b2c01.vps.ovh.net"


def archive(**changes: Any) -> None:
    machine = Vps("db", service_name=VPS, ssh_key=ssh_key(), admin_cidrs=["198.18.0.1/32"])
    containers = {"backups": ContainerArgs(writers=["backup"])}
    storage = SwiftStorage("storage", project="0" * 32, region="GRA", containers=containers)
    given: dict[str, Any] = {"mysql": True, "schedule": "daily", "expire_days": 21} | changes
    Archive("nightly", machine=machine, container=storage.containers["backups"], user=storage.users["backup"], **given)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mysql": False}, "paths or mysql"),
        ({"paths": ["/srv"]}, "paths or mysql"),
        ({"mysql": False, "paths": ["srv"]}, "'srv' is not an absolute path"),
        ({"expire_days": 0}, "expire_days=0"),
        ({"schedule": "at night"}, "not a calendar expression"),
    ],
)
def test_wrong_input_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        declares_the_same(lambda: archive(**changes))


@pytest.mark.claim("NRT-12")
def test_it_declares_a_copy_that_expires_and_no_secret_in_its_bundle() -> None:
    declared = declares_the_same(archive)
    bundle = only(declared, "command:remote:Command", "db-archive-nightly").inputs["stdin"]
    assert '"expire_days": 21' in bundle
    assert "@secret(passphrase:json)@" in bundle
    secrets = only(declared, "command:remote:Command", "db-archive-nightly-secrets")
    assert "stdin" in secrets.secrets


class Swift(BaseHTTPRequestHandler):
    """As much of Keystone and Swift as the program asks for."""

    objects: ClassVar[dict[str, tuple[bytes, str | None]]] = {}

    def do_POST(self) -> None:
        user = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["auth"]["identity"]["password"]["user"]
        self.answer(201 if user["password"] == "right" else 401, {"X-Subject-Token": "token"})

    def do_PUT(self) -> None:
        content = b""
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                content += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        after = self.headers.get("X-Delete-After")
        self.objects[self.name] = (content, after and str(int(time.time()) + int(after)))
        self.answer(201)

    def do_GET(self) -> None:
        if self.name in self.objects:
            return self.answer(200, body=self.objects[self.name][0])
        query = parse_qs(urlsplit(self.path).query)
        prefix, marker = query["prefix"][0], query.get("marker", [""])[0]
        names = sorted(name for name in self.objects if name.startswith(prefix) and name > marker)
        return self.answer(200, body="".join(f"{name}\n" for name in names).encode())

    def do_HEAD(self) -> None:
        moment = self.objects[self.name][1]
        self.answer(200, {"X-Delete-At": moment} if moment else {})

    def do_DELETE(self) -> None:
        del self.objects[self.name]
        self.answer(204)

    @property
    def name(self) -> str:
        return urlsplit(self.path).path.removeprefix("/v1/AUTH_p/backups").lstrip("/")

    def answer(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(name="url")
def _url() -> Iterator[str]:
    Swift.objects.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Swift) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def run(url: str, folder: Path, *arguments: str, **changes: Any) -> subprocess.CompletedProcess[str]:
    settings = {
        "archive": "nightly",
        "auth": f"{url}/v3",
        "container": f"{url}/v1/AUTH_p/backups",
        "user": "backup",
        "password": "right",
        "passphrase": "four words and more",
        "source": f"tar --create --directory=/ -- {str(folder / 'data').lstrip('/')}",
        "expire_days": 21,
        "metric": str(folder / "metrics/archive.prom"),
    }
    (folder / "settings.json").write_text(json.dumps(settings | changes))
    command = [sys.executable, str(PROGRAM), str(folder / "settings.json"), *arguments]
    return subprocess.run(command, text=True, capture_output=True, check=False, timeout=60)


@pytest.mark.claim("NRT-12")
def test_a_copy_is_encrypted_expires_and_is_restored(url: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/article").write_text("the match is over" * 1000)
    assert run(url, tmp_path, "run").returncode == 0
    assert sorted(name.split("/")[-1] for name in Swift.objects) == ["0000", "complete"]
    assert not any(b"match" in content for content, _ in Swift.objects.values())
    for _, moment in Swift.objects.values():
        assert moment is not None
        assert abs(int(moment) - time.time() - 1814400) < 60, "the document's X-Delete-After: 1814400"
    assert "until" in run(url, tmp_path, "list").stdout
    done = run(url, tmp_path, "restore", str(tmp_path / "restored"))
    assert done.returncode == 0, done.stderr
    [file] = (tmp_path / "restored").rglob("article")
    assert file.read_text() == "the match is over" * 1000
    assert "casebook_backup_last_success" in (tmp_path / "metrics/archive.prom").read_text()


def test_a_copy_that_breaks_off_leaves_nothing_and_is_no_success(url: str, tmp_path: Path) -> None:
    done = run(url, tmp_path, "run", source="head -c 3000000 /dev/urandom && false")
    assert done.returncode == 1
    assert "the source ended with status 1" in done.stderr
    assert Swift.objects == {}
    assert not (tmp_path / "metrics").exists()


def test_the_age_of_a_copy_counts_from_setup_until_there_is_one(url: str, tmp_path: Path) -> None:
    metric = tmp_path / "metrics/archive.prom"
    assert run(url, tmp_path, "setup", password="wrong").returncode == 1
    assert not metric.exists()
    assert run(url, tmp_path, "setup").returncode == 0
    assert abs(float(metric.read_text().split()[1]) - time.time()) < 60
    metric.write_text("as it was")
    assert run(url, tmp_path, "setup").returncode == 0
    assert metric.read_text() == "as it was"


def test_a_damaged_copy_is_not_taken_for_the_data(url: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/article").write_text("text")
    run(url, tmp_path, "run")
    for name, (content, moment) in Swift.objects.items():
        Swift.objects[name] = (content[:-9] + b"damaged!!" if content else content, moment)
    done = run(url, tmp_path, "restore", str(tmp_path / "restored"))
    assert done.returncode == 1
    assert "could not be restored" in done.stderr


def test_wrong_password_and_unknown_copy_are_sentences(url: str, tmp_path: Path) -> None:
    assert "401" in run(url, tmp_path, "list", password="wrong").stderr
    done = run(url, tmp_path, "restore", str(tmp_path), "2001")
    assert (done.returncode, "no such copy: 2001" in done.stderr) == (1, True)
