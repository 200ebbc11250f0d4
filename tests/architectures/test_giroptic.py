"""Giroptic as declared, with known and with unknown identifiers."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import architectures
from pulumi_casebook import InputError
from tests.harness import Registered, declare, declares_the_same, only

FILE = Path(__file__).parents[2] / "stacks/Pulumi.giroptic.yaml"
PEAKS = {"instances": 2, "vrack": "pn-1002", "monitoring": "vps-0a1b2c06.vps.ovh.net"}
SCALING = {"setting": "peaks.instances", "minimum": 0, "maximum": 4}


def configuration(**changes: Any) -> dict[str, str]:
    """The committed stack's, with some settings changed."""
    given = yaml.safe_load(FILE.read_text())["config"]
    settings = {**given["casebook:settings"], **changes}
    return {"casebook:architecture": given["casebook:architecture"], "casebook:settings": json.dumps(settings)}


@pytest.fixture(autouse=True)
def _project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVH_CLOUD_PROJECT_SERVICE", "0123456789ab4cdef0123456789abcde")


@pytest.fixture(name="stack")
def _stack() -> list[Registered]:
    return declares_the_same(architectures.build, config=configuration())


def of(stack: list[Registered], kind: str) -> list[Registered]:
    return [one for one in stack if one.type.rpartition(":")[2] == kind]


def bundle(stack: list[Registered], name: str) -> str:
    return str(only(stack, "Command", name).inputs["stdin"])


@pytest.mark.claim("GIR-1")
@pytest.mark.claim("GIR-2")
def test_one_vps_on_each_side_behind_one_balancer(stack: list[Registered]) -> None:
    assert {one.name for one in of(stack, "Vps")} == {"europe-1", "america-1"}
    behind = {(one.name, one.inputs["port"]) for one in of(stack, "TcpFarmServer")}
    assert behind == {(f"front-{port}-{name}", port) for port in (80, 443) for name in ("europe-1", "america-1")}
    farms = of(stack, "TcpFarm")
    assert {one.inputs["probe"]["url"] for one in farms} == {"/healthz"}, "a server that hangs still connects"
    assert not any("stickiness" in one.inputs for one in farms), "who joins takes its share at once"


@pytest.mark.claim("GIR-1")
def test_a_side_is_where_its_name_says() -> None:
    with pytest.raises(InputError, match=r"america\.america-1: stands in rbx, not in bhs"):
        declare(
            architectures.build,
            preview=True,
            config=configuration(america={"america-1": "vps-0a1b2c05.vps.ovh.net"}),
        )


@pytest.mark.claim("GIR-2")
def test_a_third_vps_is_one_line_and_touches_no_other(stack: list[Registered]) -> None:
    europe = {"europe-1": "vps-0a1b2c03.vps.ovh.net", "europe-2": "vps-0a1b2c05.vps.ovh.net"}
    three = declare(architectures.build, preview=False, config=configuration(europe=europe))
    before, after = ({one.urn: one.inputs for one in stacked} for stacked in (stack, three))
    assert all("europe-2" in urn for urn in after.keys() - before.keys())
    changed = {urn.rpartition("::")[2] for urn in before if before[urn] != after[urn]}
    assert changed == {"front", "front-cleanup"}, "the refresh and the clean-up of the balancer"


@pytest.mark.claim("GIR-3")
def test_a_container_has_one_login_which_opens_no_other(stack: list[Registered]) -> None:
    access = {one.inputs["name"]: one.inputs["containerWrite"] for one in of(stack, "Container")}
    assert {name: list_.partition(":")[2] for name, list_ in access.items()} == {
        "photos": "user-storage-photos", "exports": "user-storage-exports"
    }  # fmt: skip
    assert {tuple(one.inputs["roleNames"]) for one in of(stack, "User")} == {("authentication",)}


@pytest.mark.claim("GIR-4")
def test_the_key_that_signs_is_a_secret_everywhere(stack: list[Registered]) -> None:
    assert "metadata" in only(stack, "Container", "storage-photos").secrets
    for machine in ("europe-1", "america-1"):
        assert only(stack, "Command", f"{machine}-upload-secrets").secrets >= {"stdin"}
        assert "drawn-storage-photos-key" not in bundle(stack, f"{machine}-upload")


@pytest.mark.claim("GIR-5")
def test_a_vps_without_automatic_backup_is_refused(stack: list[Registered]) -> None:
    checks = [str(one.inputs["create"]) for one in of(stack, "Command") if one.name.endswith("-backup")]
    assert sorted(check.split()[-2:] for check in checks) == [
        ["casebook-vps-backup", "vps-0a1b2c03.vps.ovh.net"],
        ["casebook-vps-backup", "vps-0a1b2c04.vps.ovh.ca"],
    ]


@pytest.mark.claim("GIR-6")
def test_both_sites_are_named_once_they_answer(stack: list[Registered]) -> None:
    records = {one.inputs["subdomain"]: one.inputs["target"] for one in of(stack, "ZoneRecord")}
    assert records == {"": "198.18.31.1", "www": "198.18.31.1", "preprod": "198.18.31.2"}
    check = only(stack, "Command", "production-answers")
    assert str(check.inputs["create"]).endswith(
        "casebook-web-hosting 198.18.31.1 giroptic.example www.giroptic.example"
    )
    assert check.urn in only(stack, "ZoneRecord", "production-www.giroptic.example").depends_on


@pytest.mark.claim("GIR-8")
def test_hourly_instances_are_an_option(stack: list[Registered]) -> None:
    with_it = declares_the_same(architectures.build, config=configuration(peaks=PEAKS, scaling=SCALING))
    assert not [one for one in stack if one.type.startswith("openstack:compute")]
    assert {one.name for one in of(with_it, "TcpFarmServer")} >= {"front-443-peak-1", "front-443-peak-2"}
    assert "alert: Load" in bundle(with_it, "monitoring-monitoring")


def test_nothing_to_scale_is_refused() -> None:
    with pytest.raises(InputError, match="scaling: there is nothing to scale without peaks"):
        declare(architectures.build, preview=True, config=configuration(scaling=SCALING))


def test_what_is_open_follows_from_the_roles() -> None:
    with_it = declares_the_same(architectures.build, config=configuration(peaks=PEAKS))
    outputs = with_it[0].outputs
    assert outputs["machines"].keys() == {"europe-1", "america-1", "peak-1", "peak-2", "monitoring"}
    exposure = outputs["exposure"]
    [watcher] = {source for source, ports in exposure["europe-1"].items() if ports == ["9100/tcp"]}
    assert watcher == f"{only(with_it, 'Vps', 'monitoring').outputs['public_address']}/32"
    for name in ("europe-1", "peak-1"):
        assert exposure[name].pop("198.18.0.1/32") == ["22/tcp"]
        assert exposure[name].pop(watcher) == ["9100/tcp"]
        assert {tuple(ports) for ports in exposure[name].values()} == {("80/tcp", "443/tcp", "8081/tcp")}, name
    assert exposure["load balancer"] == {"0.0.0.0/0": ["80/tcp", "443/tcp"]}
    assert not [name for name, open_to in exposure.items() if "0.0.0.0/0" in open_to and name in outputs["machines"]]


@pytest.mark.claim("GIR-9")
def test_a_cdn_is_an_option(stack: list[Registered]) -> None:
    cdn = {"zone": "giroptic.example", "subdomain": "photos", "target": "giroptic.cdn.example.net."}
    with_it = declare(architectures.build, preview=True, config=configuration(cdn=cdn))
    assert len(of(with_it, "ZoneRecord")) == len(of(stack, "ZoneRecord")) + 1
    assert only(with_it, "ZoneRecord", "cdn").inputs["fieldtype"] == "CNAME"
