"""A machine that keeps the backups of others, and lets nobody take them away."""

import json
from typing import NamedTuple

import pulumi
import pulumi_tls as tls

from pulumi_casebook.backups.backup.keeper import Keeper, figures_of, keeper
from pulumi_casebook.core.args import Folder, InputError, Port
from pulumi_casebook.core.component import Component, takes
from pulumi_casebook.core.templates import render
from pulumi_casebook.machines.configuration import Allow, Configuration, Directory, File, Ready, Unit
from pulumi_casebook.machines.machine import Machine
from pulumi_casebook.machines.units import UNITS

PROGRAM = "backup-server"
COMMAND = f"/usr/local/sbin/{PROGRAM}"
ACCOUNTS = f"/etc/casebook/{PROGRAM}"
# Names of Unix users have 32 characters, and begin with "backup-" here.
LONGEST_NAME = 25


class BackupServerArgs(Keeper):
    """One machine that keeps repositories."""

    # The machine with the disks.
    machine: Machine
    # Where the repositories are kept, one folder a backup.
    directory: Folder = "/srv/backup"
    # The port of the SSH server that machines reach; administrators keep theirs.
    port: Port = 2222


class Account(NamedTuple):
    """What a machine needs to reach its repository on a server."""

    address: str
    port: int
    host_key: pulumi.Output[str]


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
        # Of each backup that is admitted.
        self._figures: list[str] = []
        self.monitored = args.watched(f"{PROGRAM}-{self.name}", args.machine, self._figures)
        key = tls.PrivateKey(f"{self.name}-host", algorithm="ED25519", opts=self.child())
        self.host_key = key.public_key_openssh.apply(str.strip)
        self.applied = args.machine.configure(
            configuration(args),
            role=PROGRAM,
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
    ) -> tuple[Account, pulumi.Resource]:
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
        self._figures += figures_of(name)
        admitted = self.machine.configure(
            account(name, self._args, there, keep),
            role=f"backup-of-{name}",
            secrets={"password": password, "public_key": public_key},
            opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[self.applied])),
        ).applied
        return Account(here, self._args.port, self.host_key), admitted


def configuration(args: BackupServerArgs) -> Configuration:
    """The role of the server, whatever it keeps."""
    host_key = File(path="/etc/casebook/backup-server.key", content="@secret(host_key)@\n", mode="0600")
    sshd = File(
        path="/etc/casebook/backup-server.sshd",
        content=render(__file__, "backup-server.sshd.j2", port=args.port, accounts=ACCOUNTS),
    )
    admit, unit = (
        File(path=f"{UNITS}/{name}", content=render(__file__, f"{name}.j2", program=COMMAND, args=args))
        for name in ("backup-server-admit@.service", "backup-server.service")
    )
    return keeper(
        args,
        PROGRAM,
        packages=["openssh-server"],
        directories=[Directory(path=ACCOUNTS), Directory(path=args.directory)],
        files=[host_key, sshd, admit, unit],
        units=[
            Unit(
                unit="backup-server.service",
                restart_on=(sshd.path, host_key.path, unit.path),
                check=f"mkdir -p /run/sshd && /usr/sbin/sshd -t -f {sshd.path}",
            )
        ],
        writes=[args.directory],
        # It becomes whose repository it is.
        capabilities=["CAP_SETUID", "CAP_SETGID", "CAP_DAC_OVERRIDE"],
        ready=Ready(command=f"ssh-keyscan -p {args.port} 127.0.0.1 2>/dev/null | grep -q ssh-ed25519"),
    )


def account(name: str, args: BackupServerArgs, client: str, keep: list[str]) -> Configuration:
    """The role that lets one machine keep one repository."""
    # The lock is in root's folder: the account can put no link there.
    settings = {"directory": f"{args.directory}/{name}", "lock": f"{args.directory}/{name}.lock", "keep": keep}
    kept = File(
        path=f"{ACCOUNTS}/{name}.json",
        content=json.dumps(settings, indent=1) + "\n",
    )
    password = File(path=f"{ACCOUNTS}/{name}.password", content="@secret(password)@\n", mode="0600")
    # sshd reads it as the user that logs in, who is of Debian's group backup.
    key = File(
        path=f"{ACCOUNTS}/backup-{name}.pub",
        content=f'restrict,command="{COMMAND} serve {name}" @secret(public_key:line)@\n',
        owner="root:backup",
        mode="0640",
    )
    return Configuration(
        role=f"backup-of-{name}",
        files=(kept, password, key),
        units=(Unit(unit=f"backup-server-admit@{name}.service", oneshot=True, restart_on=(kept.path,)),),
        allow=(Allow(port=args.port, sources=(f"{client}/32",)),),
    )
