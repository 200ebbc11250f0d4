"""The watchdog of a pair: on a third machine, with an account of its own at OVHcloud that may do this and no more."""

import json
from pathlib import Path

import pulumi
import pulumi_ovh as ovh
import pulumi_tls as tls

from casebook.component import Component
from casebook.configuration import Allow, Configuration, Directory, File, Ready, Service
from casebook.machine import Machine
from casebook.templates import render
from casebook.watchdog.args import WatchdogArgs

PROGRAM = Path(__file__).with_name("watchdog.py")
INSTALLED, SETTINGS, KEY = "/usr/local/sbin/watchdog", "/etc/watchdog.json", "/etc/watchdog.key"
UNIT = "/etc/systemd/system/watchdog.service"
STATE = "/var/lib/watchdog"
# What it may order a machine of the pair to do.
ORDERS = ("watched", "promote --peer-is-off", "stop", "rejoin")
URN = "urn:v1:eu:resource"
# OVHcloud's names of the calls that it makes.
BALANCER_ACTIONS = (
    *(f"loadbalancer:apiovh:{kind}/farm/{what}" for kind in ("http", "tcp") for what in ("get", "server/get")),
    *(f"loadbalancer:apiovh:{kind}/farm/server/edit" for kind in ("http", "tcp")),
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

    Arguments = WatchdogArgs

    def declare(self, args: WatchdogArgs) -> None:
        key = tls.PrivateKey(self.name, algorithm="ED25519", opts=self.child())
        granted = [
            machine.configure(
                key.public_key_openssh.apply(lambda public: access(args.machine, public)),
                role="watchdog-access",
                opts=self.child(),
            ).applied
            for machine in args.machines
        ]
        secrets: dict[str, pulumi.Input[str]] = {"key": key.private_key_openssh}
        if args.acts:
            secrets |= self._service_account(args)
        args.machine.configure(
            configuration(args), role="watchdog", secrets=secrets, opts=self.child(depends_on=granted)
        )

    def _service_account(self, args: WatchdogArgs) -> dict[str, pulumi.Input[str]]:
        name = f"{pulumi.get_project()}-{pulumi.get_stack()}-{self.name}"
        account = ovh.me.APIOAuth2Client(
            self.name,
            name=name,
            description="Moves what follows the machine that writes",
            flow="CLIENT_CREDENTIALS",
            opts=self.child(),
        )
        resources = [f"{URN}:ip:{address.ip}/32" for address in args.addresses]
        if args.load_balancer:
            resources.append(f"{URN}:loadbalancer:{args.load_balancer.service_name}")
        for address in args.addresses:
            resources += [f"{URN}:{kind(holder)}:{holder}" for holder in address.holders.values()]
        ovh.iam.Policy(
            self.name,
            name=name,
            identities=[account.identity],
            resources=sorted(set(resources)),
            allows=[
                *(BALANCER_ACTIONS if args.load_balancer else ()),
                *(ADDRESS_ACTIONS if args.addresses else ()),
            ],
            opts=self.child(),
        )
        return {"client_id": account.client_id, "client_secret": account.client_secret}


def kind(service: str) -> str:
    """What OVHcloud's names of resources call a service."""
    return "vps" if service.startswith("vps") else "dedicatedServer"


def access(watcher: Machine, public_key: str) -> Configuration:
    """The role of a machine of the pair: an account for the watchdog's key, which can give orders and nothing else."""
    user = File(path="/etc/sysusers.d/watchdog.conf", content='u watchdog - "Watchdog" / /bin/sh\n')
    key = File(path="/etc/ssh/watchdog.keys", content=f'from="{watcher.public_ip}",restrict {public_key.strip()}\n')
    sshd = File(path="/etc/ssh/sshd_config.d/20-watchdog.conf", content=render(__file__, "sshd.conf.j2", keys=key.path))
    sudo = File(path="/etc/sudoers.d/watchdog", content=render(__file__, "sudoers.j2", orders=ORDERS), mode="0440")
    return Configuration(
        role="watchdog-access",
        files=(user, key, sshd, sudo),
        services=(
            Service(unit="systemd-sysusers.service", follows=(user.path,)),
            Service(unit="ssh.service", follows=(sshd.path,), change="reload", check="sshd -t && visudo -cq"),
        ),
        allow=(Allow(port=22, sources=(f"{watcher.public_ip}/32",)),),
    )


def configuration(args: WatchdogArgs) -> Configuration:
    """The role of the watching machine."""
    key = File(path=KEY, content="@secret(key)@", mode="0600")
    settings_file = File(path=SETTINGS, content=json.dumps(settings(args), indent=1), mode="0600")
    program = File(path=INSTALLED, content=PROGRAM.read_text(), mode="0755")
    unit = File(path=UNIT, content=render(__file__, "watchdog.service.j2"))
    files = (key, settings_file, program, unit)
    return Configuration(
        role="watchdog",
        packages=("openssh-client",),
        directories=(Directory(path=STATE, mode="0700"),),
        files=files,
        services=(Service(unit="watchdog.service", follows=tuple(file.path for file in files)),),
        ready=Ready(command=f"{INSTALLED} ready", seconds=120),
    )


def settings(args: WatchdogArgs) -> dict[str, object]:
    """What the program reads."""
    balancer = args.load_balancer
    return {
        "machines": {
            machine.name: {
                "front": args.fronts.get(machine.name, machine.address),
                "order": [*SSH, f"watchdog@{machine.public_ip}"],
            }
            for machine in args.machines
        },
        "looks": args.looks,
        "interval": args.interval,
        "lease": args.database.lease_seconds,
        # In so many seconds a writer whose lease is over has stopped: mysql-pair looks every 3 s, for 8 at most.
        "settled": 15,
        "load_balancer": balancer.service_name if balancer else None,
        "addresses": {address.ip: address.holders for address in args.addresses},
        "weights": list(args.weights),
        "api": {
            "url": "https://eu.api.ovh.com/1.0",
            "token": "https://www.ovh.com/auth/oauth2/token",
            **{name: f"@secret({name})@" for name in ("client_id", "client_secret") if args.acts},
        },
        "alertmanager": args.alertmanager,
        "state": f"{STATE}/state.json",
    }


SSH = (
    *("ssh", "-i", KEY, "-o", "BatchMode=yes", "-o", "ConnectTimeout=4", "-o", "ServerAliveInterval=4"),
    *("-o", "StrictHostKeyChecking=accept-new", "-o", f"UserKnownHostsFile={STATE}/known_hosts"),
)
