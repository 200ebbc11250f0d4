"""The logs of all machines in one searchable store."""

import json
from pathlib import Path

from pulumi_casebook.core.component import Component, takes
from pulumi_casebook.core.templates import render
from pulumi_casebook.data.opensearch import HTTP_PORT, engine
from pulumi_casebook.machines.configuration import Allow, Configuration, Directory, File, Ready, Unit
from pulumi_casebook.machines.machine import Machine
from pulumi_casebook.network.certificate import Authority
from pulumi_casebook.watching.logs.args import LogsArgs

PROGRAM = Path(__file__).with_name("programs") / "logs.py"
INSTALLED = "/usr/local/sbin/logs"
SETTINGS = "/etc/logs.json"
UNITS = "/etc/systemd/system"
CHECK = "rsyslogd -N1"
TLS = "/etc/ssl/casebook/logs"


class Logs(Component[LogsArgs]):
    """OpenSearch on one machine, and rsyslog on every machine, which keeps on disk what it cannot send.

    Gives the keeping machine the roles `logs-store` (the engine, which listens to the machine itself only), `logs`
    (what takes the lines in, and what expires them) and `logs-seen` (a line of every machine has been found), and every
    machine the role `shipper`. Declares an authority and a certificate for each machine: lines travel inside TLS, and
    both ends know each other.

    Attributes, known at preview: `address`, `port`.
    Sources: NRT-11, NRT-12; rsyslog.com/doc "omrelp", "omelasticsearch"; docs.opensearch.org "Index templates".
    """

    @takes(LogsArgs)
    def __init__(self, args: LogsArgs) -> None:
        self.address, self.port = str(args.machine.address), args.port
        sending = {machine.name: machine for machine in (args.machine, *args.machines)}
        kept = args.machine.configure(store(self.name, args), role="logs-store", opts=self.child()).applied
        authority = Authority(self)
        own = {name: authority.certificate(self, name, [str(machine.address)]) for name, machine in sending.items()}
        taken = args.machine.configure(
            intake(args, tuple(sending.values())),
            role="logs",
            secrets=own[args.machine.name],
            opts=self.child(depends_on=[kept]),
        ).applied
        # One that still sends in clear is not heard until its own role comes: it keeps its lines.
        shipped = [
            machine.configure(
                shipper(args, machine), role="shipper", secrets=own[name], opts=self.child(depends_on=[taken])
            ).applied
            for name, machine in sending.items()
        ]
        seen = Configuration(
            role="logs-seen",
            ready=Ready(command=f"{INSTALLED} seen {' '.join(sending)}", seconds=args.wait_seconds),
        )
        args.machine.configure(seen, role="logs-seen", opts=self.child(depends_on=shipped))


def store(name: str, args: LogsArgs) -> Configuration:
    """The engine, which only the machine itself can reach: senders cannot read, change or delete."""
    settings = {
        "cluster.name": name,
        "node.name": args.machine.name,
        "discovery.type": "single-node",
        "network.host": "127.0.0.1",
        "http.port": HTTP_PORT,
    }
    up = Ready(command=f"curl -fs 'http://127.0.0.1:{HTTP_PORT}/_cluster/health?wait_for_status=yellow'", seconds=180)
    return engine("logs-store", settings, args.heap_mib, up)


def _certificate(role: str) -> tuple[File, ...]:
    return tuple(
        File(path=f"{TLS}/{role}/{file}", content=f"@secret({name})@", mode="0600")
        for file, name in (("authority.crt", "authority"), ("own.crt", "certificate"), ("own.key", "key"))
    )


def intake(args: LogsArgs, senders: tuple[Machine, ...]) -> Configuration:
    """What takes lines from machines into the store, and lets them expire."""
    rules = File(
        path="/etc/rsyslog.d/40-logs.conf",
        content=render(
            __file__,
            "intake.conf.j2",
            args=args,
            address=args.machine.address,
            store_port=HTTP_PORT,
            tls=f"{TLS}/logs",
            senders=[machine.name for machine in senders],
            tags=sorted({"system", *args.files, *args.programs}),
        ),
    )
    names = File(
        path="/etc/rsyslog.d/logs-machines.json",
        content=json.dumps(
            {
                "version": 1,
                "nomatch": "unknown",
                "type": "string",
                "table": [{"index": str(machine.address), "value": machine.name} for machine in senders],
            },
            indent=1,
        ),
    )
    tls = _certificate("logs")
    kept = {"default": args.retention_days, **args.tag_retention_days}
    settings = File(
        path=SETTINGS,
        content=json.dumps({"store": f"http://127.0.0.1:{HTTP_PORT}", "days": kept}, indent=1),
    )
    program = File(path=INSTALLED, content=PROGRAM.read_text(), mode="0755")
    prepare = File(path=f"{UNITS}/logs-prepare.service", content=render(__file__, "logs-prepare.service.j2"))
    expire = File(path=f"{UNITS}/logs-expire.service", content=render(__file__, "logs-expire.service.j2"))
    timer = File(path=f"{UNITS}/logs-expire.timer", content=render(__file__, "logs-expire.timer.j2"))
    return Configuration(
        role="logs",
        packages=("rsyslog", "rsyslog-relp", "rsyslog-elasticsearch", "curl"),
        directories=(Directory(path="/var/spool/rsyslog", mode="0700"),),
        files=(rules, names, *tls, settings, program, prepare, expire, timer),
        units=(
            Unit(unit="logs-prepare.service", oneshot=True, restart_on=(prepare.path, program.path, settings.path)),
            Unit(unit="logs-expire.timer", restart_on=(timer.path,)),
            Unit(
                unit="rsyslog.service",
                restart_on=(rules.path, names.path, *(file.path for file in tls)),
                check=CHECK,
            ),
        ),
        allow=(Allow(port=args.port, sources=tuple(f"{machine.address}/32" for machine in senders)),),
        ready=Ready(command=f"{INSTALLED} status"),
    )


def shipper(args: LogsArgs, machine: Machine) -> Configuration:
    """What sends a machine's lines, and keeps them while it cannot."""
    rules = File(
        path="/etc/rsyslog.d/50-shipper.conf",
        content=render(__file__, "shipper.conf.j2", args=args, host=machine.name, tls=f"{TLS}/shipper"),
    )
    files = (rules, *_certificate("shipper"))
    return Configuration(
        role="shipper",
        packages=("rsyslog", "rsyslog-relp"),
        directories=(Directory(path="/var/spool/rsyslog", mode="0700"),),
        files=files,
        units=(Unit(unit="rsyslog.service", restart_on=tuple(file.path for file in files), check=CHECK),),
        ready=Ready(command="systemctl is-active rsyslog"),
    )
