"""systemd units, where they lie, and what several components add to a daemon's own."""

from pulumi_casebook.machines.configuration import File

UNITS = "/etc/systemd/system"


def started_again(unit: str, *more: str) -> File:
    """A daemon that listens on the private address, which may come up after it has been started."""
    lines = [
        "# It listens on the private address, which may come up after the daemon has been started.",
        *("[Unit]", "StartLimitIntervalSec=0", "", "[Service]", "Restart=on-failure", "RestartSec=1", *more, ""),
    ]
    return File(path=f"{UNITS}/{unit}.d/casebook.conf", content="\n".join(lines))
