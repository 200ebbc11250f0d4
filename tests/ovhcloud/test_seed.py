"""What a server's first boot reads."""

import base64
import email
import json

import pytest

from sandbox.ovhcloud import seed
from sandbox.ovhcloud.store import Object

WANTED: Object = {
    "hostname": "web-1",
    "ssh_key": "ssh-ed25519 AAAA",
    "user_data": None,
    "script": None,
    "metadata": {"role": "web"},
}
NIC = seed.PublicNic("0c:42:a1:10:01:01", "198.18.16.1")


def read(name: str, **changes: str) -> bytes:
    return seed.files("id-1", {**WANTED, **changes}, NIC)[seed.DRIVE + name]


def test_the_drive_names_the_machine_and_its_key() -> None:
    meta = json.loads(read("meta_data.json"))
    assert (meta["hostname"], meta["uuid"], meta["meta"]) == ("web-1", "id-1", {"role": "web"})
    assert list(meta["public_keys"].values()) == ["ssh-ed25519 AAAA"]


def test_the_public_address_is_on_the_public_interface() -> None:
    layout = json.loads(read("network_data.json"))
    assert layout["links"][0]["ethernet_mac_address"] == NIC.mac
    assert (layout["networks"][0]["ip_address"], layout["networks"][0]["netmask"]) == ("198.18.16.1", "255.255.0.0")
    assert layout["networks"][0]["routes"][0]["gateway"] == "198.18.0.1"


@pytest.mark.parametrize(
    ("given", "got"),
    [
        ("#cloud-config\npackages: [vim]\n", "#cloud-config\npackages: [vim]\n"),
        (
            base64.b64encode(b"#cloud-config\nruncmd: [\"echo '\\\\n'\"]\n").decode(),
            "#cloud-config\nruncmd: [\"echo '\\\\n'\"]\n",
        ),
        ("#cloud-config\\npackages: [vim]\\n", "#cloud-config\npackages: [vim]\n"),
        ("a\\\\nb", "a\\nb"),
    ],
)
def test_user_data_in_clear_has_its_escapes_expanded_and_base64_has_not(given: str, got: str) -> None:
    assert read("user_data", user_data=given).decode() == got


def test_a_script_runs_beside_the_user_data() -> None:
    both = email.message_from_bytes(read("user_data", user_data="#cloud-config\n", script="touch /done"))
    kinds = {part.get_content_subtype(): part.get_payload(decode=True) for part in both.walk()}
    assert kinds["cloud-config"] == b"#cloud-config\n"
    assert kinds["x-shellscript"] == b"#!/bin/sh\ntouch /done"


def test_no_user_data_is_no_file() -> None:
    assert seed.DRIVE + "user_data" not in seed.files("id-1", WANTED, NIC)
