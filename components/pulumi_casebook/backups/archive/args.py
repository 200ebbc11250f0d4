"""Arguments of an archive."""

from pydantic import model_validator

from pulumi_casebook.backups.backup import BackupBucket
from pulumi_casebook.backups.backup.calendar import Calendar
from pulumi_casebook.core.args import Paths, Positive
from pulumi_casebook.core.component import ComponentArgs
from pulumi_casebook.machines.machine import Machine
from pulumi_casebook.machines.site import Service


class ArchiveArgs(ComponentArgs):
    """What one machine puts into object storage, a whole copy at a time."""

    # Where the data is.
    machine: Machine
    # Where the copies go; for how long each is kept there, its `archives` say.
    to: BackupBucket
    # Files and directories to copy.
    paths: Paths = ()
    # Copy all databases of the machine's MariaDB, as of one moment.
    mysql: bool | Service = False
    # When: a calendar expression of systemd ("daily", "*-*-* 03:15:00"), in the machine's time zone.
    schedule: Calendar
    # Age of the last good copy, in hours, at which somebody is told: a day, and two for the run itself.
    backup_hours: Positive = 26

    @model_validator(mode="after")
    def _one_source(self) -> "ArchiveArgs":
        if bool(self.paths) == bool(self.mysql):
            raise ValueError("paths or mysql: a copy is of files or of databases; make an archive for each")
        return self
