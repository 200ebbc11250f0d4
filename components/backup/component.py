"""What a machine must not lose, saved by restic to a bucket, on a schedule."""

import shlex
from typing import Annotated

import pulumi_random as random
from pydantic import AfterValidator, Field, field_validator, model_validator

from casebook.args import Args, Many
from casebook.backup.calendar import calendar
from casebook.component import Component
from casebook.configuration import Configuration, Directory, File, Ready, Service
from casebook.machine import Machine
from casebook.object_storage import Bucket, BucketUser
from casebook.templates import render

Count = Annotated[int, Field(ge=0)]


class RetentionArgs(Args):
    """How many of the last hours, days, weeks and months keep a snapshot: the last one of each."""

    # Hours.
    hourly: Count = 0
    # Days.
    daily: Count = 0
    # Weeks.
    weekly: Count = 0
    # Months.
    monthly: Count = 0

    @model_validator(mode="after")
    def _keeps_something(self) -> "RetentionArgs":
        if not any(self.__dict__.values()):
            raise ValueError("keeps nothing: give hourly, daily, weekly or monthly a number")
        return self


class BackupArgs(Args):
    """One backup of one machine."""

    # Where the data is. A database is best read on its replica.
    machine: Machine
    # Where the backup goes: a bucket of an `ObjectStorage`.
    bucket: Bucket
    # The key of a writer of this bucket.
    user: BucketUser
    # Files and directories to save.
    paths: Many[str] = ()
    # Patterns of restic that are left out: "*.tmp", "/srv/www/cache".
    exclude: Many[str] = ()
    # Save all databases of the machine's MariaDB, as of one moment.
    mysql: bool = False
    # When: a calendar expression of systemd ("daily", "*-*-* 03:15:00", "*:0/30"), in the machine's time zone.
    schedule: Annotated[str, AfterValidator(calendar)]
    # What is kept of earlier runs.
    retention: RetentionArgs
    # Do not wait for the schedule: the first run begins, in the background, when the machine is set up.
    run_first: bool = False

    @field_validator("paths")
    @classmethod
    def _absolute(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for path in value:
            if not path.startswith("/") or "\n" in path:
                raise ValueError(f"{path!r} is not an absolute path")
        return value

    @model_validator(mode="after")
    def _has_a_source(self) -> "BackupArgs":
        if not (self.paths or self.mysql):
            raise ValueError("nothing to save: give paths, mysql=True or both")
        return self


class Backup(Component[BackupArgs]):
    """A restic repository in a bucket, and the timer that fills and prunes it.

    The machine gets a program `backup-NAME` (run, list, restore, check) and a metric of the last success that
    `Monitoring` watches. The repository is encrypted; declares its `RandomPassword` and the role `backup-NAME`.

    Outputs: `password` of the repository, secret: without it there is no restore.
    Sources: SOF-8, NRT-12; restic.readthedocs.io.
    """

    Arguments = BackupArgs

    def declare(self, args: BackupArgs) -> None:
        self.password = random.RandomPassword(f"{self.name}-repository", length=40, special=False, opts=self.child())
        repository = args.bucket.endpoint.apply(lambda endpoint: f"s3:{endpoint}/{args.bucket.name}/{self.name}")
        self.applied = args.machine.configure(
            configuration(self.name, args),
            role=f"backup-{self.name}",
            secrets={
                # Not secret, but born with the bucket: this way the files are known before it is.
                "repository": repository,
                "password": self.password.result,
                "access_key": args.user.access_key,
                "secret_key": args.user.secret_key,
            },
            opts=self.child(),
        ).applied


def configuration(name: str, args: BackupArgs) -> Configuration:
    """The role on the machine."""
    program = File(
        path=f"/usr/local/sbin/backup-{name}",
        content=render(
            __file__,
            "backup.sh.j2",
            backup=name,
            paths=[shlex.quote(path) for path in args.paths],
            exclude=[shlex.quote(pattern) for pattern in args.exclude],
            mysql=args.mysql,
            keep=[f"--keep-{unit} {number}" for unit, number in args.retention if number],
            run_first=args.run_first,
        ),
        mode="0755",
    )
    environment = File(
        path=f"/etc/casebook/backup-{name}.env",
        content=render(__file__, "backup.env.j2", backup=name, region=args.bucket.region.lower()),
        mode="0600",
    )
    setup, service, timer = (
        File(
            path=f"/etc/systemd/system/backup-{name}{suffix}",
            content=render(__file__, f"backup{suffix}.j2", backup=name, schedule=args.schedule),
        )
        for suffix in ("-setup.service", ".service", ".timer")
    )
    return Configuration(
        role=f"backup-{name}",
        packages=("restic", *(["mariadb-client"] if args.mysql else [])),
        directories=(Directory(path="/etc/casebook"),),
        files=(program, environment, setup, service, timer),
        services=(
            Service(unit=f"backup-{name}-setup.service", follows=(program.path, environment.path, setup.path)),
            Service(
                unit=f"backup-{name}.timer",
                follows=(timer.path,),
                check=f"systemd-analyze calendar {shlex.quote(args.schedule)}",
            ),
        ),
        ready=Ready(command=f"{program.path} reachable", seconds=120),
    )
