"""A tier of HAProxy: what its members hold, and what is refused."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from pulumi_casebook import (
    Backend,
    Frontend,
    HaproxyTier,
    HealthCheck,
    InputError,
    InstanceGroup,
    Route,
    VrackNetwork,
    ssh_key,
)
from pulumi_casebook.machines.configuration.programs.apply import Role, parse
from tests.components.web.web_tier.site import NAT, servers, site
from tests.harness import declare, declares_the_same, only

CONFIGURATION = "/etc/haproxy/haproxy.cfg"
EVERYTHING = {
    "backends": {
        "web": Backend(servers={"web-10": "10.8.0.29", "web-2": "10.8.0.21:8080"}, backups=("web-10",), sticky=True),
        "api": Backend(servers={"api-1": "10.8.0.40"}, balance="uri", check=HealthCheck(path=None), slowstart=0),
        "mail": Backend(servers={"mail-1": "10.8.0.50:25"}, mode="tcp", balance="leastconn"),
        "sql": Backend(
            servers={"db-2": "10.8.0.82", "db-1": "10.8.0.81", "db-10": "10.8.0.90"},
            port=3306,
            mode="tcp",
            check=HealthCheck(path="/", port=9200),
            single_writer=True,
        ),
    },
    "frontends": {
        "http": Frontend(port=80, backend="web", redirect_https=True),
        "mail": Frontend(port=25, backend="mail"),
        "sql": Frontend(port=3306, backend="sql"),
        "site": Frontend(
            port=8443,
            backend="web",
            methods=("GET", "HEAD", "POST"),
            proxy_protocol_from=(NAT,),
            routes=(
                Route(backend="api", host="api.example.org"),
                Route(backend="api", host="www.example.org", path_prefix="/api/"),
            ),
            response_headers={"Referrer-Policy": "same-origin", "X-Site": "so foot; yes"},
            dropped_response_headers=("Server",),
        ),
    },
    "log_requests": True,
    "virtual_addresses": {"front-1": "10.8.0.100", "front-2": "10.8.0.101", "front-3": "10.8.0.102"},
}


def bundle(member: str = "haproxy-1", **given: Any) -> Role:
    """What the member is to hold, as its machine reads it."""
    text = only(declare(site(**given), preview=True), "command:remote:Command", f"{member}-haproxy").inputs["stdin"]
    return parse(text)


def rendered(member: str = "haproxy-1", **given: Any) -> str:
    return "\n".join(bundle(member, **given)["files"][CONFIGURATION]["lines"]) + "\n"


@pytest.mark.parametrize("given", [{}, {"haproxy": EVERYTHING}], ids=["site", "everything"])
def test_the_configuration_is_as_accepted_and_haproxy_takes_it(
    given: dict[str, Any], snapshot: SnapshotAssertion, tmp_path: Path
) -> None:
    text = rendered(**given)
    assert text == snapshot
    pem = tmp_path / "site.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=a",
         "-keyout", pem, "-out", tmp_path / "certificate"], check=True, capture_output=True
    )  # fmt: skip
    pem.write_bytes(pem.read_bytes() + (tmp_path / "certificate").read_bytes())
    written = tmp_path / "haproxy.cfg"
    written.write_text(text.replace("/etc/haproxy/certificates/https.pem", str(pem)))
    done = subprocess.run(["haproxy", "-c", "-f", written], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr.upper(), done.stderr


def test_keepaliveds_configuration_is_as_accepted(snapshot: SnapshotAssertion) -> None:
    """Its validator, which needs a machine's interface, has its say in test_virtual.py, where it is applied."""
    assert "\n".join(bundle(haproxy=EVERYTHING)["files"]["/etc/keepalived/keepalived.conf"]["lines"]) == snapshot


def test_members_differ_by_their_name_alone() -> None:
    one, other = rendered("haproxy-1").splitlines(), rendered("haproxy-2").splitlines()
    assert [(a, b) for a, b in zip(one, other, strict=True) if a != b] == [
        ("    localpeer haproxy-1", "    localpeer haproxy-2")
    ]


@pytest.mark.claim("SOF-6")
def test_one_more_web_server_is_one_more_line() -> None:
    eight, nine = rendered(webs=8).splitlines(), rendered(webs=9).splitlines()
    assert [line for line in nine if line not in eight] == ["    server web-9 10.8.0.40:80"]
    assert [line for line in eight if line not in nine] == []


@pytest.mark.claim("SOF-2")
def test_only_the_balancer_reaches_the_frontends() -> None:
    assert bundle()["files"]["/etc/nftables.d/haproxy.nft"]["lines"][1:] == [
        f"add rule inet filter input ip saddr {{ {NAT} }} tcp dport 80 accept",
        f"add rule inet filter input ip saddr {{ {NAT} }} tcp dport 443 accept",
        # What members ask each other.
        "add rule inet filter input ip saddr { 10.8.0.11/32 } tcp dport 8404 accept",
    ]


@pytest.mark.claim("SOF-10")
def test_a_balancer_that_probes_reaches_the_page_that_it_asks_for() -> None:
    rules = bundle(haproxy={"probed_by": [NAT]})["files"]["/etc/nftables.d/haproxy.nft"]["lines"]
    assert f"add rule inet filter input ip saddr {{ {NAT}, 10.8.0.11/32 }} tcp dport 8404 accept" in rules


@pytest.mark.claim("NRT-16")
def test_a_frontend_may_be_for_some_addresses_alone() -> None:
    office = Frontend(port=8080, backend="web", clients=("203.0.113.0/24",))
    rules = bundle(haproxy={"frontends": {"http": Frontend(port=80, backend="web"), "office": office}})
    assert rules["files"]["/etc/nftables.d/haproxy.nft"]["lines"][1:3] == [
        f"add rule inet filter input ip saddr {{ {NAT} }} tcp dport 80 accept",
        "add rule inet filter input ip saddr { 203.0.113.0/24 } tcp dport 8080 accept",
    ]


@pytest.mark.claim("NRT-3")
def test_each_address_prefers_another_member_and_only_members_speak_of_it() -> None:
    def priorities(member: str) -> list[int]:
        lines = bundle(member, haproxy=EVERYTHING)["files"]["/etc/keepalived/keepalived.conf"]["lines"]
        return [int(line.split()[1]) for line in lines if line.startswith("    priority ")]

    assert [priorities("haproxy-1"), priorities("haproxy-2")] == [[250, 130, 250], [130, 250, 130]]
    assert bundle("haproxy-2", haproxy=EVERYTHING)["files"]["/etc/nftables.d/haproxy.nft"]["lines"][-1] == (
        "add rule inet filter input ip saddr { 10.8.0.10/32 } ip protocol 112 accept"
    )
    assert "keepalived" not in bundle()["packages"]


def test_the_port_of_an_instance_must_know_the_address() -> None:
    def program(**group: Any) -> None:
        network = VrackNetwork(
            "private", vrack="pn-1001", vlan=8, cidr="10.8.0.0/24", project="0" * 32, regions=["GRA11"]
        )
        machines = InstanceGroup(
            "front",
            region="GRA11",
            flavor="b3-8",
            network=network,
            addresses={"front-1": "10.8.0.10", "front-2": "10.8.0.11"},
            ssh_key=ssh_key(),
            admin_cidrs=["198.18.0.1/32"],
            **group,
        ).machines
        HaproxyTier(
            "front",
            machines=machines,
            frontends={"http": Frontend(port=80, backend="web")},
            backends={"web": Backend(servers={"web-1": "10.8.0.20"})},
            clients=[NAT],
            virtual_addresses={"www": "10.8.0.100"},
        )

    declare(lambda: program(shared_addresses=["10.8.0.100"]), preview=True)
    with pytest.raises(
        InputError, match=r"virtual_addresses.www=10.8.0.100: the port of front-1 would drop it; name it in"
    ):
        declare(program, preview=True)


def test_members_reach_each_other_where_clients_stick() -> None:
    sticky = bundle("haproxy-2", backend={"sticky": True})
    assert sticky["files"]["/etc/nftables.d/haproxy.nft"]["lines"][-1] == (
        "add rule inet filter input ip saddr { 10.8.0.10/32 } tcp dport 10000 accept"
    )
    assert "    peer haproxy-1 10.8.0.10:10000" in sticky["files"][CONFIGURATION]["lines"]
    assert "peers" not in rendered()


def test_certificates_are_secrets_that_only_root_reads() -> None:
    declared = declares_the_same(site())
    kept = only(declared, "command:remote:Command", "haproxy-1-haproxy-secrets")
    assert "stdin" in kept.secrets
    bundled = only(declared, "command:remote:Command", "haproxy-1-haproxy").inputs["stdin"]
    assert "private-key" not in bundled
    pem = parse(bundled)["files"]["/etc/haproxy/certificates/https.pem"]
    assert pem["lines"] == ["@secret(https/certificate)@", "@secret(https/key)@"]
    assert pem["mode"] == 0o600


@pytest.mark.claim("SOF-10")
def test_members_take_a_change_one_after_the_other() -> None:
    declared = declare(site(), preview=False)
    first = only(declared, "command:remote:Command", "haproxy-1-haproxy")
    assert first.urn in only(declared, "casebook:index:Configured", "haproxy-2-haproxy").depends_on
    service = bundle()["services"][-1]
    assert (service["unit"], service["change"]) == ("haproxy.service", "reload")


@pytest.mark.claim("SOF-10")
def test_a_dead_server_is_found_within_three_seconds() -> None:
    assert HealthCheck().detection <= 3


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"frontends": {"http": Frontend(port=80, backend="wbe")}},
            "frontends.http.backend=wbe: no such backend; there are web",
        ),
        (
            {"frontends": {"a": Frontend(port=80, backend="web"), "b": Frontend(port=80, backend="web")}},
            "frontends.b.port=80: taken",
        ),
        ({"frontends": {"a": Frontend(port=8404, backend="web")}}, "frontends.a.port=8404: taken (metrics"),
        ({"frontends": {"metrics": Frontend(port=80, backend="web")}}, "frontends.metrics: the tier's own"),
        ({"backends": {"members": Backend(servers={"web-1": "10.8.0.20"})}}, "backends.members: the tier's own"),
        (
            {"frontends": {"a": Frontend(port=80, backend="web", proxy_protocol_from=("10.9.0.0/28",))}},
            "frontends.a.proxy_protocol_from=10.9.0.0/28: outside clients, so dropped",
        ),
        (
            {
                "frontends": {"a": Frontend(port=80, backend="mail", redirect_https=True)},
                "backends": {"mail": Backend(servers={"a": "10.8.0.50"}, mode="tcp")},
            },
            "frontends.a: its backends must be of one mode, and options of HTTP need http",
        ),
        ({"machines": []}, "machines=[]"),
        ({"virtual_addresses": {"a": "10.8.0.10"}}, "virtual_addresses.a=10.8.0.10: haproxy-1's own"),
        ({"virtual_addresses": {"a": "10.8.0.100", "b": "10.8.1.100"}}, "VRRP's router id, and 100 is that of a"),
        ({"virtual_addresses": {"a": "10.8.0.255"}}, "VRRP's router id, and 255 is of no use"),
        ({"clients": ["192.0.2.7"]}, None),
        ({"clients": ["anyone"]}, "clients.0='anyone': not an IPv4 network"),
    ],
)
def test_refusals(values: dict[str, Any], message: str | None) -> None:
    def program() -> None:
        network = VrackNetwork("private", vrack="pn-1001", vlan=8, cidr="10.8.0.0/24")
        given: dict[str, Any] = {
            "machines": servers(network, "haproxy", 2, 100),
            "frontends": {"http": Frontend(port=80, backend="web")},
            "backends": {"web": Backend(servers={"web-1": "10.8.0.20"})},
            "clients": [NAT],
        }
        HaproxyTier("front", **{**given, **values})

    if message is None:
        declare(program, preview=True)
        return
    with pytest.raises(InputError) as refused:
        declare(program, preview=True)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Backend(servers={"a": "10.8.0.20:99999"}), "a machine's address like 10.8.0.20, or one with a port"),
        (lambda: Backend(servers={"a": "web.example.org"}), "a machine's address like 10.8.0.20, or one with a port"),
        (lambda: Backend(servers={"a": "10.8.0.20"}, backups=("b",)), "backups=b: not one of the servers a"),
        (lambda: Backend(servers={"a": "10.8.0.20"}, mode="tcp", balance="uri"), "balance=uri: needs mode=http"),
        (
            lambda: Backend(servers={"a": "10.8.0.20"}, single_writer=True, sticky=True),
            "one server has all connections",
        ),
        (lambda: Frontend(port=80, backend="a", methods=("GET }",)), "methods"),
        (lambda: Backend(servers={"a": "10.8.0.20"}, nolinger=True), "nolinger: needs mode=tcp"),
        (lambda: Frontend(port=80, backend="a", hsts_days=180), "hsts_days=180: browsers believe it of TLS alone"),
        (lambda: Route(backend="a"), "host or path_prefix"),
        (lambda: Route(backend="a", path_prefix="/a } { always_true"), "path_prefix"),
        (lambda: Frontend(port=80, backend="a", response_headers={"X-A": 'a" if { true }'}), "its own syntax"),
        (lambda: Frontend(port=80, backend="a", response_headers={"X A": "a"}), "letters, digits and dashes"),
    ],
)
def test_refusals_of_parts(make: Any, message: str) -> None:
    with pytest.raises(InputError, match="(?s)" + message):
        make()
