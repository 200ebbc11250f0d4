"""The site on boxes: balancer, two HAProxy, eight web servers, back office, an editor and the world."""

import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from pulumi_casebook.machines.configuration.programs.apply import parse
from pulumi_casebook.web.back_office.component import hashed
from tests.components.tls import Authority
from tests.components.web.web_tier.namespaces import Box
from tests.components.web.web_tier.site import PLAN, site
from tests.harness import declare
from tests.waiting import until

PASSWORD = "drawn-by-lot"
CLIENT = "198.18.127.9"
ADDRESSES = {
    "balancer": "10.8.0.130",
    "office-1": PLAN.address("office", 1),
    **{f"haproxy-{n}": PLAN.address("haproxy", n) for n in (1, 2)},
    **{f"web-{n}": PLAN.address("web", n) for n in range(1, 10)},
    "stranger": "10.8.0.99",
    "editor": CLIENT,
}
# What an IP Load Balancing is: TCP to the members, with PROXY protocol v2 from its NAT range.
BALANCER = """
defaults
    mode tcp
    timeout connect 1s
    timeout client 10s
    timeout server 10s
    option redispatch 1
    retries 3
listen http
    bind :80
    server haproxy-1 10.8.0.10:80 send-proxy-v2
    server haproxy-2 10.8.0.11:80 send-proxy-v2
listen https
    bind :443
    server haproxy-1 10.8.0.10:443 send-proxy-v2
    server haproxy-2 10.8.0.11:443 send-proxy-v2
"""


class Platform:
    """Boxes by name, and the bundles of the nine-server site to configure them with."""

    def __init__(self, boxes: dict[str, Box], secrets: dict[str, str]) -> None:
        self.boxes, self._secrets = boxes, secrets
        self._bundles = {webs: bundles(webs) for webs in (8, 9)}

    def configure(self, name: str, webs: int = 8) -> str:
        """The box's role, after its firewall; what the apply program says."""
        box, role = self.boxes[name], {"web": "web", "haproxy": "haproxy", "office": "back-office"}[name.split("-")[0]]
        base = parse(self._bundles[webs][f"{name}-base"])["files"]["/etc/nftables.conf"]
        box.run("mkdir -p /etc/nftables.d; cat > /etc/nftables.conf", "\n".join(base["lines"]) + "\n")
        return box.apply(role, self._bundles[webs][f"{name}-{role}"], self._secrets.get(role, ""))

    def get(self, path: str = "/", options: str = "") -> str:
        """The world's answer from the balancer."""
        return self.boxes["editor"].run(f"curl -sS --max-time 5 {options} http://10.8.0.130{path}")

    def served_by(self, times: int) -> list[str]:
        """Who answered each of some requests, each on a connection of its own; the status where it was not 200."""
        once = "curl -s -o /dev/null --max-time 8 -w '%{http_code} %header{x-served-by}\\n' http://10.8.0.130/"
        lines = self.boxes["editor"].run(f"for i in $(seq {times}); do {once}; done", check=False).splitlines()
        return [line.removeprefix("200 ") for line in lines]

    def as_editor(self, request: str) -> str:
        """The status and answer of the back office."""
        return self.boxes["editor"].run(f"curl -ksS -u editor:{PASSWORD} -w '%{{http_code}}' {request}")


def bundles(webs: int) -> dict[str, str]:
    return {
        resource.name: resource.inputs["stdin"]
        for resource in declare(site(webs), preview=True)
        if resource.type == "command:remote:Command" and isinstance(resource.inputs.get("stdin"), str)
    }


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A certificate and its key."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-subj", "/CN=www.example.org", "-keyout", folder / "key", "-out", folder / "certificate"],
        check=True, capture_output=True,
    )  # fmt: skip
    return (folder / "certificate").read_text(), (folder / "key").read_text()


@pytest.fixture(scope="module")
def platform(pair: tuple[str, str], ssh_key_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    certificate, key = pair
    folder = tmp_path_factory.mktemp("authority")
    authority = Authority(folder)
    authority.certify(folder / "office", ADDRESSES["office-1"])
    own = {
        name: Path(f"{place}").read_text()
        for name, place in (
            ("authority", f"{authority.own}.crt"),
            ("certificate", f"{folder}/office.crt"),
            ("key", f"{folder}/office.key"),
        )
    }
    secrets = {
        "haproxy": json.dumps({"https/certificate": certificate, "https/key": key}),
        "back-office": json.dumps(
            {
                "certificate": certificate,
                "key": key,
                "password": hashed(PASSWORD),
                **{f"rsync/{name}": text for name, text in own.items()},
            }
        ),
        "web": json.dumps({"authority": own["authority"]}),
    }
    with ExitStack() as stack, ThreadPoolExecutor(8) as pool, pytest.MonkeyPatch.context() as patch:
        patch.setenv("CASEBOOK_SSH_KEY_FILE", str(ssh_key_file))
        wire = stack.enter_context(Box("wire"))
        boxes = dict(zip(ADDRESSES, pool.map(Box, ADDRESSES), strict=True))
        for name, box in boxes.items():
            stack.enter_context(box)
            wire.plug(box, ADDRESSES[name])
            other = "10.8.0.0/24" if name == "editor" else "198.18.127.0/24"
            box.run(f"ip route add {other} dev eth0")
        made = Platform(boxes, secrets)
        boxes["balancer"].run("cat > /run/balancer.cfg && haproxy -D -f /run/balancer.cfg", BALANCER)
        made.configure("office-1")
        list(pool.map(made.configure, [f"web-{n}" for n in range(1, 9)]))
        list(pool.map(made.configure, ["haproxy-1", "haproxy-2"]))
        until(lambda: set(made.served_by(4)) <= set(ADDRESSES), "the site does not answer")
        yield made
