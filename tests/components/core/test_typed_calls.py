"""A mistake at a component's call is seen by the type checker, not first at `pulumi up`."""

import re
import sys
from pathlib import Path

import pytest
from mypy import api

from stacks.environment import CHECKOUT

PROGRAM = """
from pulumi_casebook import Vps, VrackNetwork, ssh_key

network = VrackNetwork("private", vrack="pn-1001", vlan=8, cidr="10.8.0.0/24", regions=["GRA11"])
VrackNetwork("misspelt", vrak="pn-1001", vlan=8, cidr="10.8.0.0/24")
VrackNetwork("of-the-wrong-type", vrack="pn-1001", vlan="abc", cidr="10.8.0.0/24")
VrackNetwork("incomplete", vlan=8, cidr="10.8.0.0/24")
Vps("strangers-key", service_name="vps-1.vps.ovh.net", ssh_key="ssh-ed25519 AAAA", admin_cidrs=["192.0.2.0/24"])
Vps("right", service_name="vps-1.vps.ovh.net", ssh_key=ssh_key(), admin_cidrs=["192.0.2.0/24"])
"""


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (5, 'Unexpected keyword argument "vrak" for "VrackNetwork"'),
        (6, 'Argument "vlan" to "VrackNetwork" has incompatible type "str"; expected "int"'),
        (7, 'Missing named argument "vrack" for "VrackNetwork"'),
        (8, 'Argument "ssh_key" to "Vps" has incompatible type "str"; expected "SshKey"'),
    ],
)
def test_mypy_names_the_keyword(complaints: dict[int, str], line: int, complaint: str) -> None:
    assert complaint in complaints.get(line, "nothing")


def test_and_nothing_else(complaints: dict[int, str]) -> None:
    assert complaints.keys() == {5, 6, 7, 8}, complaints


@pytest.fixture(name="complaints", scope="module")
def _complaints(tmp_path_factory: pytest.TempPathFactory) -> dict[int, str]:
    program = tmp_path_factory.mktemp("program") / "program.py"
    program.write_text(PROGRAM)
    config = CHECKOUT / "pyproject.toml"
    said, errors, _ = api.run([f"--config-file={config}", f"--python-executable={sys.executable}", str(program)])
    assert not errors
    found: dict[int, str] = {}
    for line, text in re.findall(rf"^\S*{Path(program).name}:(\d+): error: (.*)$", said, re.MULTILINE):
        found[int(line)] = f"{found.get(int(line), '')}{text}\n"
    return found
