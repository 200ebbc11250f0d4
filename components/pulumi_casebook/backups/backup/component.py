"""What a machine must not lose, saved by restic to a storage server or a bucket, on a schedule."""

import shlex
from typing import Any

import pulumi
import pulumi_random as random
import pulumi_tls as tls

from pulumi_casebook.backups.backup.args import BackupArgs
from pulumi_casebook.backups.backup.bucket import Place
from pulumi_casebook.backups.backup.server import Account, BackupServer
from pulumi_casebook.core.component import Component, takes
from pulumi_casebook.core.templates import render
from pulumi_casebook.machines.configuration import Configuration, Directory, File, Ready, Unit
from pulumi_casebook.machines.machine import Machine
from pulumi_casebook.machines.site import Monitored, alerts
from pulumi_casebook.machines.units import FIGURES


class Backup(Component[BackupArgs]):
    """A restic repository on a `BackupServer` or in a bucket, and the timer that fills it.

    The machine gets a program `backup-NAME` (run, list, restore, check, verify) and a metric of the last success that
    `Monitoring` watches. The repository is encrypted. Declares its `RandomPassword` and the role `backup-NAME`; on a
    server also the machine's `tls.PrivateKey` and its account there.

    Outputs: `password` of the repository, secret: without it there is no restore. Attribute: `monitored`.
    Sources: SOF-8, ERP-7, NRT-12; restic.readthedocs.io.
    """

    @takes(BackupArgs)
    def __init__(self, args: BackupArgs) -> None:
        self.monitored = monitored(
            f"backup-{self.name}", self.name, args.machine, args.backup_hours, files=bool(args.paths)
        )
        if args.password is None:
            # Protected as what it opens: it stays when the stack is destroyed.
            opts = self.child(protect=True)
            drawn = random.RandomPassword(f"{self.name}-repository", length=40, special=False, opts=opts)
            self.password = drawn.result
        else:
            self.password = pulumi.Output.secret(args.password)
        secrets: dict[str, pulumi.Input[str]] = {"password": self.password}
        kept: dict[str, Any] = {"keep": args.retention.options(), "password": self.password, "opts": self.child()}
        place: Account | Place
        if isinstance(args.to, BackupServer):
            key = tls.PrivateKey(f"{self.name}-key", algorithm="ED25519", opts=self.child())
            public_key = key.public_key_openssh.apply(str.strip)
            place, admitted = args.to.admit(self.name, args.machine, public_key=public_key, **kept)
            # The host's key is not secret, but born with the server: this way the files are known before it is.
            secrets |= {"key": key.private_key_openssh, "host_key": place.host_key}
        else:
            place, admitted = args.to.admit(self.name, args.machine, **kept)
            repository = f"/{place.bucket}/{place.prefix}"
            secrets |= {
                "repository": place.endpoint.apply(lambda endpoint: f"s3:{endpoint}{repository}"),
                "access_key": place.user.access_key,
                "secret_key": place.user.secret_key,
            }
        self.applied = args.machine.configure(
            configuration(self.name, args, place),
            role=f"backup-{self.name}",
            secrets=secrets,
            opts=self.child(depends_on=[admitted]),
        ).applied


def monitored(name: str, backup: str, machine: Machine, hours: float, *, files: bool = False) -> Monitored:
    """What tells that a backup or an archive is too old, and that one of `files` leaves some out."""
    rules = alerts(__file__, [machine], backup=backup, hours=hours, files=files)
    figure = f'casebook_backup_last_success_timestamp_seconds{{backup="{backup}"}}'
    return Monitored(name, [machine], rules, figures=(figure,))


def configuration(name: str, args: BackupArgs, place: Account | Place) -> Configuration:
    """The role on the machine."""
    account = place if isinstance(place, Account) else None
    region = place.region if isinstance(place, Place) else None
    program = File(
        path=f"/usr/local/sbin/backup-{name}",
        content=render(
            __file__,
            "backup.sh.j2",
            backup=name,
            paths=[shlex.quote(path) for path in args.paths],
            exclude=[shlex.quote(pattern) for pattern in args.exclude],
            mysql=args.mysql,
            account=account,
            run_first=args.run_first,
        ),
        mode="0755",
    )
    environment = File(
        path=f"/etc/casebook/backup-{name}.env",
        content=render(__file__, "backup.env.j2", backup=name, region=region),
        mode="0600",
    )
    access = _ssh_files(name, account) if account else ()
    setup, service, timer = (
        File(
            path=f"/etc/systemd/system/backup-{name}{suffix}",
            content=render(__file__, f"backup{suffix}.j2", backup=name, schedule=args.schedule),
        )
        for suffix in ("-setup.service", ".service", ".timer")
    )
    follows = (program.path, environment.path, setup.path, *(file.path for file in access))
    return Configuration(
        role=f"backup-{name}",
        packages=(
            "restic",
            *(["openssh-client"] if account else []),
            *(["mariadb-client"] if args.mysql else []),
        ),
        directories=(FIGURES, Directory(path="/etc/casebook")),
        files=(program, environment, *access, setup, service, timer),
        units=(
            Unit(unit=f"backup-{name}-setup.service", oneshot=True, restart_on=follows),
            Unit(
                unit=f"backup-{name}.timer",
                restart_on=(timer.path,),
                check=f"systemd-analyze calendar {shlex.quote(args.schedule)}",
            ),
        ),
        ready=Ready(command=f"{program.path} reachable", seconds=120),
    )


def _ssh_files(name: str, account: Account) -> tuple[File, ...]:
    """How the machine reaches its account, and knows the server."""
    return (
        File(
            path=f"/etc/casebook/backup-{name}.ssh",
            content=render(__file__, "backup.ssh.j2", backup=name, account=account),
        ),
        File(path=f"/etc/casebook/backup-{name}.key", content="@secret(key)@\n", mode="0600"),
        File(path=f"/etc/casebook/backup-{name}.host", content="backup-server @secret(host_key:line)@\n", mode="0600"),
    )
