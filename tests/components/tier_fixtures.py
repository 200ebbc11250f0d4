"""What tests of tiers share: a private network, machines in it, an application, and boxes that take their roles."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pulumi_casebook import DedicatedServer, VrackNetwork, ssh_key
from pulumi_casebook.machines.configuration.programs.apply import Role, parse
from tests.components.web.web_tier.namespaces import Box
from tests.harness import declare, number, only

CIDR = "10.4.0.0/24"


def machines(tier: str, *numbers: int) -> list[DedicatedServer]:
    """web-11 at 10.4.0.11, and so on."""
    network = VrackNetwork(f"{tier}-network", vrack="pn-1002", vlan=number(tier) % 4000, cidr=CIDR)
    return [
        DedicatedServer(
            f"{tier}-{one}",
            service_name=f"ns{one}.ip-198-18-16.eu",
            network=network,
            address=f"10.4.0.{one}",
            ssh_key=ssh_key(),
            admin_cidrs=["198.18.0.1/32"],
        )
        for one in numbers
    ]


def written(folder: Path, files: Mapping[str, str]) -> Path:
    """A folder of files."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def role_of(program: Callable[[], object], name: str) -> Role:
    """The role NAME (machine-role) that a program gives."""
    return parse(only(declare(program, preview=True), "command:remote:Command", name).inputs["stdin"])


def files_of(role: Role) -> dict[str, str]:
    return {path: "\n".join(file["lines"]) + "\n" for path, file in role["files"].items()}


class Network:
    """Boxes on one wire, at 10.4.0.NUMBER, which take the roles of programs."""

    def __init__(self, boxes: dict[str, Box]) -> None:
        self.boxes = boxes

    def __getitem__(self, name: str) -> Box:
        return self.boxes[name]

    def configure(self, program: Callable[[], object], secrets: Mapping[str, str] | None = None) -> dict[str, str]:
        """All roles of the program, in the order in which it gives them; what each machine said."""
        declared = [r for r in declare(program, preview=True) if r.type == "command:remote:Command"]
        said = {}
        for resource in declared:
            machine, _, role = resource.name.rpartition("-")
            if machine not in self.boxes or resource.name.endswith(("-secrets", "-program")):
                continue
            if role == "base":
                firewall = parse(resource.inputs["stdin"])["files"]["/etc/nftables.conf"]["lines"]
                self[machine].run("mkdir -p /etc/nftables.d; cat > /etc/nftables.conf", "\n".join(firewall) + "\n")
            else:
                text = json.dumps(secrets) if secrets else ""
                said[resource.name] = self[machine].apply(role, resource.inputs["stdin"], text)
        return said


@contextmanager
def network(**numbers: int) -> Iterator[Network]:
    """A box a name, with underscores for dashes."""
    with Box("wire") as wire:
        boxes: dict[str, Box] = {}
        try:
            for name, number in numbers.items():
                box = boxes[name.replace("_", "-")] = Box(name.replace("_", "-"))
                wire.plug(box, f"10.4.0.{number}")
            yield Network(boxes)
        finally:
            for box in boxes.values():
                box.__exit__(None, None, None)


Values = dict[str, Any]
