"""The watchdog of a pair: on a third machine, with an account of its own at OVHcloud that may do this and no more."""

import json
from pathlib import Path

import pulumi
import pulumi_tls as tls

from pulumi_casebook.core.component import Component, takes
from pulumi_casebook.core.templates import render
from pulumi_casebook.machines.configuration import Configuration, Directory, File, Ready, Unit
from pulumi_casebook.machines.forced_commands import host_keys, known_hosts, ssh, take_orders
from pulumi_casebook.machines.service_account import URN, api_settings, library, service_account
from pulumi_casebook.watching.watchdog.args import WatchdogArgs

PROGRAM = Path(__file__).with_name("programs") / "watchdog.py"
INSTALLED, SETTINGS, KEY = "/usr/local/sbin/watchdog", "/etc/watchdog.json", "/etc/watchdog.key"
HOSTS = "/etc/watchdog.hosts"
UNIT = "/etc/systemd/system/watchdog.service"
STATE = "/var/lib/watchdog"
# What it may order a machine of the pair to do.
ORDERS = ("renew-lease", "promote --peer-is-off", "stop", "rejoin")
# OVHcloud's names of the calls that it makes.
BALANCER_ACTIONS = (
    *(
        f"loadbalancer:apiovh:{farm}/{what}"
        for farm in ("http/farm", "tcp/farm")
        for what in ("get", "server/get", "server/edit")
    ),
    *("loadbalancer:apiovh:pendingChanges/get", "loadbalancer:apiovh:refresh", "loadbalancer:apiovh:task/get"),
)
ADDRESS_ACTIONS = ("ip:apiovh:get", "ip:apiovh:move", "ip:apiovh:task/get", "*:apiovh:ip/additionalIp/move")


class Watchdog(Component[WatchdogArgs]):
    """Looks at both machines of a pair, from outside and with the eyes of each; promotes one when the other is lost.

    Declares an SSH key; on each machine of the pair the role `watchdog-access`, which lets that key give four orders
    and nothing else; with a balancer a service account (`Me.APIOAuth2Client`) and the `Iam.Policy` that allows it the
    balancer's servers and refresh; on the watching machine the role `watchdog`.

    Sources: ERP-5, IND-3, NRT-3; ha-clustering's fencing and leases (Gray and Cheriton 1989); help.ovhcloud.com
    "How to use service accounts to connect to OVHcloud APIs".
    """

    @takes(WatchdogArgs)
    def __init__(self, args: WatchdogArgs) -> None:
        key = tls.PrivateKey(self.name, algorithm="ED25519", opts=self.child())
        granted = [
            take_orders(
                self,
                machine,
                "watchdog",
                str(args.machine.public_ip),
                key.public_key_openssh,
                "/usr/local/sbin/mysql-pair",
                ORDERS,
                [args.database],
            )
            for machine in args.machines
        ]
        secrets: dict[str, pulumi.Input[str]] = {"key": key.private_key_openssh, **host_keys(granted)}
        if args.acts:
            secrets |= self._service_account(args)
        args.machine.configure(
            configuration(args),
            role="watchdog",
            secrets=secrets,
            opts=self.child(depends_on=[one.applied for one in granted]),
        )

    def _service_account(self, args: WatchdogArgs) -> dict[str, pulumi.Input[str]]:
        resources = [f"{URN}:ip:{address.ip}/32" for address in args.addresses]
        if args.load_balancer:
            resources.append(f"{URN}:loadbalancer:{args.load_balancer.service_name}")
        for address in args.addresses:
            resources += [f"{URN}:{kind(holder)}:{holder}" for holder in address.holders.values()]
        actions = [
            *(BALANCER_ACTIONS if args.load_balancer else ()),
            *(ADDRESS_ACTIONS if args.addresses else ()),
        ]
        return service_account(self, "Moves what follows the machine that writes", resources, actions)


def kind(service: str) -> str:
    """What OVHcloud's names of resources call a service."""
    return "vps" if service.startswith("vps") else "dedicatedServer"


def configuration(args: WatchdogArgs) -> Configuration:
    """The role of the watching machine."""
    key = File(path=KEY, content="@secret(key)@", mode="0600")
    settings_file = File(path=SETTINGS, content=json.dumps(settings(args), indent=1), mode="0600")
    program = File(path=INSTALLED, content=PROGRAM.read_text(), mode="0755")
    unit = File(path=UNIT, content=render(__file__, "watchdog.service.j2"))
    hosts = known_hosts(HOSTS, {machine.name: machine.public_ip for machine in args.machines})
    files = (key, hosts, settings_file, library(), program, unit)
    return Configuration(
        role="watchdog",
        packages=("openssh-client",),
        directories=(Directory(path=STATE, mode="0700"),),
        files=files,
        units=(Unit(unit="watchdog.service", restart_on=tuple(file.path for file in files)),),
        ready=Ready(command=f"{INSTALLED} ready", seconds=120),
    )


def settings(args: WatchdogArgs) -> dict[str, object]:
    """What the program reads."""
    balancer = args.load_balancer
    return {
        "machines": {
            machine.name: {
                "front": args.fronts.get(machine.name, machine.address),
                "order": [*ssh(KEY, HOSTS), f"watchdog@{machine.public_ip}"],
            }
            for machine in args.machines
        },
        "failure_threshold": args.failure_threshold,
        "interval": args.interval,
        "lease": args.database.lease_seconds,
        # In so many seconds a writer whose lease is over has stopped: mysql-pair looks every 3 s, for 8 at most.
        "settled": 15,
        "load_balancer": balancer.service_name if balancer else None,
        "addresses": {address.ip: address.holders for address in args.addresses},
        "weights": list(args.weights),
        "api": api_settings() if args.acts else None,
        "alertmanager": args.alertmanager,
        "state": f"{STATE}/state.json",
    }
