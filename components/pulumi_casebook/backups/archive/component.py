"""Copies in object storage that delete themselves: what `X-Delete-After` is for."""

import json
import shlex
from pathlib import Path

import pulumi_random as random

from pulumi_casebook.backups.archive.args import ArchiveArgs
from pulumi_casebook.backups.backup import monitored
from pulumi_casebook.core.component import Component, takes
from pulumi_casebook.core.templates import render
from pulumi_casebook.machines.configuration import Configuration, Directory, File, Ready, Unit
from pulumi_casebook.machines.units import FIGURES, METRICS

PROGRAM = Path(__file__).with_name("programs") / "archive.py"
INSTALLED = "/usr/local/lib/casebook/archive.py"
AUTH_URL = "https://auth.cloud.ovh.net/v3"


class Archive(Component[ArchiveArgs]):
    """A timer that puts whole, encrypted copies into a container; the platform deletes each when its time has come.

    The difference to `Backup`: a copy shares nothing with another, so that it can expire by itself, whether or not
    this machine still exists; in return each copy is as large as the data. The machine gets a program `archive-NAME`
    (run, list, restore). Declares the passphrase (`RandomPassword`) and the role `archive-NAME`.

    Outputs: `passphrase`, secret: without it there is no restore. Attribute: `monitored`.
    Sources: NRT-12; docs.openstack.org/swift "Expiring Object Support".
    """

    @takes(ArchiveArgs)
    def __init__(self, args: ArchiveArgs) -> None:
        self.monitored = monitored(f"archive-{self.name}", self.name, args.machine, args.backup_hours)
        drawn = random.RandomPassword(f"{self.name}-passphrase", length=40, special=False, opts=self.child())
        self.passphrase = drawn.result
        self.applied = args.machine.configure(
            configuration(self.name, args),
            role=f"archive-{self.name}",
            secrets={
                "user": args.user.username,
                "password": args.user.password,
                "passphrase": self.passphrase,
            },
            opts=self.child(),
        ).applied


def configuration(name: str, args: ArchiveArgs) -> Configuration:
    """The role on the machine."""
    settings = {
        "archive": name,
        "auth": AUTH_URL,
        "container": args.container.url,
        "user": "@secret(user:json)@",
        "password": "@secret(password:json)@",
        "passphrase": "@secret(passphrase:json)@",
        "source": source(args),
        "expire_days": args.expire_days,
        "metric": f"{METRICS}/archive-{name}.prom",
    }
    files = (
        File(path=INSTALLED, content=PROGRAM.read_text()),
        File(path=f"/etc/casebook/archive-{name}.json", content=json.dumps(settings, indent=2) + "\n", mode="0600"),
        File(
            path=f"/usr/local/sbin/archive-{name}",
            content=f'#!/bin/sh\nexec python3 {INSTALLED} /etc/casebook/archive-{name}.json "$@"\n',
            mode="0755",
        ),
        *(
            File(
                path=f"/etc/systemd/system/archive-{name}.{kind}",
                content=render(__file__, f"archive.{kind}.j2", archive=name, schedule=args.schedule),
            )
            for kind in ("service", "timer")
        ),
    )
    return Configuration(
        role=f"archive-{name}",
        packages=("gpg", "gpg-agent", "zstd", *(["mariadb-client"] if args.mysql else [])),
        directories=(FIGURES, Directory(path="/etc/casebook"), Directory(path="/usr/local/lib/casebook")),
        files=files,
        units=(
            Unit(
                unit=f"archive-{name}.timer",
                restart_on=(f"/etc/systemd/system/archive-{name}.timer",),
                check=f"systemd-analyze calendar {shlex.quote(args.schedule)}",
            ),
        ),
        ready=Ready(command=f"/usr/local/sbin/archive-{name} setup", seconds=120),
    )


def source(args: ArchiveArgs) -> str:
    """The shell command whose output is the copy."""
    if args.mysql:
        return (
            "mariadb-dump --all-databases --single-transaction --quick --routines --events --triggers --hex-blob "
            "--flush-privileges"
        )
    relative = " ".join(shlex.quote(path.lstrip("/")) for path in args.paths)
    # A log grows while it is read; that is no failure.
    return f"{{ tar --create --directory=/ --warning=no-file-changed -- {relative} || [ $? = 1 ]; }}"
