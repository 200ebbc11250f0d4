"""What a machine that keeps backups of others is given, wherever it keeps them: it prunes and verifies."""

from collections.abc import Sequence
from pathlib import Path

from pulumi_casebook.backups.backup.calendar import Calendar
from pulumi_casebook.core.args import Positive
from pulumi_casebook.core.component import ComponentArgs
from pulumi_casebook.core.templates import render
from pulumi_casebook.machines.configuration import Configuration, Directory, File, Ready, Unit, program
from pulumi_casebook.machines.machine import Machine
from pulumi_casebook.machines.site import Monitored
from pulumi_casebook.machines.units import FIGURES, METRICS, UNITS

SOURCE = Path(__file__).with_name("programs") / "backup_keeper.py"


class Keeper(ComponentArgs):
    """When what is kept is pruned and verified, and when somebody is told that it was not."""

    # When repositories are pruned to what their retention keeps: a calendar expression of systemd.
    pruning: Calendar = "*:50"
    # When every byte of them is read and compared.
    verification: Calendar = "Sun 05:30"
    # Age of a repository's last pruning, in hours, at which somebody is told.
    pruning_hours: Positive = 26
    # Age of its last verification, in days.
    verification_days: Positive = 9

    def watched(self, name: str, machine: Machine, figures: Sequence[str]) -> Monitored:
        """What tells that it is too long ago, or that nobody says when it was."""
        rules = render(__file__, "keeper-alerts.yml.j2", machine=machine.name, args=self)
        return Monitored(name, [machine], rules, figures=figures)


def figures_of(name: str) -> list[str]:
    """What a keeper shows of the backup NAME, as PromQL selects it."""
    return [f'casebook_backup_{figure}_timestamp_seconds{{backup="{name}"}}' for figure in ("pruned", "verified")]


def keeper(
    args: Keeper,
    name: str,
    *,
    packages: Sequence[str] = (),
    directories: Sequence[Directory] = (),
    files: Sequence[File] = (),
    units: Sequence[Unit] = (),
    writes: Sequence[str] = (),
    capabilities: Sequence[str] = (),
    ready: Ready | None = None,
) -> Configuration:
    """The role `name`: the program of this name, its timers, and what one kind of keeper has besides.

    writes, capabilities  what pruning needs of the machine
    """
    command = f"/usr/local/sbin/{name}"
    timers = []
    for action, schedule, limit in (("prune", args.pruning, "23h"), ("verify", args.verification, "2d")):
        for kind in ("service", "timer"):
            values = {"action": action, "command": command, "schedule": schedule, "limit": limit, "name": name}
            text = render(
                __file__, f"keeper.{kind}.j2", **values, writes=[*writes, METRICS], capabilities=list(capabilities)
            )
            timers.append(File(path=f"{UNITS}/{name}-{action}.{kind}", content=text))
    return Configuration(
        role=name,
        packages=(*packages, "rclone", "restic"),
        directories=(FIGURES, Directory(path="/etc/casebook"), *directories),
        files=(*program(SOURCE, command), *files, *timers),
        units=(
            *units,
            *(
                Unit(unit=Path(file.path).name, restart_on=(file.path,))
                for file in timers
                if file.path.endswith(".timer")
            ),
        ),
        ready=ready,
    )
