"""Arguments of monitoring."""

from typing import Annotated, Literal

import pulumi
from pydantic import Field, model_validator

from casebook.args import Args, Cidr, Many
from casebook.machine import Machine

Percent = Annotated[float, Field(gt=0, le=100)]
Positive = Annotated[float, Field(gt=0)]
MailAddress = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")]


class ThresholdsArgs(Args):
    """What a figure must pass, and for how long, before somebody is told."""

    # For how many minutes.
    minutes: Annotated[int, Field(ge=1)] = 5
    # Memory that processes hold, in % of the machine's; what the cache can give back does not count.
    memory_percent: Percent = 90
    # Processes that run or wait (load average of 5 minutes) per core.
    load_per_core: Positive = 2
    # Space of a file system that is taken, in %.
    disk_percent: Percent = 85
    # Inodes of a file system that are taken, in %.
    inodes_percent: Percent = 85
    # Traffic of one direction, in % of the link's speed.
    network_percent: Percent = 80
    # Speed of links that do not know their own (virtual machines), in Mbit/s.
    link_mbps: Positive = 1000
    # Minutes without an answer after which a machine is down.
    down_minutes: Annotated[int, Field(ge=1)] = 2
    # Age of the last good backup, in hours: a day, and two for the run itself.
    backup_hours: Positive = 26
    # Seconds that a database replica is behind.
    replication_seconds: Positive = 60


class MailArgs(Args):
    """By mail, through a server that takes it."""

    # The addressees.
    to: Many[MailAddress] = Field(min_length=1)
    # The sender.
    sender: MailAddress
    # host:port of the mail server; the connection is encrypted by STARTTLS.
    server: str = Field(pattern=r"^[a-zA-Z0-9.-]+:[0-9]+$")
    # Where the server asks for a name and a password; the password is kept secret.
    username: str | None = None
    # Goes with the name.
    password: str | pulumi.Output[str] | None = None

    @model_validator(mode="after")
    def _both_or_none(self) -> "MailArgs":
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password go together")
        return self


class MonitoringArgs(Args):
    """One monitoring machine and the machines that it watches."""

    # The machine that watches; it is watched as well.
    machine: Machine
    # The machines that are watched.
    machines: Many[Machine] = Field(min_length=1)
    # Over which addresses. public: the watching machine is adopted, so that its address is known to every firewall.
    over: Literal["private", "public"] = "private"
    # What a figure must pass before somebody is told.
    thresholds: ThresholdsArgs = ThresholdsArgs()
    # Whom alerts are sent to; with neither they are only shown.
    mail: MailArgs | None = None
    # An address that alerts are posted to, as Alertmanager's JSON.
    webhook: str | pulumi.Output[str] | None = None
    # Who else sees the pages of Prometheus (9090) and Alertmanager (9093), which ask for no password; the
    # administrators use an SSH tunnel.
    viewers_cidrs: Many[Cidr] = ()
    # How often every machine is asked; rates of a minute want four answers.
    interval_seconds: Annotated[int, Field(ge=1, le=15)] = 10
    # How long figures are kept: a month of a dozen machines is 4 GB.
    retention_days: Annotated[int, Field(ge=1)] = 30
    # How long `up` waits until every machine has answered; 0: not at all.
    wait_seconds: Annotated[int, Field(ge=0, le=3600)] = 90

    @model_validator(mode="after")
    def _reachable(self) -> "MonitoringArgs":
        names = [machine.name for machine in self.machines]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"machines: {name} is given twice")
        if self.over == "public" and self.machine.public_ip is None:
            raise ValueError(
                f"over=public: the address of {self.machine.name} is not known before it is made, so no firewall "
                "can let it in; use a Vps or a DedicatedServer, or over=private"
            )
        for machine in (self.machine, *self.machines):
            if self.over == "private" and machine.address is None:
                raise ValueError(f"over=private: {machine.name} has no private network; give it one, or over=public")
        return self
