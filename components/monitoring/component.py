"""Memory, load, disk and network of every machine, kept, drawn and compared with thresholds."""

from collections.abc import Mapping
from typing import Literal

import pulumi

from casebook.args import InputError
from casebook.component import Component
from casebook.configuration import Allow, Configuration, Configured, Directory, File, Ready, Service
from casebook.machine import Machine
from casebook.monitoring.args import MonitoringArgs
from casebook.templates import render

EXPORTER_PORT, PROMETHEUS_PORT, ALERTMANAGER_PORT = 9100, 9090, 9093
TARGETS = "/etc/prometheus/machines.yml"
# What is no disk. The exporter's own list has overlay as well, which is the root of a machine in a container.
NO_DISK = (
    *("autofs", "binfmt_misc", "bpf", "cgroup2?", "configfs", "debugfs", "devpts", "devtmpfs", "fusectl", "hugetlbfs"),
    *("iso9660", "mqueue", "nsfs", "proc", "pstore", "ramfs", "securityfs", "squashfs", "sysfs", "tmpfs", "tracefs"),
)


class Monitoring(Component[MonitoringArgs]):
    """Prometheus and Alertmanager on one machine, an exporter on every machine.

    Gives each machine the role `exporter`, whose port is open to the watching machine alone, and the watching one
    the roles `monitoring` and `monitoring-targets`: the list of machines, one a line, which Prometheus rereads by
    itself. So one more machine changes one line there and nothing anywhere else.

    Sources: SOF-7, ERP-8, NRT-11; prometheus.io/docs.
    """

    Arguments = MonitoringArgs

    def declare(self, args: MonitoringArgs) -> None:
        watched = {machine.name: machine for machine in (args.machine, *args.machines)}
        exporters = [
            machine.configure(
                exporter(exporter_access(args.machine, args.over)), role="exporter", opts=self.child()
            ).applied
            for machine in watched.values()
        ]
        main = args.machine.configure(
            monitoring(args), role="monitoring", secrets=_secrets(args), opts=self.child()
        ).applied
        self.applied = self._targets(args, watched, [main, *exporters]).applied

    def _targets(
        self, args: MonitoringArgs, watched: Mapping[str, Machine], after: list[pulumi.Resource]
    ) -> Configured:
        sites = {name: machine.site for name, machine in watched.items()}
        if args.over == "private":
            configuration: Configuration | pulumi.Output[Configuration] = targets(
                {name: str(machine.address) for name, machine in watched.items()}, sites, args.wait_seconds
            )
        else:
            configuration = pulumi.Output.all(
                **{name: machine.public_address for name, machine in watched.items()}
            ).apply(lambda addresses: targets(addresses, sites, args.wait_seconds))
        return args.machine.configure(configuration, role="monitoring-targets", opts=self.child(depends_on=after))


def exporter_access(monitoring: Machine, over: Literal["private", "public"] = "public") -> Allow:
    """The port that the watching machine must reach on a watched one.

    The exporter's role opens the machine's own firewall. Where a platform has one before it (an `InstanceGroup`'s
    security group, for public addresses) give this to `allow` there.
    """
    address = monitoring.public_ip if over == "public" else monitoring.address
    if address is None:
        raise InputError(f"exporter_access: the {over} address of {monitoring.name} is not known before it is made")
    return Allow(port=EXPORTER_PORT, sources=(f"{address}/32",))


def exporter(access: Allow) -> Configuration:
    """The role of a watched machine."""
    options = File(
        path="/etc/default/prometheus-node-exporter",
        content=f'ARGS="--web.listen-address=:{EXPORTER_PORT} '
        f'--collector.filesystem.fs-types-exclude=^({"|".join(NO_DISK)})$"\n',
    )
    return Configuration(
        role="exporter",
        packages=("prometheus-node-exporter",),
        files=(options,),
        services=(Service(unit="prometheus-node-exporter.service", follows=(options.path,)),),
        allow=(access,),
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
        content=render(__file__, "prometheus.yml.j2", interval=args.interval_seconds, targets=TARGETS),
    )
    rules = File(path="/etc/prometheus/rules/machines.yml", content=render(__file__, "rules.yml.j2", t=args.thresholds))
    alertmanager = File(
        path="/etc/prometheus/alertmanager.yml",
        content=render(__file__, "alertmanager.yml.j2", mail=args.mail, webhook=args.webhook is not None),
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
        packages=("prometheus", "prometheus-alertmanager"),
        directories=(Directory(path="/etc/prometheus/rules"),),
        files=(
            prometheus_options,
            prometheus,
            rules,
            alertmanager_options,
            alertmanager,
            *([password] if args.mail and args.mail.password else []),
        ),
        services=(
            # Restarted: a SIGHUP that meets a daemon which has just started ends it.
            Service(
                unit="prometheus.service",
                follows=(prometheus_options.path, prometheus.path, rules.path),
                check=f"promtool check config {prometheus.path}",
            ),
            Service(
                unit="prometheus-alertmanager.service",
                follows=(alertmanager_options.path, alertmanager.path),
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


def targets(addresses: Mapping[str, str], sites: Mapping[str, str], wait_seconds: int) -> Configuration:
    """The list of machines; ready when each of them has answered."""
    content = render(__file__, "machines.yml.j2", addresses=addresses, sites=sites, port=EXPORTER_PORT)
    ask = f"promtool query instant http://127.0.0.1:{PROMETHEUS_PORT}"
    # A machine that does not answer is named in the message.
    seen = f"""{ask} 'count(up{{job="machines"}} == 1) >= {len(addresses)}' | grep -q . || """
    seen += f"""{{ {ask} 'up{{job="machines"}} == 0'; false; }}"""
    return Configuration(
        role="monitoring-targets",
        files=(File(path=TARGETS, content=content),),
        ready=Ready(command=seen, seconds=wait_seconds) if wait_seconds else None,
    )


def _answers(port: int, path: str) -> str:
    """A shell command: the page is there. Python, for every machine has it."""
    url = f"http://127.0.0.1:{port}/{path}"
    return f"""python3 -c 'import urllib.request as u; u.urlopen("{url}", timeout=5)'"""


def _secrets(args: MonitoringArgs) -> dict[str, pulumi.Input[str]]:
    secrets: dict[str, pulumi.Input[str]] = {}
    if args.mail and args.mail.password is not None:
        secrets["smtp_password"] = args.mail.password
    if args.webhook is not None:
        secrets["webhook"] = args.webhook
    return secrets
