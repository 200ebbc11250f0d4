"""Copies in object storage that the platform deletes when their time has come, and nobody else."""

import json
import shlex
from pathlib import Path

import pulumi_random as random

from pulumi_casebook.backups.archive.args import ArchiveArgs
from pulumi_casebook.backups.backup import monitored
from pulumi_casebook.backups.backup.bucket import Place
from pulumi_casebook.core.component import Component, takes
from pulumi_casebook.core.templates import render
from pulumi_casebook.data.swift_storage import SIGNER
from pulumi_casebook.machines.configuration import Configuration, Directory, File, Ready, Unit, program
from pulumi_casebook.machines.configuration.program import PACKAGES
from pulumi_casebook.machines.units import FIGURES, METRICS

PROGRAM = Path(__file__).with_name("programs") / "archive.py"


class Archive(Component[ArchiveArgs]):
    """A timer that puts whole, encrypted copies into a `BackupBucket`; the platform deletes each when its time comes.

    The difference to `Backup`: a copy shares nothing with another, so that it can expire by itself, whether or not
    this machine still exists; in return each copy is as large as the data. The machine gets a program `archive-NAME`
    (run, list, restore). Declares the passphrase (`RandomPassword`) and the role `archive-NAME`.

    Outputs: `passphrase`, secret: without it there is no restore. Attribute: `monitored`.
    Sources: NRT-12; docs.aws.amazon.com "Expiring objects".
    """

    @takes(ArchiveArgs)
    def __init__(self, args: ArchiveArgs) -> None:
        self.monitored = monitored(f"archive-{self.name}", self.name, args.machine, args.backup_hours)
        # Protected as what it opens: it stays when the stack is destroyed.
        opts = self.child(protect=True)
        drawn = random.RandomPassword(f"{self.name}-passphrase", length=40, special=False, opts=opts)
        place = args.to.admit_archive(self.name, args.machine)
        self.passphrase = drawn.result
        self.applied = args.machine.configure(
            configuration(self.name, args, place),
            role=f"archive-{self.name}",
            secrets={
                "endpoint": place.endpoint,
                "access_key": place.user.access_key,
                "secret_key": place.user.secret_key,
                "passphrase": self.passphrase,
            },
            opts=self.child(),
        ).applied


def configuration(name: str, args: ArchiveArgs, place: Place) -> Configuration:
    """The role on the machine."""
    settings = {
        "archive": name,
        "bucket": place.bucket,
        "prefix": place.prefix,
        "region": place.region,
        "endpoint": "@secret(endpoint:json)@",
        "access_key": "@secret(access_key:json)@",
        "secret_key": "@secret(secret_key:json)@",
        "passphrase": "@secret(passphrase:json)@",
        "source": source(args),
        "expire_days": args.to.expire_days(name),
        "figures": METRICS,
    }
    command = f"/usr/local/sbin/archive-{name}"
    signer = f"/usr/local/lib/casebook/archive-{name}/{SIGNER.relative_to(PACKAGES)}"
    files = (
        *program(PROGRAM, command),
        File(path=signer, content=SIGNER.read_text()),
        File(path=f"/etc/casebook/archive-{name}.json", content=json.dumps(settings, indent=2) + "\n", mode="0600"),
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
        directories=(FIGURES, Directory(path="/etc/casebook")),
        files=files,
        units=(
            Unit(
                unit=f"archive-{name}.timer",
                restart_on=(f"/etc/systemd/system/archive-{name}.timer",),
                check=f"systemd-analyze calendar {shlex.quote(args.schedule)}",
            ),
        ),
        ready=Ready(command=f"{command} setup", seconds=120),
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
