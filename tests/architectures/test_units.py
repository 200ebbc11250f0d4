"""What holds for every systemd unit of every stack: it comes back, it ends, and it can do little to its machine."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from pulumi_casebook.machines.configuration.bundle import GROUND, UNITS
from pulumi_casebook.machines.configuration.programs.apply import parse
from tests.architectures.test_every_stack import Role, _stack, roles_of
from tests.harness import Registered

__all__ = ["_stack"]  # a fixture
# A unit of our own that may do more than 4.0 of systemd-analyze's scale, and why.
EXPOSED = {
    "nas-": "it mounts and unmounts for the whole machine, which nothing in a mount namespace of its own can",
    "resolvers.service": "it mounts for the whole machine",
}
# Folders that every machine has, or that a package of the role brings.
THERE = ("/etc", "/run", "/run/lock", "/var/lib/casebook", "/var/lib/suricata")


class Service(NamedTuple):
    """A service as one role has it: its own unit, where it is ours, and all that the role adds."""

    role: Role
    name: str
    own: list[str]
    added: list[str]
    enabled: bool
    folders: frozenset[str]

    def said(self, key: str) -> str | None:
        """The last word on a setting, of those that the role's files say."""
        found = [line.partition("=")[2] for line in (*self.own, *self.added) if line.startswith(f"{key}=")]
        return found[-1] if found else None

    @property
    def place(self) -> str:
        return f"{self.role.machine}: {self.name}"


def services_of(stack: list[Registered]) -> Iterator[Service]:
    for role in roles_of(stack):
        bundle = parse(role.bundle)
        folders = frozenset(path for path, _, _ in bundle["directories"])
        files = {path.removeprefix(f"{UNITS}/"): file["lines"] for path, file in bundle["files"].items()}
        enabled = {service["unit"] for service in bundle["services"]}
        for name in sorted({*enabled, *files}):
            if name.endswith(".service"):
                template = f"{name.partition('@')[0]}@.service" if "@" in name else name
                added = [line for path, lines in files.items() if path.startswith(f"{name}.d/") for line in lines]
                yield Service(role, name, files.get(template, []), added, name in enabled, folders)


@pytest.fixture(name="services", scope="module")
def _services(stack: list[Registered]) -> list[Service]:
    return list(services_of(stack))


def test_a_service_comes_back_from_every_way_of_ending(services: list[Service]) -> None:
    """Killed, out of memory, given up: `Restart=always` knows no death that it leaves out, and no limit ends it."""
    wrong = []
    for one in services:
        if not one.enabled or (one.name in GROUND and one.role.name != "base"):
            continue
        wanted = "on-failure" if one.said("Type") == "oneshot" or one.said("Restart") == "on-failure" else "always"
        found = one.said("Restart"), one.said("StartLimitIntervalSec"), one.said("RestartPreventExitStatus")
        if found != (wanted, "0", ""):
            wrong.append(f"{one.place}: {found}")
        if one.own and (one.said("Type") == "oneshot") != (one.said("Restart") == "on-failure"):
            wrong.append(f"{one.place}: Type={one.said('Type')} with Restart={one.said('Restart')}")
    assert not wrong, "\n".join(wrong)


def test_what_is_to_end_ends_and_may_begin_again(services: list[Service]) -> None:
    """A timer's or path's work: systemd never refuses to begin it, and a storage that hangs is given up."""
    wrong = [
        f"{one.place}: TimeoutStartSec={one.said('TimeoutStartSec')}, StartLimitIntervalSec="
        f"{one.said('StartLimitIntervalSec')}"
        for one in services
        if one.own and "@." not in one.name and one.said("Type") == "oneshot"
        if one.said("TimeoutStartSec") in (None, "0", "infinity") or one.said("StartLimitIntervalSec") != "0"
    ]
    assert not wrong, "\n".join(wrong)


def test_where_a_service_may_write_there_is_a_folder(services: list[Service]) -> None:
    """systemd starts no service of which one is missing; a dash says that it may be."""
    wrong = [
        f"{one.place}: {line}"
        for one in services
        for line in one.own
        if line.startswith("ReadWritePaths=/")
        if line.partition("=")[2] not in (*one.folders, *THERE)
    ]
    assert not wrong, "\n".join(wrong)


def test_a_service_of_ours_can_do_little(services: list[Service], tmp_path: Path) -> None:
    """As systemd-analyze judges: 0 is a service that can do nothing, 10 one that can do all."""
    ours = (one for one in services if one.own and not one.name.startswith(tuple(EXPOSED)))
    seen = {"\n".join([*one.own, ""]): one for one in ours}
    wrong = []
    for number, (text, one) in enumerate(seen.items()):
        file = tmp_path / str(number) / one.name
        file.parent.mkdir()
        file.write_text(text)
        judge = ["systemd-analyze", "security", "--offline=true", "--threshold=40", str(file)]
        judged = subprocess.run(judge, capture_output=True, text=True)
        if judged.returncode:
            wrong.append(f"{one.place}: {(judged.stdout + judged.stderr).strip().splitlines()[-1]}")
    assert seen
    assert not wrong, "\n".join(wrong)
