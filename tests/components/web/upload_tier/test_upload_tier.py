"""The tier's files, as nginx takes them, and what is refused."""

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pulumi
import pytest

from pulumi_casebook import Certificate, InputError, UploadTier, Vps, ssh_key
from pulumi_casebook.machines.configuration.programs.apply import parse
from tests.harness import comes_after, declare, declares_the_same, only

VPS = {
    "europe-1": "vps-0a1b2c03.vps.ovh.net",
    "america-1": "vps-0a1b2c04.vps.ovh.ca",
    "europe-2": "vps-0a1b2c05.vps.ovh.net",
}


def tier(**given: Any) -> None:
    machines = [
        Vps(name, service_name=service, ssh_key=ssh_key(), admin_cidrs=["198.18.0.1/32"])
        for name, service in VPS.items()
    ]
    UploadTier(
        "application",
        **{
            "machines": machines,
            "signing_key": pulumi.Output.secret('{"key": "opens the container"}'),
            "certificate": Certificate("application", names=["app.example.org"]),
            "clients": ["198.18.30.2/32"],
            **given,
        },
    )


def content(path: str, **given: Any) -> str:
    """A file of the first machine, secrets aside."""
    declared = declares_the_same(lambda: tier(**given))
    role = parse(only(declared, "command:remote:Command", "europe-1-upload").inputs["stdin"])
    return "\n".join(role["files"][path]["lines"]) + "\n"


@pytest.mark.claim("GIR-1")
def test_nginx_takes_the_file_and_believes_the_balancers_alone(tmp_path: Path) -> None:
    ranges = ["198.18.30.2/32", "192.0.2.0/24"]
    text = content("/etc/nginx/nginx.conf", clients=ranges)
    assert [line.split()[1].rstrip(";") for line in text.splitlines() if "set_real_ip_from" in line] == ranges
    pair: list[str | Path] = [
        "-keyout",
        tmp_path / "key.pem",
        "-out",
        tmp_path / "certificate.pem",
        "-subj",
        "/CN=app",
        "-nodes",
    ]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ed25519", *pair], check=True, capture_output=True)
    for folder in ("/etc/nginx", "/var/log/nginx", "/run"):
        text = text.replace(f" {folder}/", f" {tmp_path}/")
    (tmp_path / "nginx.conf").write_text(text)
    done = subprocess.run(["nginx", "-t", "-c", tmp_path / "nginx.conf"], capture_output=True, text=True, check=False)
    assert "syntax is ok" in done.stderr, done.stderr
    assert done.returncode == 0, done.stderr


def test_a_time_is_in_force_where_it_is_given() -> None:
    assert "UPLOAD_SECONDS=60 VIEW_SECONDS=3600" in content("/etc/systemd/system/upload.service", upload_seconds=60)


@pytest.mark.claim("GIR-1")
def test_who_comes_while_the_application_restarts_is_answered(tmp_path: Path) -> None:
    for path in ("application.py", "signed_url.py"):
        (tmp_path / path).write_text(content(f"/opt/upload/{path}"))
    (tmp_path / "signing.json").write_text('{"url": "https://store.example", "key": "a key"}')
    (tmp_path / "token").write_text("a token")
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path), "UPLOAD_SECONDS": "60", "VIEW_SECONDS": "60"}
    port = str(tmp_path / "upload.sock")

    def asked() -> bytes:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(30)
            client.connect(port)
            client.send(b"GET /healthz HTTP/1.0\r\n\r\n")
            return client.makefile("rb").readline()

    @contextlib.contextmanager
    def running() -> Iterator[None]:
        """As upload.service: its socket is descriptor 3."""
        script = f"exec 3<&{listening.fileno()}; exec {sys.executable} -B {tmp_path}/application.py"
        with subprocess.Popen(["bash", "-c", script], env=environment, pass_fds=[listening.fileno()]) as process:
            try:
                yield
            finally:
                process.terminate()

    with socket.socket(socket.AF_UNIX) as listening, ThreadPoolExecutor() as visitors:
        listening.bind(port)
        listening.listen()
        with running():
            assert b"200" in asked()
        between = visitors.submit(asked)
        time.sleep(0.5)
        assert not between.done()
        with running():
            assert b"200" in between.result()


@pytest.mark.claim("GIR-4")
def test_the_key_is_in_no_bundle_and_the_first_machine_goes_first() -> None:
    declared = declares_the_same(tier)
    first, *others = (only(declared, "command:remote:Command", f"{name}-upload") for name in VPS)
    assert "opens the container" not in first.inputs["stdin"]
    assert all(comes_after(declared, other, first) for other in others)
    assert not comes_after(declared, others[0], others[1])
    assert not comes_after(declared, others[1], others[0])


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"machines": []}, "machines=.*at least 1 item"),
        ({"clients": []}, "clients=.*at least 1 item"),
        ({"upload_seconds": 604801}, "upload_seconds=604801: .*less than or equal to 604800"),
    ],
)
def test_what_cannot_be_built_is_refused(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        declare(lambda: tier(**given), preview=True)
