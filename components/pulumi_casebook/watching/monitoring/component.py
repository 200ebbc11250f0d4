"""Memory, load, disk and network of every machine, kept, drawn and compared with thresholds."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pulumi

from pulumi_casebook.core.component import Component, takes
from pulumi_casebook.core.templates import render
from pulumi_casebook.machines.configuration import Allow, Configuration, Configured, Directory, File, Ready, Unit
from pulumi_casebook.machines.units import FIGURES, METRICS
from pulumi_casebook.watching.monitoring.args import EXPORTER_PORT, MonitoringArgs, SmsArgs

PROMETHEUS_PORT, ALERTMANAGER_PORT = 9090, 9093
PROBE_PORT, SMS_PORT = 9115, 9095
RULES = "/etc/prometheus/rules"
FIGURES_PROGRAM = "/usr/local/sbin/casebook-figures"
PROGRAMS = Path(__file__).with_name("programs")
SYSTEM = "/etc/systemd/system"
# What is no disk. The exporter's own list has overlay as well, which is the root of a machine in a container.
NO_DISK = (
    *("autofs", "binfmt_misc", "bpf", "cgroup2?", "configfs", "debugfs", "devpts", "devtmpfs", "fusectl", "hugetlbfs"),
    *("iso9660", "mqueue", "nsfs", "proc", "pstore", "ramfs", "securityfs", "squashfs", "sysfs", "tmpfs", "tracefs"),
)


class Monitoring(Component[MonitoringArgs]):
    """Prometheus and Alertmanager on one machine, an exporter on every machine.

    It knows no daemon: components bring what shows their figures, and their alert rules, as `monitored`. Gives each
    machine the role `exporter`, which opens its port and those of the machine's daemons to the watching machine alone
    (before an instance's public address in the platform's firewall, too), and the watching one the roles `monitoring`
    and `monitoring-targets`: the lists of machines and probes, one a line, which Prometheus rereads by itself. So one
    more machine changes one line there and nothing anywhere else. Roles of their own are `mail` (Postfix, where no
    mail server is given), `sms`, and `probes`, which asks pages and ports.

    Sources: SOF-7, ERP-8, NRT-11, MED-5; prometheus.io/docs.
    """

    @takes(MonitoringArgs)
    def __init__(self, args: MonitoringArgs) -> None:
        exporters: list[pulumi.Resource] = []
        for name, machine in args.monitored_machines.items():
            ports = [port for asked in args.jobs.values() for where, port in asked if where == name]
            access = [Allow(port=port, sources=(args.source,)) for port in dict.fromkeys(ports)]
            exporters.append(machine.configure(exporter(access), role="exporter", opts=self.child()).applied)
            if args.over == "public" and machine.security_group:
                exporters.extend(rule for allow in access for rule in machine.security_group.admit(allow))
        tools = [
            args.machine.configure(configuration, role=configuration.role, secrets=secrets, opts=self.child()).applied
            for configuration, secrets in _tools(args)
        ]
        main = args.machine.configure(
            monitoring(args), role="monitoring", secrets=_secrets(args), opts=self.child(depends_on=tools)
        ).applied
        self.applied = self._targets(args, [main, *exporters]).applied

    def _targets(self, args: MonitoringArgs, after: list[pulumi.Resource]) -> Configured:
        addresses: dict[str, str | pulumi.Output[str]] = {
            name: str(machine.address) if args.over == "private" else machine.public_address
            for name, machine in args.monitored_machines.items()
        }
        configuration = _resolved(
            {**addresses, **{f"probe {name}": url for name, url in args.probes.items()}},
            lambda known: targets(
                {name: Target(known[name], machine.site) for name, machine in args.monitored_machines.items()},
                args.jobs,
                {name: known[f"probe {name}"] for name in args.probes},
                args.wait_seconds,
            ),
        )
        return args.machine.configure(configuration, role="monitoring-targets", opts=self.child(depends_on=after))


class Target(NamedTuple):
    """Where a machine is."""

    address: str
    site: str


def _resolved(
    values: Mapping[str, str | pulumi.Output[str]], made: Callable[[Mapping[str, str]], Configuration]
) -> Configuration | pulumi.Output[Configuration]:
    """What is made of values, at once where all of them are known."""
    known = {name: value for name, value in values.items() if isinstance(value, str)}
    if len(known) == len(values):
        return made(known)
    return pulumi.Output.all(**values).apply(lambda later: made(later))


def exporter(access: Sequence[Allow]) -> Configuration:
    """The role of a monitored machine: an exporter, and who may ask it and the daemons that show figures themselves."""
    options = File(
        path="/etc/default/prometheus-node-exporter",
        content=f'ARGS="--web.listen-address=:{EXPORTER_PORT} '
        f"--collector.textfile.directory={METRICS} "
        "--collector.textfile.directory=/var/lib/prometheus/node-exporter "
        f'--collector.filesystem.fs-types-exclude=^({"|".join(NO_DISK)})$"\n',
    )
    program = File(path=FIGURES_PROGRAM, content=(PROGRAMS / "figures.py").read_text(), mode="0755")
    unit = File(path=f"{SYSTEM}/casebook-figures.service", content=render(__file__, "figures.service.j2"))
    return Configuration(
        role="exporter",
        packages=("openssl", "prometheus-node-exporter"),
        directories=(FIGURES,),
        files=(options, program, unit),
        units=(
            Unit(unit="prometheus-node-exporter.service", restart_on=(options.path,)),
            Unit(unit="casebook-figures.service", restart_on=(program.path, unit.path)),
        ),
        allow=tuple(access),
        ready=Ready(command=_answers(EXPORTER_PORT, "metrics")),
    )


def monitoring(args: MonitoringArgs) -> Configuration:
    """The role of the watching machine, but for the list of machines."""
    here = "" if args.viewers_cidrs else "127.0.0.1"
    prometheus_options = File(
        path="/etc/default/prometheus",
        content=f'ARGS="--web.listen-address={here}:{PROMETHEUS_PORT} '
        f'--storage.tsdb.retention.time={args.retention_days}d"\n',
    )
    alertmanager_options = File(
        path="/etc/default/prometheus-alertmanager",
        content=f'ARGS="--web.listen-address={here}:{ALERTMANAGER_PORT} --cluster.listen-address="\n',
    )
    prometheus = File(
        path="/etc/prometheus/prometheus.yml",
        content=render(
            __file__,
            "prometheus.yml.j2",
            machine=args.machine.name,
            interval=args.interval_seconds,
            jobs=args.jobs,
            probes=args.probes,
            probe_port=PROBE_PORT,
        ),
    )
    rules = (
        File(path=f"{RULES}/machines.yml", content=render(__file__, "rules.yml.j2", args=args, t=args.thresholds)),
        *(
            File(
                path=f"{RULES}/{one.name}.yml",
                content=render(__file__, "component.yml.j2", t=args.thresholds, one=one),
            )
            for one in args.watches
        ),
    )
    alertmanager = File(
        path="/etc/prometheus/alertmanager.yml",
        content=render(
            __file__,
            "alertmanager.yml.j2",
            mail=args.mail,
            sms=args.sms,
            sms_port=SMS_PORT,
            night=args.night,
            webhook=args.webhook is not None,
            heartbeat=args.heartbeat is not None,
        ),
        owner="root:prometheus",
        mode="0640",
    )
    password = File(
        path="/etc/prometheus/smtp-password",
        content="@secret(smtp_password)@\n",
        owner="root:prometheus",
        mode="0640",
    )
    return Configuration(
        role="monitoring",
        packages=("prometheus", "prometheus-alertmanager", *(["tzdata"] if args.night else [])),
        directories=(Directory(path=RULES),),
        files=(
            prometheus_options,
            prometheus,
            *rules,
            alertmanager_options,
            alertmanager,
            *([password] if args.mail and args.mail.password else []),
        ),
        units=(
            # Restarted: a SIGHUP that meets a daemon which has just started ends it.
            Unit(
                unit="prometheus.service",
                restart_on=(prometheus_options.path, prometheus.path, *(file.path for file in rules)),
                check=f"promtool check config {prometheus.path}",
            ),
            Unit(
                unit="prometheus-alertmanager.service",
                restart_on=(alertmanager_options.path, alertmanager.path),
                check=f"amtool check-config {alertmanager.path}",
            ),
        ),
        allow=tuple(
            Allow(port=port, sources=args.viewers_cidrs)
            for port in (PROMETHEUS_PORT, ALERTMANAGER_PORT)
            if args.viewers_cidrs
        ),
        ready=Ready(command=f"{_answers(PROMETHEUS_PORT, '-/ready')} && {_answers(ALERTMANAGER_PORT, '-/ready')}"),
    )


def targets(
    machines: Mapping[str, Target],
    jobs: Mapping[str, Sequence[tuple[str, int]]],
    probes: Mapping[str, str],
    wait_seconds: int,
) -> Configuration:
    """The lists of what is asked (job to machines and ports); ready when each machine has answered."""
    lists = {job: render(__file__, "machines.yml.j2", machines=machines, asked=asked) for job, asked in jobs.items()}
    if probes:
        lists["probes"] = render(__file__, "probes.yml.j2", probes=probes)
    expected = File(
        path=f"{METRICS}/targets.prom", content=render(__file__, "targets.prom.j2", jobs=jobs, probes=probes)
    )
    ask = f"promtool query instant http://127.0.0.1:{PROMETHEUS_PORT}"
    # A machine that does not answer is named in the message.
    seen = f"""{ask} 'count(up{{job="machines"}} == 1) >= {len(jobs["machines"])}' | grep -q . || """
    seen += f"""{{ {ask} 'up{{job="machines"}} == 0'; false; }}"""
    return Configuration(
        role="monitoring-targets",
        directories=(FIGURES,),
        files=(
            *(File(path=f"/etc/prometheus/{job}.yml", content=content) for job, content in lists.items()),
            expected,
        ),
        ready=Ready(command=seen, seconds=wait_seconds) if wait_seconds else None,
    )


Secrets = dict[str, pulumi.Input[str]]


def _tools(args: MonitoringArgs) -> list[tuple[Configuration, Secrets]]:
    """What the watching machine needs beside Prometheus and Alertmanager, each a role with its secrets."""
    needed: list[tuple[Configuration, Secrets]] = []
    if args.mail and args.mail.server is None:
        needed.append((mail(), {}))
    if args.sms:
        tokens: Secrets = {f"token-{number}": operator.token for number, operator in enumerate(args.sms.operators)}
        needed.append((sms(args.sms), tokens))
    if args.probes:
        needed.append((prober(args.probes_verify), {}))
    return needed


def mail() -> Configuration:
    """The role that delivers mail of this machine."""
    main = File(path="/etc/postfix/main.cf", content=render(__file__, "main.cf.j2"))
    return Configuration(
        role="mail",
        packages=("postfix",),
        files=(main,),
        units=(Unit(unit="postfix.service", restart_on=(main.path,), check="postfix check"),),
        ready=Ready(command="postfix status"),
    )


def sms(args: SmsArgs) -> Configuration:
    """The role that turns alerts into text messages."""
    program = File(
        path="/usr/local/sbin/casebook-sms",
        content=(PROGRAMS / "sms.py").read_text(),
        mode="0755",
    )
    settings = {"port": SMS_PORT, "to": args.to, "urls": [operator.url for operator in args.operators]}
    files = (
        program,
        File(path="/etc/casebook/sms/settings.json", content=json.dumps(settings, indent=1) + "\n"),
        *(
            File(
                path=f"/etc/casebook/sms/token-{number}",
                content=f"@secret(token-{number})@\n",
                owner="root:prometheus",
                mode="0640",
            )
            for number in range(len(args.operators))
        ),
        File(path=f"{SYSTEM}/casebook-sms.service", content=render(__file__, "sms.service.j2")),
    )
    return Configuration(
        role="sms",
        # It brings the user that the program runs as.
        packages=("prometheus-alertmanager",),
        directories=(Directory(path="/etc/casebook"), Directory(path="/etc/casebook/sms")),
        files=files,
        units=(Unit(unit="casebook-sms.service", restart_on=tuple(file.path for file in files)),),
    )


def prober(verify: bool) -> Configuration:
    """The role that asks pages and ports as a visitor does."""
    options = File(
        path="/etc/default/prometheus-blackbox-exporter",
        content=f'ARGS="--config.file=/etc/prometheus/blackbox.yml --web.listen-address=127.0.0.1:{PROBE_PORT}"\n',
    )
    modules = File(path="/etc/prometheus/blackbox.yml", content=render(__file__, "blackbox.yml.j2", verify=verify))
    return Configuration(
        role="probes",
        packages=("prometheus-blackbox-exporter",),
        files=(options, modules),
        units=(
            Unit(
                unit="prometheus-blackbox-exporter.service",
                restart_on=(options.path, modules.path),
                check=f"prometheus-blackbox-exporter --config.check --config.file={modules.path}",
            ),
        ),
        ready=Ready(command=_answers(PROBE_PORT, "-/healthy")),
    )


def _answers(port: int, path: str) -> str:
    """A shell command: the page is there. Python, for every machine has it."""
    url = f"http://127.0.0.1:{port}/{path}"
    return f"""python3 -c 'import urllib.request as u; u.urlopen("{url}", timeout=5)'"""


def _secrets(args: MonitoringArgs) -> Secrets:
    secrets: Secrets = {}
    if args.mail and args.mail.password is not None:
        secrets["smtp_password"] = args.mail.password
    if args.webhook is not None:
        secrets["webhook"] = args.webhook
    if args.heartbeat is not None:
        secrets["heartbeat"] = args.heartbeat
    return secrets
