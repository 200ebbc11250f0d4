"""A gateway, and what its roles put on the machine."""

from pathlib import Path
from typing import Any

from pulumi_casebook import Forward, Gateway, InstanceGroup, Vpn, VrackNetwork, ssh_key
from pulumi_casebook.machines.configuration.programs.apply import parse
from tests.harness import Registered, only

PROJECT = "0123456789abcdef0123456789abcdef"
ADDRESS, INSIDE = "10.8.0.1", "10.8.0.21"
PEER = "mGkJpM0yq2cD7o3t5f0R8bqkqT1yDkq0W0m2wqYxS1c="


def gateway(vpn: Vpn | None = None, machine: str = ADDRESS, **values: Any) -> Gateway:
    network = VrackNetwork("private", vrack="pn-1002", vlan=8, cidr="10.8.0.0/24", project=PROJECT, regions=["GRA11"])
    group = InstanceGroup(
        "door",
        region="GRA11",
        flavor="b3-8",
        network=network,
        addresses={"gateway": machine},
        ip_forwarding=True,
        ssh_key=ssh_key(),
        admin_cidrs=["198.18.0.0/16", "203.0.113.0/24"],
    )
    given: dict[str, Any] = {
        "machine": group.machines[0],
        "network": network,
        "clients": [network.cidr],
        "allowed_destinations": ["198.18.0.0/24"],
        "forwards": {"web": Forward(port=8080, to=INSIDE, to_port=80)},
        "vpn": vpn or Vpn(peers={"ann": PEER}),
        "intrusion_detection": True,
        "ban_after": 3,
    }
    return Gateway("way-out", **{**given, **values})


def files(made: list[Registered], role: str) -> dict[str, tuple[str, int]]:
    """Path -> text and mode of what a role puts on the machine."""
    found = parse(only(made, "Command", f"gateway-{role}").inputs["stdin"])["files"]
    return {path: ("\n".join([*file["lines"], ""]), file["mode"]) for path, file in found.items()}


def written(folder: Path, made: list[Registered], role: str) -> Path:
    """A role's files below a folder."""
    for path, (text, mode) in files(made, role).items():
        target = folder / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)
    return folder
