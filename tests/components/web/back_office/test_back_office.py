"""The back office: what its machine holds, and what is refused. tests/components/web/web_tier runs it."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from pulumi_casebook import BackOffice, Certificate, InputError, Vps, VrackNetwork, ssh_key
from pulumi_casebook.machines.configuration.programs.apply import Role, parse
from pulumi_casebook.web.back_office.component import hashed
from tests.components.web.web_tier.site import ADMINS, servers, site
from tests.harness import declare, declares_the_same, only


def bundle() -> Role:
    text = only(declare(site(1), preview=True), "command:remote:Command", "office-1-back-office").inputs["stdin"]
    return parse(text)


@pytest.mark.parametrize(
    "path",
    [
        "/etc/nftables.d/back-office.nft",
        "/etc/nginx/nginx.conf",
        "/etc/rsyncd.conf",
        "/usr/local/sbin/publish",
        "/usr/share/back-office/index.html",
        "/etc/systemd/system/publish.path",
    ],
)
def test_files_are_as_accepted(path: str, snapshot: SnapshotAssertion) -> None:
    assert "\n".join(bundle()["files"][path]["lines"]) + "\n" == snapshot


@pytest.mark.claim("SOF-5")
def test_only_editors_and_the_private_network_are_let_in() -> None:
    assert bundle()["files"]["/etc/nftables.d/back-office.nft"]["lines"][1:] == [
        "add rule inet filter input ip saddr { 198.18.127.0/24 } tcp dport 443 accept",
        "add rule inet filter input ip saddr { 10.8.0.0/24 } tcp dport 8730 accept",
    ]


def test_the_password_is_in_no_bundle_and_its_hash_is_for_nginx_alone() -> None:
    declared = declares_the_same(site(1))
    office = only(declared, "casebook:index:BackOffice", "office")
    assert office.secret_outputs == {"password"}
    assert only(declared, "RandomPassword", "office-editor").inputs["length"] == 24
    bundled = only(declared, "command:remote:Command", "office-1-back-office").inputs["stdin"]
    assert "drawn-" not in bundled
    assert parse(bundled)["files"]["/etc/nginx/editors"] == {
        "owner": "root:www-data", "mode": 0o640, "lines": ["editor:@secret(password:word)@"]
    }  # fmt: skip
    kept = only(declared, "command:remote:Command", "office-1-back-office-secrets")
    assert hashed(office.outputs["password"]) in kept.inputs["stdin"]
    assert "stdin" in kept.secrets


def test_the_hash_is_the_one_that_htpasswd_makes() -> None:
    assert hashed("myPassword") == "{SHA}VBPuJHI7uixaa6LQGWx4s+5GKNE="


def test_publish_is_a_shell_script_that_parses(tmp_path: Path) -> None:
    script = tmp_path / "publish"
    script.write_text("\n".join(bundle()["files"]["/usr/local/sbin/publish"]["lines"]) + "\n")
    subprocess.run(["dash", "-n", script], check=True)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"editors_cidrs": ["0.0.0.0/0"]}, "nearly everybody; name the networks where they come from"),
        ({"editors_cidrs": []}, "editors_cidrs=[]"),
        ({"user": "Chief Editor"}, "user='Chief Editor'"),
        ({"password": "secret"}, "password: no such field"),
    ],
)
def test_refusals(values: dict[str, Any], message: str) -> None:
    def program() -> None:
        network = VrackNetwork("private", vrack="pn-1001", vlan=8, cidr="10.8.0.0/24")
        given: dict[str, Any] = {
            "machine": servers(network, "office", 1, 300)[0],
            "certificate": Certificate("office", names=["office.example.org"]),
            "editors_cidrs": ["198.18.127.0/24"],
            "network": network,
        }
        BackOffice("office", **{**given, **values})

    with pytest.raises(InputError) as refused:
        declare(program, preview=True)
    assert message in str(refused.value)


def test_a_machine_without_a_private_address_is_refused() -> None:
    def program() -> None:
        network = VrackNetwork("private", vrack="pn-1001", vlan=8, cidr="10.8.0.0/24")
        vps = Vps("small", service_name="vps-1.vps.ovh.net", ssh_key=ssh_key(), admin_cidrs=[ADMINS])
        certificate = Certificate("office", names=["office.example.org"])
        BackOffice("office", machine=vps, certificate=certificate, editors_cidrs=["192.0.2.0/24"], network=network)

    with pytest.raises(InputError, match="small has no address in a private network"):
        declare(program, preview=True)
