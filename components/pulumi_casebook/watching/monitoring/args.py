"""Arguments of monitoring."""

import zoneinfo
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import pulumi
from pydantic import AfterValidator, Field, field_validator, model_validator

from pulumi_casebook.core.args import (
    Args,
    Label,
    Line,
    MailAddress,
    Minutes,
    Percent,
    Positive,
    SecretLine,
    SecretUrl,
    Sources,
    Unique,
    Url,
    check_host_and_port,
    check_url,
    form,
    shown,
)
from pulumi_casebook.core.component import ComponentArgs
from pulumi_casebook.machines.machine import Machine
from pulumi_casebook.machines.site import Monitored

EXPORTER_PORT = 9100
OWN_JOBS = {"machines", "probes", "prometheus", "alertmanager"}


def _server(value: str) -> str:
    check_host_and_port(value, needs_port=True)
    return value


HourMinute = Annotated[str, form(r"([01][0-9]|2[0-3]):[0-5][0-9]", "an hour and a minute, such as 20:00")]
Telephone = Annotated[str, form(r"\+[1-9][0-9]{6,14}", "a telephone in international form, such as +33612345678")]
Server = Annotated[str, AfterValidator(_server)]


class ThresholdsArgs(Args):
    """What a figure of a machine or a probe must pass, and for how long, before somebody is told.

    Daemons have theirs among the arguments of their components.
    """

    # For how many minutes.
    minutes: Minutes = 5
    # Memory that processes hold, in % of the machine's; what the cache can give back does not count.
    memory_percent: Percent = 90
    # Processes that run or wait (load average of 5 minutes) per core.
    load_per_core: Positive = 2
    # Space of a file system that is taken, in %.
    disk_percent: Percent = 85
    # The same when somebody must come at once.
    disk_full_percent: Percent = 95
    # In how many hours a file system that goes on filling as it does would be full.
    disk_hours: Positive = 24
    # Inodes of a file system that are taken, in %.
    inodes_percent: Percent = 85
    # Traffic of one direction, in % of the link's speed.
    network_percent: Percent = 80
    # Speed of links that do not know their own (virtual machines), in Mbit/s.
    link_mbps: Positive = 1000
    # Connections that the firewall remembers, in % of those that it can: beyond, the kernel drops new ones.
    conntrack_percent: Percent = 80
    # How far a machine's clock may be from the watching machine's, in seconds.
    clock_seconds: Positive = 2
    # Minutes without an answer after which a machine, an exporter, a unit or a probed page is down.
    down_minutes: Minutes = 2
    # How often a unit may have been started again within 15 minutes.
    unit_restarts: Positive = 3
    # Days before the certificate of a probed page, or one in a file of a machine, ends.
    certificate_days: Positive = 14
    # Days for which a security update, or the new start that it needs, may wait.
    update_days: Annotated[int, Field(ge=1)] = 7
    # Minutes for which a mail may wait on a machine.
    mail_minutes: Minutes = 15


class MailArgs(Args):
    """By mail."""

    # The addressees.
    to: Unique[MailAddress] = Field(min_length=1)
    # The sender.
    sender: MailAddress
    # host:port of a mail server that takes it; the connection is encrypted by STARTTLS. Without one, a Postfix on the
    # machine delivers: to the addressee's mail server, or to a mailbox of the machine (debian@localhost).
    server: Server | None = None
    # Where the server asks for a name and a password; the password is kept secret.
    username: Line | None = None
    # Goes with the name.
    password: SecretLine | None = Field(default=None, repr=False)

    @model_validator(mode="after")
    def _both_or_none(self) -> "MailArgs":
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password go together")
        if self.username is not None and self.server is None:
            raise ValueError("username: goes with a server; the machine's own Postfix asks for none")
        return self


class SmsOperatorArgs(Args):
    """Who takes a text message over HTTP: POST {"to": "+33...", "message": "..."}, answered with 2xx."""

    # Where it is posted to.
    url: Url = Field(repr=False)
    # Sent as "Authorization: Bearer TOKEN", and kept secret.
    token: SecretLine = Field(repr=False)


class SmsArgs(Args):
    """By text message."""

    # The telephones, in international form.
    to: Unique[Telephone] = Field(min_length=1)
    # They are asked in this order; the next one when the one before does not take the message.
    operators: Unique[SmsOperatorArgs] = Field(min_length=1)


class NightArgs(Args):
    """The hours in which nobody reads mail."""

    # From.
    start: HourMinute = "20:00"
    # To.
    end: HourMinute = "08:00"
    # Where it is night.
    time_zone: str = "Europe/Paris"

    @field_validator("time_zone")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in zoneinfo.available_timezones():
            raise ValueError("not a time zone of the IANA data base, such as Europe/Paris")
        return value

    @model_validator(mode="after")
    def _some_of_each(self) -> "NightArgs":
        if self.start == self.end:
            raise ValueError(f"start={self.start}: is the end as well; leave night out where there is none")
        return self


def check_night(night: NightArgs | None, mail: MailArgs | None, sms: SmsArgs | None) -> None:
    """For a validator: somebody is told at any time, or a ValueError."""
    if night and not (mail and sms):
        raise ValueError("night: needs both mail and sms, or half of the day nobody is told")


class MonitoringArgs(ComponentArgs):
    """One monitoring machine, and the components and machines that it watches."""

    # The machine that watches; it is monitored as well.
    machine: Machine
    # What components hand over as `monitored`: their machines are monitored, with their figures and by their alerts.
    watches: Unique[Monitored] = ()
    # Further machines that are monitored; one that a component has brought may be among them.
    machines: Unique[Machine] = ()
    # Over which addresses. public: the watching machine is adopted, so that its address is known to every firewall.
    over: Literal["private", "public"] = "private"
    # What a figure must pass before somebody is told.
    thresholds: ThresholdsArgs = ThresholdsArgs()
    # Pages and ports that are asked from the watching machine, by name: "https://www.example.net/", "tcp://10.8.0.9:3306".
    probes: Mapping[Label, str | pulumi.Output[str]] = {}
    # Whether the certificate of a probed page must be valid; its end is monitored in any case.
    probes_verify: bool = True
    # Who is told by mail. With neither mail nor sms, alerts are only shown.
    mail: MailArgs | None = None
    # Who is told by text message.
    sms: SmsArgs | None = None
    # Mail by day and text messages by night; without it both, at any time.
    night: NightArgs | None = None
    # An address that alerts are posted to, as Alertmanager's JSON.
    webhook: SecretUrl | None = Field(default=None, repr=False)
    # An address elsewhere that is posted to every minute while all of it works; its keeper tells when nothing comes.
    heartbeat: SecretUrl | None = Field(default=None, repr=False)
    # Who else sees the pages of Prometheus (9090) and Alertmanager (9093), which ask for no password; the
    # administrators use an SSH tunnel.
    viewers_cidrs: Sources = ()
    # How often every machine is asked; rates of a minute want four answers.
    interval_seconds: Annotated[int, Field(ge=1, le=15)] = 10
    # How long figures are kept: a month of a dozen machines is 4 GB.
    retention_days: Annotated[int, Field(ge=1)] = 30
    # How long `up` waits until every machine has answered; 0: not at all.
    wait_seconds: Annotated[int, Field(ge=0, le=3600)] = 90

    @field_validator("probes")
    @classmethod
    def _askable(cls, value: Mapping[str, str | pulumi.Output[str]]) -> Mapping[str, str | pulumi.Output[str]]:
        for name, url in value.items():
            if isinstance(url, str):
                try:
                    check_url(url, ("http", "https", "tcp"))
                except ValueError as error:
                    raise ValueError(f"{name}={shown(url)}: {error}") from None
        return value

    @field_validator("watches")
    @classmethod
    def _named_otherwise(cls, value: Sequence[Monitored]) -> Sequence[Monitored]:
        names = ["machines", *(one.name for one in value)]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"{twice[0]}: a file of rules has this name; a name is of one component alone")
        jobs = {exporter.name for one in value for exporter in one.exporters}
        if taken := sorted(OWN_JOBS & jobs):
            raise ValueError(f"{taken[0]}: the name of one of Monitoring's own jobs, not of an exporter")
        return value

    @model_validator(mode="after")
    def _told_at_any_time(self) -> "MonitoringArgs":
        check_night(self.night, self.mail, self.sms)
        return self

    @model_validator(mode="after")
    def _reachable(self) -> "MonitoringArgs":
        if not (self.machines or self.watches):
            raise ValueError("watches, machines: nothing to watch")
        if self.over == "public" and self.machine.public_ip is None:
            raise ValueError(
                f"over=public: the address of {self.machine.name} is not known before it is made, so no firewall "
                "can let it in; use a Vps or a DedicatedServer, or over=private"
            )
        for machine in self.monitored_machines.values():
            if self.over == "private" and machine.address is None:
                raise ValueError(f"over=private: {machine.name} has no private network; give it one, or over=public")
        return self

    @property
    def monitored_machines(self) -> dict[str, Machine]:
        """All machines that are monitored, by name, each once."""
        brought = [machine for one in self.watches for machine in one.machines]
        return {machine.name: machine for machine in (self.machine, *self.machines, *brought)}

    @property
    def source(self) -> str:
        """From where the machines are asked."""
        return f"{self.machine.public_ip if self.over == 'public' else self.machine.address}/32"

    @property
    def jobs(self) -> dict[str, list[tuple[str, int]]]:
        """Prometheus' jobs, each with the machines and ports that it asks."""
        found = {"machines": dict.fromkeys((name, EXPORTER_PORT) for name in self.monitored_machines)}
        for one in self.watches:
            for exporter in one.exporters:
                found.setdefault(exporter.name, {}).update(
                    dict.fromkeys((machine.name, exporter.port) for machine in one.machines)
                )
        return {job: list(asked) for job, asked in found.items()}
