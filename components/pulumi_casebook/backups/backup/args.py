"""Arguments of a backup."""

from typing import Annotated

from pydantic import Field, model_validator

from pulumi_casebook.backups.backup.bucket import BackupBucket
from pulumi_casebook.backups.backup.calendar import Calendar
from pulumi_casebook.backups.backup.server import BackupServer
from pulumi_casebook.core.args import Args, Line, Paths, Positive, Secret, Unique
from pulumi_casebook.core.component import ComponentArgs
from pulumi_casebook.machines.machine import Machine
from pulumi_casebook.machines.site import Service

Count = Annotated[int, Field(ge=0)]


class RetentionArgs(Args):
    """What is kept of earlier runs: the last one of an hour, a day, a week, a month.

    Each either for the last so many of them that have one, or for all of the last so many days; what any rule keeps
    is kept. Days count back from the newest run, so that a backup that has stopped loses nothing more.
    """

    # The last of each of so many hours.
    hourly: Count = 0
    # The last of each of so many days.
    daily: Count = 0
    # The last of each of so many weeks.
    weekly: Count = 0
    # The last of each of so many months.
    monthly: Count = 0
    # The last of every hour, for so many days.
    hourly_days: Count = 0
    # The last of every day, for so many days.
    daily_days: Count = 0
    # The last of every week, for so many days.
    weekly_days: Count = 0
    # The last of every month, for so many days; 36500 is for good.
    monthly_days: Count = 0

    @model_validator(mode="after")
    def _keeps_something(self) -> "RetentionArgs":
        if not any(number for _, number in self):
            raise ValueError("keeps nothing: give hourly, daily, weekly or monthly, or one of their _days, a number")
        return self

    def options(self) -> list[str]:
        """As `restic forget` takes it."""
        return [
            f"--keep-within-{rule.removesuffix('_days')}={number}d" if "_" in rule else f"--keep-{rule}={number}"
            for rule, number in self
            if number
        ]


class BackupArgs(ComponentArgs):
    """One backup of one machine."""

    # Where the data is. A database is best read on its replica.
    machine: Machine
    # Where the backup goes: over SSH to a storage server, or to a bucket.
    to: BackupServer | BackupBucket
    # Files and directories to save.
    paths: Paths = ()
    # Patterns of restic that are left out: "*.tmp", "/srv/www/cache".
    exclude: Unique[Line] = ()
    # Save all databases of the machine's MariaDB, as of one moment: True, or the service that it is of, which must be
    # there first.
    mysql: bool | Service = False
    # When: a calendar expression of systemd ("hourly", "*-*-* 03:15:00", "*:0/30"), in the machine's time zone.
    schedule: Calendar
    # What is kept of earlier runs.
    retention: RetentionArgs
    # The password of a repository that is there already, such as an earlier stack's. By default one is drawn.
    password: Secret | None = Field(default=None, repr=False)
    # Do not wait for the schedule: the first run begins, in the background, when the machine is set up.
    run_first: bool = False
    # Age of the last good backup, in hours, at which somebody is told: a day, and two for the run itself.
    backup_hours: Positive = 26

    @model_validator(mode="after")
    def _has_a_source(self) -> "BackupArgs":
        if not (self.paths or self.mysql):
            raise ValueError("nothing to save: give paths, mysql=True or both")
        return self

    @model_validator(mode="after")
    def _elsewhere(self) -> "BackupArgs":
        if isinstance(self.to, BackupServer) and self.to.machine is self.machine:
            raise ValueError(f"to: {self.machine.name} cannot keep its own backup; whoever loses it loses both")
        return self
