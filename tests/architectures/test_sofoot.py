"""So Foot as declared, with known and with unknown identifiers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import architectures
from pulumi_casebook import InputError
from tests.harness import Registered, declare, declares_the_same, only

FILE = Path(__file__).parents[2] / "stacks/Pulumi.sofoot.yaml"
DATACENTERS = {"ns31000007.ip-198-18-16-7.eu": "sbg3"}


def configuration(**changes: Any) -> dict[str, str]:
    """The committed stack's, with some settings changed."""
    import json

    given = yaml.safe_load(FILE.read_text())["config"]
    settings = {**given["casebook:settings"], **changes}
    settings = {key: value for key, value in settings.items() if value is not None}
    return {"casebook:architecture": given["casebook:architecture"], "casebook:settings": json.dumps(settings)}


@pytest.fixture(autouse=True)
def _project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVH_CLOUD_PROJECT_SERVICE", "0123456789ab4cdef0123456789abcde")


@pytest.fixture(name="stack", scope="module")
def _stack(ssh_key_file: Path) -> list[Registered]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CASEBOOK_SSH_KEY_FILE", str(ssh_key_file))
        patch.setenv("OVH_CLOUD_PROJECT_SERVICE", "0123456789ab4cdef0123456789abcde")
        return declares_the_same(architectures.build, config=configuration(), datacenters=DATACENTERS)


def of(stack: list[Registered], kind: str) -> list[Registered]:
    return [one for one in stack if one.type.rpartition(":")[2] == kind]


def bundle(stack: list[Registered], name: str) -> str:
    return str(only(stack, "Command", name).inputs["stdin"])


@pytest.mark.claim("SOF-1")
def test_the_drawing(stack: list[Registered]) -> None:
    """Load balancer, two HAProxy, three dedicated and five hourly web servers, each in front of the next."""
    servers = {one.inputs["address"] for one in of(stack, "TcpFarmServer")}
    assert servers == {"10.8.0.16", "10.8.0.17"}
    haproxy = bundle(stack, "haproxy-1-haproxy")
    behind = [line.split()[2] for line in haproxy.splitlines() if line.startswith("|     server web-")]
    assert behind == [f"web-{n}" for n in range(1, 9)]
    assert {one.name for one in of(stack, "Instance") if one.type.startswith("openstack")} == {
        f"web-{n}" for n in range(4, 9)
    }
    configuration, other = (text.partition("# Whether")[0] for text in (haproxy, bundle(stack, "haproxy-2-haproxy")))
    assert configuration == other.replace("haproxy-2", "haproxy-1")
    assert only(stack, "ServerGroup", "web").inputs["policies"] == "anti-affinity"


@pytest.mark.claim("SOF-2")
def test_the_balancer_is_open_on_80_and_443_only(stack: list[Registered]) -> None:
    frontends = of(stack, "TcpFrontend") + of(stack, "HttpFrontend") + of(stack, "UdpFrontend")
    assert sorted(one.inputs["port"] for one in frontends) == ["443", "80"]


@pytest.mark.claim("SOF-3")
def test_each_web_server_fetches_the_whole_site(stack: list[Registered]) -> None:
    for number in range(1, 9):
        assert "10.8.0.144" in bundle(stack, f"web-{number}-web")
        assert "package rsync" in bundle(stack, f"web-{number}-web")


@pytest.mark.claim("SOF-4")
def test_the_databases_stand_in_two_sites() -> None:
    with pytest.raises(InputError, match="rbx"):
        declare(
            architectures.build, preview=True, config=configuration(), datacenters=dict.fromkeys(DATACENTERS, "rbx8")
        )


@pytest.mark.claim("SOF-5")
def test_the_back_office_is_for_journalists_addresses(stack: list[Registered]) -> None:
    rules = [line for line in bundle(stack, "back-office-back-office").splitlines() if "dport 443" in line]
    assert len(rules) == 1
    assert "198.18.0.1/32" in rules[0]


@pytest.mark.claim("SOF-6")
def test_a_ninth_web_server_is_one_value_and_touches_no_other(stack: list[Registered]) -> None:
    nine = declare(architectures.build, preview=False, config=configuration(web_instances=6), datacenters=DATACENTERS)
    before = {one.urn: one.inputs for one in stack}
    after = {one.urn: one.inputs for one in nine}
    assert before.keys() < after.keys()
    assert all("web-9" in urn for urn in after.keys() - before.keys())
    changed = {urn.rpartition("::")[2] for urn in before if before[urn] != after[urn]}
    assert changed <= {"haproxy-1-haproxy", "haproxy-2-haproxy", "monitoring-monitoring-targets"}
    assert "haproxy-1-haproxy" in changed


@pytest.mark.claim("SOF-11")
def test_a_cdn_is_an_option(stack: list[Registered]) -> None:
    cdn = {"zone": "sofoot.example", "target": "sofoot.cdn.example.net."}
    with_it = declare(architectures.build, preview=True, config=configuration(cdn=cdn), datacenters=DATACENTERS)
    assert of(stack, "ZoneRecord") == []
    [record] = of(with_it, "ZoneRecord")
    assert (record.inputs["subdomain"], record.inputs["fieldtype"]) == ("static", "CNAME")
    assert record.inputs["target"] == "sofoot.cdn.example.net."


@pytest.mark.claim("SOF-6")
def test_automatic_scaling_is_an_option(stack: list[Registered]) -> None:
    scaling = {"setting": "web_instances", "minimum": 5, "maximum": 9}
    with_it = declare(
        architectures.build, preview=False, config=configuration(scaling=scaling), datacenters=DATACENTERS
    )
    # It asks Alertmanager, which knows nothing of it.
    assert bundle(with_it, "monitoring-monitoring") == bundle(stack, "monitoring-monitoring")


def test_user_data_holds_the_public_key_and_nothing_else(stack: list[Registered], ssh_key_file: Path) -> None:
    public = ssh_key_file.with_suffix(".pub").read_text().strip()
    for one in of(stack, "Instance"):
        if one.type.startswith("openstack"):
            assert one.inputs["userData"] == f"#cloud-config\nssh_authorized_keys:\n  - {public}\n"


def test_what_wipes_a_server_never_runs_again(stack: list[Registered]) -> None:
    for one in of(stack, "ServerReinstallTask"):
        assert {"os", "customizations"} <= set(one.ignore_changes)


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("an unknown key", {"web_instance": 6}, r"web_instance: no such field"),
    ("a wrong type", {"web_instances": "six"}, r"web_instances='six': .*integer"),
    ("an impossible shape", {"haproxy_servers": {"haproxy-1": "ns31000001.ip-198-18-16-1.eu"}}, "haproxy_servers.*2"),
    ("a public network", {"private_cidr": "8.8.8.0/24"}, r"cidr='?8.8.8.0/24.*private"),
    ("a plan that does not fit", {"private_cidr": "10.8.0.0/26"}, r"10.8.0.0/26 has the numbers 1 to 63"),
    ("no network", {"private_cidr": "ten"}, r"private_cidr='ten': .*10\.8\.0\.0/22"),
    ("a region of nowhere", {"storage_region": "MARS"}, r"MARS.*GRA"),
    (
        "a compute region of nowhere",
        {"region": "MARS1"},
        r"regions=MARS1: the project has no such region; it has BHS5, GRA11",
    ),
    ("one server twice", {"back_office": "ns31000001.ip-198-18-16-1.eu"}, r"ns31000001.*cannot be two"),
    ("nobody may administer", {"admin_cidrs": []}, r"admin_cidrs"),
    ("a key that is missing", {"vrack": None}, r"vrack.*required"),
]


@pytest.mark.parametrize(("changes", "reason"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_bad_settings_are_refused_with_a_reason(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        declare(architectures.build, preview=True, config=configuration(**changes), datacenters=DATACENTERS)


def refused_before_anything(program: Callable[[], None], config: dict[str, str]) -> str:
    with pytest.raises(InputError) as refused:
        declare(program, preview=True, config=config)
    return str(refused.value)


def test_an_unknown_architecture_names_the_known_ones() -> None:
    message = refused_before_anything(architectures.build, {"casebook:architecture": "sofot"})
    assert "sofot" in message
    assert "sofoot" in message


def test_an_unknown_key_of_the_stack_is_refused() -> None:
    message = refused_before_anything(architectures.build, {**configuration(), "casebook:setings": "{}"})
    assert "casebook:setings" in message


def test_a_missing_ssh_key_says_how_to_make_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CASEBOOK_SSH_KEY_FILE", str(tmp_path / "none"))
    assert "ssh-keygen" in refused_before_anything(architectures.build, configuration())


def test_without_a_project_the_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OVH_CLOUD_PROJECT_SERVICE")
    assert "OVH_CLOUD_PROJECT_SERVICE" in refused_before_anything(architectures.build, configuration())
