"""A machine's wires while it is off. What runs inside is a stand-in here: test_real.py boots real ones."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import machine
from sandbox.machine import Machine
from sandbox.shell import ip, nft, run
from tests.namespaces import Namespaces
from tests.waiting import until

ADDRESS = "198.18.99.2"
REFUSED = 7  # of curl; nobody there: 28, for it has waited in vain
# In the place of systemd-nspawn: it does what the machine's own system would do to its wires, and ends as told.
SYSTEM = f"""#!/bin/sh
echo booted >> "$DIR/boots"
ip -n $NS address show dev eno1 | grep -q {ADDRESS} && echo "an address was left" >> "$DIR/boots"
ip -n $NS address add {ADDRESS}/24 dev eno1
ip -n $NS link set eno1 up
[ $(wc -l < "$DIR/boots") = 1 ] && exit 133
while [ ! -e "$DIR/off" ]; do sleep 0.05; done
"""


@pytest.fixture(name="powered")
def _powered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """A machine that runs and has an address on a wire to a neighbour."""
    monkeypatch.setattr(machine, "MACHINES", tmp_path)
    found = Machine(f"wires{os.getpid()}")
    neighbour = f"{found.name}-neighbour"
    monkeypatch.setattr(found, "_mount", lambda: None)
    found.dir.mkdir()
    found.limit(1024, 1)
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "systemd-nspawn").write_text(SYSTEM)
    (programs / "systemd-nspawn").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    namespaces = [Namespaces(found.ns), Namespaces(neighbour)]
    try:
        for namespace in (found.ns, neighbour):
            ip("netns", "add", namespace)
        ip("link", "add", "eno1", "netns", found.ns, "type", "veth", "peer", "name", "outer", "netns", neighbour)
        ip("address", "add", "198.18.99.1/24", "dev", "outer", ns=neighbour)
        ip("link", "set", "outer", "up", ns=neighbour)
        found.boot()
        until_seen(neighbour, seen=True)
        yield found
    finally:
        found.put_away()
        for kept in namespaces:
            kept.close()


def until_seen(neighbour: str, *, seen: bool) -> None:
    """A neighbour's question for the address is answered, or is not."""
    until(lambda: answers(neighbour) == seen, f"seen: {not seen}", seconds=10, every=0.05)


def answers(neighbour: str) -> bool:
    """It has no server; a connection that it refuses is an answer."""
    connect = ["ip", "netns", "exec", neighbour, "curl", "-s", "--max-time", "1", f"http://{ADDRESS}"]
    return subprocess.run(connect, check=False, capture_output=True).returncode == REFUSED


def test_a_machine_without_power_answers_nobody_and_begins_anew(powered: Machine) -> None:
    nft("table inet left {}", powered.ns)
    powered.kill()
    assert not answers(f"{powered.name}-neighbour")
    assert ADDRESS not in ip("address", "show", ns=powered.ns)
    assert run("ip", "netns", "exec", powered.ns, "nft", "list", "ruleset") == ""
    powered.boot()
    until_seen(f"{powered.name}-neighbour", seen=True)


def test_a_machine_that_switches_itself_off_or_reboots_does_so_too(powered: Machine) -> None:
    boots = powered.dir / "boots"
    # The first system answers a moment too, before it ends.
    until(lambda: boots.read_text().count("booted") == 2, boots.read_text, seconds=10, every=0.05)
    assert boots.read_text() == "booted\nbooted\n", "it has rebooted once, without the first boot's address"
    (powered.dir / "off").touch()
    until_seen(f"{powered.name}-neighbour", seen=False)
    assert not powered.fell()
