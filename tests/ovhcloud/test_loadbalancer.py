"""/ipLoadbalancing: what is declared, what is in force, and what is refused."""

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from ovh.exceptions import BadParametersError, ResourceConflictError, ResourceNotFoundError
from starlette.applications import Starlette

from sandbox.ovhcloud.store import Object

from .conftest import BALANCER, Client, wait

LB = f"/ipLoadbalancing/{BALANCER}"


def applied(app: Starlette) -> Object:
    found: Object = app.state.store.need("applied", "sandbox", "applied", BALANCER)
    return found


def refresh(call: Client) -> None:
    task = call("POST", f"{LB}/refresh")
    wait()
    assert call("GET", f"{LB}/task/{task['id']}")["status"] == "done"


def in_vrack(call: Client) -> None:
    call("POST", "/vrack/pn-1001/ipLoadbalancing", {"ipLoadbalancing": BALANCER})
    wait()


def self_signed(name: str) -> tuple[str, str]:
    """(certificate, key), both PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = datetime.datetime(2026, 1, 1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=3650))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return (
        certificate.public_bytes(Encoding.PEM).decode(),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
    )


class TestRefresh:
    def test_what_is_not_refreshed_is_not_in_force(self, app: Starlette, call: Client) -> None:
        farm = call("POST", f"{LB}/http/farm", {"zone": "rbx", "port": 80})["farmId"]
        call("POST", f"{LB}/http/farm/{farm}/server", {"address": "10.0.0.1", "status": "active"})
        assert call("GET", f"{LB}/pendingChanges") == [{"number": 2, "zone": "rbx"}]
        assert applied(app)["http"]["farms"] == []
        refresh(call)
        assert call("GET", f"{LB}/pendingChanges") == []
        assert applied(app)["http"]["farms"][0]["servers"][0]["address"] == "10.0.0.1"

    def test_a_deletion_is_only_declared_too(self, app: Starlette, call: Client) -> None:
        farm = call("POST", f"{LB}/tcp/farm", {"zone": "all"})["farmId"]
        refresh(call)
        call("DELETE", f"{LB}/tcp/farm/{farm}")
        assert applied(app)["tcp"]["farms"]
        refresh(call)
        assert applied(app)["tcp"]["farms"] == []

    def test_a_change_during_the_refresh_stays_pending(self, app: Starlette, call: Client) -> None:
        call("POST", f"{LB}/http/farm", {"zone": "all", "displayName": "first"})
        call("POST", f"{LB}/refresh")
        call("POST", f"{LB}/http/farm", {"zone": "all", "displayName": "second"})
        wait()
        assert call("GET", f"{LB}/pendingChanges")
        assert [farm["displayName"] for farm in applied(app)["http"]["farms"]] == ["first"]

    def test_one_at_a_time(self, call: Client) -> None:
        call("POST", f"{LB}/refresh")
        with pytest.raises(ResourceConflictError):
            call("POST", f"{LB}/refresh")

    def test_tasks_are_found_by_action_and_status(self, call: Client) -> None:
        refresh(call)
        assert call("GET", f"{LB}/task?action=refreshIplb&status=todo") == []
        assert len(call("GET", f"{LB}/task?action=refreshIplb&status=done")) == 1


class TestObjects:
    def test_a_farm_tells_what_it_was_given(self, call: Client) -> None:
        probe = {"type": "http", "url": "/health", "interval": 30, "match": "status", "pattern": "200"}
        farm = call("POST", f"{LB}/http/farm", {"zone": "all", "port": 80, "balance": "leastconn", "probe": probe})
        found = call("GET", f"{LB}/http/farm/{farm['farmId']}")
        assert found == farm
        assert found["probe"] == {**probe, "port": None, "negate": False, "forceSsl": False, "method": None}

    def test_an_absent_field_of_an_update_is_unchanged(self, call: Client) -> None:
        farm = call("POST", f"{LB}/http/farm", {"zone": "all", "port": 80, "balance": "leastconn"})["farmId"]
        call("PUT", f"{LB}/http/farm/{farm}", {"port": 81})
        found = call("GET", f"{LB}/http/farm/{farm}")
        assert (found["port"], found["balance"]) == (81, "leastconn")

    def test_a_server_names_its_farm(self, call: Client) -> None:
        farm = call("POST", f"{LB}/http/farm", {"zone": "all"})["farmId"]
        server = call("POST", f"{LB}/http/farm/{farm}/server", {"address": "10.0.0.1", "status": "active"})
        assert (server["backendId"], server["weight"], server["serverState"]) == (farm, 1, [])

    @pytest.mark.parametrize(
        "body",
        [
            {"address": "10.0.0.1", "status": "up"},
            {"address": "::1", "status": "active"},
            {"status": "active"},
            {"address": "10.0.0.1", "status": "active", "weight": 257},
            {"address": "10.0.0.1", "status": "active", "proxyProtocolVersion": "v9"},
        ],
    )
    def test_bad_servers(self, call: Client, body: Object) -> None:
        farm = call("POST", f"{LB}/http/farm", {"zone": "all"})["farmId"]
        with pytest.raises(BadParametersError):
            call("POST", f"{LB}/http/farm/{farm}/server", body)

    def test_only_http_servers_have_a_cookie(self, call: Client) -> None:
        farm = call("POST", f"{LB}/tcp/farm", {"zone": "all"})["farmId"]
        with pytest.raises(BadParametersError, match="cookie"):
            call("POST", f"{LB}/tcp/farm/{farm}/server", {"address": "10.0.0.1", "status": "active", "cookie": "c"})

    @pytest.mark.parametrize("port", ["0", "x", "80,", "90-80", "1-2-3", "65536", "-1"])
    def test_bad_ports(self, call: Client, port: str) -> None:
        with pytest.raises(BadParametersError, match="port"):
            call("POST", f"{LB}/http/frontend", {"zone": "all", "port": port})

    def test_two_frontends_cannot_share_a_port(self, call: Client) -> None:
        call("POST", f"{LB}/http/frontend", {"zone": "rbx", "port": "80,8000-8010"})
        call("POST", f"{LB}/tcp/frontend", {"zone": "gra", "port": "8005"})
        with pytest.raises(ResourceConflictError, match="8005"):
            call("POST", f"{LB}/tcp/frontend", {"zone": "rbx", "port": "8005"})

    def test_allowed_and_denied_sources_exclude_each_other(self, call: Client) -> None:
        with pytest.raises(BadParametersError, match="deniedSource"):
            call(
                "POST",
                f"{LB}/http/frontend",
                {"zone": "all", "port": "80", "allowedSource": ["192.0.2.0/24"], "deniedSource": ["192.0.2.1/32"]},
            )

    @pytest.mark.parametrize("header", ["X-A", "X A: 1", "X-A: 1\nX-B: 2", ": 1"])
    def test_bad_headers(self, call: Client, header: str) -> None:
        with pytest.raises(BadParametersError, match="httpHeader"):
            call("POST", f"{LB}/http/frontend", {"zone": "all", "port": "80", "httpHeader": [header]})

    def test_a_farm_in_use_stays(self, call: Client) -> None:
        farm = call("POST", f"{LB}/http/farm", {"zone": "all"})["farmId"]
        call("POST", f"{LB}/http/frontend", {"zone": "all", "port": "80", "defaultFarmId": farm})
        with pytest.raises(ResourceConflictError, match="default farm"):
            call("DELETE", f"{LB}/http/farm/{farm}")

    def test_a_farm_of_another_kind_is_not_there(self, call: Client) -> None:
        farm = call("POST", f"{LB}/tcp/farm", {"zone": "all"})["farmId"]
        with pytest.raises(ResourceNotFoundError):
            call("POST", f"{LB}/http/frontend", {"zone": "all", "port": "80", "defaultFarmId": farm})

    @pytest.mark.parametrize(
        ("action", "word"),
        [
            ({"type": "farm"}, "target"),
            ({"type": "farm", "target": "x"}, "target"),
            ({"type": "redirect"}, "target"),
            ({"type": "redirect", "target": "/", "status": 404}, "status"),
            ({"type": "nope"}, "type"),
            ({}, "type"),
        ],
    )
    def test_bad_routes(self, call: Client, action: Object, word: str) -> None:
        with pytest.raises(BadParametersError, match=word):
            call("POST", f"{LB}/http/route", {"action": action})

    def test_a_route_shows_its_rules(self, call: Client) -> None:
        route = call("POST", f"{LB}/http/route", {"action": {"type": "reject"}})["routeId"]
        rule = call("POST", f"{LB}/http/route/{route}/rule", {"field": "uri", "match": "startswith", "pattern": "/a"})
        assert [found["ruleId"] for found in call("GET", f"{LB}/http/route/{route}")["rules"]] == [rule["ruleId"]]

    @pytest.mark.parametrize(
        "rule",
        [
            {"field": "weather", "match": "is", "pattern": "x"},
            {"field": "header", "match": "exists"},
            {"field": "uri", "match": "is"},
            {"field": "header", "match": "exists", "subField": "X) }"},
        ],
    )
    def test_bad_rules(self, call: Client, rule: Object) -> None:
        route = call("POST", f"{LB}/http/route", {"action": {"type": "reject"}})["routeId"]
        with pytest.raises(BadParametersError):
            call("POST", f"{LB}/http/route/{route}/rule", rule)


NETWORK = {"subnet": "10.0.0.0/24", "natIp": "10.0.0.64/28", "vlan": 100}


class TestNetworks:
    def test_only_in_a_vrack(self, call: Client) -> None:
        with pytest.raises(ResourceConflictError, match="vRack"):
            call("POST", f"{LB}/vrack/network", NETWORK)

    def test_a_network_tells_which_farms_use_it(self, call: Client) -> None:
        in_vrack(call)
        number = call("POST", f"{LB}/vrack/network", NETWORK)["vrackNetworkId"]
        farm = call("POST", f"{LB}/http/farm", {"zone": "all", "vrackNetworkId": number})["farmId"]
        assert call("GET", f"{LB}/vrack/network/{number}")["farmId"] == [{"type": "http", "id": farm}]
        with pytest.raises(ResourceConflictError, match="still used"):
            call("DELETE", f"{LB}/vrack/network/{number}")

    @pytest.mark.parametrize(
        "change", [{"natIp": "10.0.1.0/28"}, {"natIp": "10.0.0.64/31"}, {"vlan": 5000}, {"subnet": "10.0.0.1/24"}]
    )
    def test_bad_networks(self, call: Client, change: Object) -> None:
        in_vrack(call)
        with pytest.raises(BadParametersError):
            call("POST", f"{LB}/vrack/network", {**NETWORK, **change})


class TestCertificates:
    def test_a_certificate_is_described_and_its_key_kept(self, app: Starlette, call: Client) -> None:
        certificate, key = self_signed("www.sofoot.example")
        made = call("POST", f"{LB}/ssl", {"certificate": certificate, "key": key, "displayName": "site"})
        assert (made["san"], made["subject"], made["type"]) == (
            ["www.sofoot.example"],
            "CN=www.sofoot.example",
            "custom",
        )
        assert "PRIVATE KEY" not in str(call("GET", f"{LB}/ssl/{made['id']}"))
        refresh(call)
        assert applied(app)["certificates"] == [made["id"]]

    def test_a_key_is_forgotten_when_no_balancer_uses_it_any_more(self, app: Starlette, call: Client) -> None:
        certificate, key = self_signed("www.sofoot.example")
        numbers = [call("POST", f"{LB}/ssl", {"certificate": certificate, "key": key})["id"] for _ in range(2)]
        call("DELETE", f"{LB}/ssl/{numbers[1]}")
        refresh(call)
        call("DELETE", f"{LB}/ssl/{numbers[0]}")
        kept = app.state.store.children("sandbox", "certificate")
        assert list(kept) == [str(numbers[0])]
        refresh(call)
        assert app.state.store.children("sandbox", "certificate") == {}

    def test_a_key_of_another_certificate(self, call: Client) -> None:
        certificate, _ = self_signed("a.example")
        _, key = self_signed("b.example")
        with pytest.raises(BadParametersError, match="key"):
            call("POST", f"{LB}/ssl", {"certificate": certificate, "key": key})

    @pytest.mark.parametrize("body", [{"certificate": "x", "key": "y"}, {"certificate": "x"}])
    def test_not_a_certificate(self, call: Client, body: Object) -> None:
        with pytest.raises(BadParametersError):
            call("POST", f"{LB}/ssl", body)
