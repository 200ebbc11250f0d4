"""A machine that keeps the backups of others, and lets nobody take them away."""

import json
from pathlib import Path
from typing import Annotated, NamedTuple

import pulumi
import pulumi_tls as tls
from pydantic import AfterValidator, Field

from pulumi_casebook.backups.backup.calendar import calendar
from pulumi_casebook.core.args import InputError, Port, Positive
from pulumi_casebook.core.component import Component, ComponentArgs, takes
from pulumi_casebook.core.templates import render
from pulumi_casebook.machines.configuration import Allow, Configuration, Directory, File, Ready, Unit
from pulumi_casebook.machines.machine import Machine
from pulumi_casebook.machines.site import Monitored
from pulumi_casebook.machines.units import FIGURES

PROGRAM = "/usr/local/sbin/backup-server"
SOURCE = Path(__file__).with_name("programs") / "backup_server.py"
ACCOUNTS = "/etc/casebook/backup-server"
# Names of Unix users have 32 characters, and begin with "backup-" here.
LONGEST_NAME = 25


class BackupServerArgs(ComponentArgs):
    """One machine that keeps repositories."""

    # The machine with the disks.
    machine: Machine
    # Where the repositories are kept, one folder a backup.
    directory: str = Field(default="/srv/backup", pattern=r"^/[A-Za-z0-9._/-]+$")
    # The port of the SSH server that machines reach; administrators keep theirs.
    port: Port = 2222
    # When repositories are pruned to what their retention keeps: a calendar expression of systemd.
    pruning: Annotated[str, AfterValidator(calendar)] = "*:50"
    # When every byte of them is read and compared.
    verification: Annotated[str, AfterValidator(calendar)] = "Sun 05:30"
    # Age of a repository's last pruning, in hours, at which somebody is told.
    pruning_hours: Positive = 26
    # Age of its last verification, in days.
    verification_days: Positive = 9


class Account(NamedTuple):
    """What a machine needs to reach its repository on a server."""

    address: str
    port: int
    host_key: pulumi.Output[str]
    admitted: pulumi.Resource


class BackupServer(Component[BackupServerArgs]):
    """A storage server that takes backups over SSH: give it to the `to` of every `Backup`.

    Each backup has a Unix user, an SSH key and a repository of its own. What the key opens is restic's protocol in
    append-only form (`rclone serve restic --stdio --append-only`), and nothing else: no shell, no other files, no
    deletion. So whoever breaks into a machine cannot take its backups away. The server prunes them, on its own clock.

    Declares the server's SSH key (`tls.PrivateKey`), the role `backup-server`, and per backup a role `backup-of-NAME`.
    Attribute: `monitored`.
    Sources: ERP-7, RAD-4, WIM-9; restic.readthedocs.io, rclone.org/commands/rclone_serve_restic.
    """

    @takes(BackupServerArgs)
    def __init__(self, args: BackupServerArgs) -> None:
        self.machine, self._args = args.machine, args
        rules = render(__file__, "server-alerts.yml.j2", machine=args.machine.name, args=args)
        # Of each backup that is admitted.
        self._figures: list[str] = []
        self.monitored = Monitored(f"backup-server-{self.name}", [args.machine], rules, figures=self._figures)
        key = tls.PrivateKey(f"{self.name}-host", algorithm="ED25519", opts=self.child())
        self.host_key = key.public_key_openssh.apply(str.strip)
        self.applied = args.machine.configure(
            configuration(args),
            role="backup-server",
            secrets={"host_key": key.private_key_openssh},
            opts=self.child(),
        ).applied

    def admit(
        self,
        name: str,
        machine: Machine,
        *,
        public_key: pulumi.Output[str],
        password: pulumi.Output[str],
        keep: list[str],
        opts: pulumi.ResourceOptions,
    ) -> Account:
        """Give a machine a repository, over the private network where both are in it."""
        private = self.machine.address is not None and machine.address is not None
        here, there = (m.address if private else m.public_ip for m in (self.machine, machine))
        if here is None or there is None:
            raise InputError(
                f"Backup {name!r}: to={self.name}: {self.machine.name} and {machine.name} have no private network in "
                "common, and the public address of one is not known before it is made, so no firewall can let it in"
            )
        if len(name) > LONGEST_NAME:
            raise InputError(
                f"Backup {name!r}: becomes the Unix user backup-{name} on {self.machine.name}; {LONGEST_NAME} "
                "characters at most"
            )
        self._figures += [
            f'casebook_backup_{figure}_timestamp_seconds{{backup="{name}"}}' for figure in ("pruned", "verified")
        ]
        admitted = self.machine.configure(
            account(name, self._args, there, keep),
            role=f"backup-of-{name}",
            secrets={"password": password, "public_key": public_key},
            opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[self.applied])),
        ).applied
        return Account(here, self._args.port, self.host_key, admitted)


def configuration(args: BackupServerArgs) -> Configuration:
    """The role of the server, whatever it keeps."""
    program = File(path=PROGRAM, content=SOURCE.read_text(), mode="0755")
    host_key = File(path="/etc/casebook/backup-server.key", content="@secret(host_key)@\n", mode="0600")
    sshd = File(
        path="/etc/casebook/backup-server.sshd",
        content=render(__file__, "backup-server.sshd.j2", port=args.port, accounts=ACCOUNTS),
    )
    units = {
        name: File(
            path=f"/etc/systemd/system/{name}",
            content=render(__file__, f"{name}.j2", program=PROGRAM, args=args),
        )
        for name in (
            "backup-server.service",
            "backup-server-admit@.service",
            "backup-server-prune.service",
            "backup-server-prune.timer",
            "backup-server-verify.service",
            "backup-server-verify.timer",
        )
    }
    timers = ("backup-server-prune.timer", "backup-server-verify.timer")
    return Configuration(
        role="backup-server",
        packages=("openssh-server", "rclone", "restic"),
        directories=(
            FIGURES,
            Directory(path="/etc/casebook"),
            Directory(path=ACCOUNTS),
            Directory(path=args.directory),
        ),
        files=(program, host_key, sshd, *units.values()),
        units=(
            Unit(
                unit="backup-server.service",
                restart_on=(sshd.path, host_key.path, units["backup-server.service"].path),
                check=f"mkdir -p /run/sshd && /usr/sbin/sshd -t -f {sshd.path}",
            ),
            *(Unit(unit=timer, restart_on=(units[timer].path,)) for timer in timers),
        ),
        ready=Ready(command=f"ssh-keyscan -p {args.port} 127.0.0.1 2>/dev/null | grep -q ssh-ed25519"),
    )


def account(name: str, args: BackupServerArgs, client: str, keep: list[str]) -> Configuration:
    """The role that lets one machine keep one repository."""
    settings = File(
        path=f"{ACCOUNTS}/{name}.json",
        content=json.dumps({"directory": f"{args.directory}/{name}", "keep": keep}, indent=1) + "\n",
    )
    password = File(path=f"{ACCOUNTS}/{name}.password", content="@secret(password)@\n", mode="0600")
    # sshd reads it as the user that logs in, who is of Debian's group backup.
    key = File(
        path=f"{ACCOUNTS}/backup-{name}.pub",
        content=f'restrict,command="{PROGRAM} serve {name}" @secret(public_key:line)@\n',
        owner="root:backup",
        mode="0640",
    )
    return Configuration(
        role=f"backup-of-{name}",
        files=(settings, password, key),
        units=(Unit(unit=f"backup-server-admit@{name}.service", oneshot=True, restart_on=(settings.path,)),),
        allow=(Allow(port=args.port, sources=(f"{client}/32",)),),
    )
