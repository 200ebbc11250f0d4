"""What keeps two sites in step, and lets one of them serve."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pulumi
import pulumi_tls as tls

from pulumi_casebook.core.component import Component, takes
from pulumi_casebook.core.templates import render
from pulumi_casebook.machines.configuration import Allow, Configuration, Directory, File, Ready, Unit
from pulumi_casebook.machines.forced_commands import Taken, host_keys, known_hosts, ssh, take_orders
from pulumi_casebook.machines.machine import Machine
from pulumi_casebook.machines.rsync_tls import Offer, connect_program
from pulumi_casebook.machines.service_account import URN, api_settings, library, service_account
from pulumi_casebook.machines.units import UNITS
from pulumi_casebook.network.certificate import Authority
from pulumi_casebook.recovery.drp_replica_site.args import DrpReplicaSiteArgs, DrpSite

PROGRAM, PART = (Path(__file__).with_name("programs") / name for name in ("drp.py", "drp_site.py"))
CONTROLLER, SITE, GALERA = (f"/usr/local/sbin/{name}" for name in ("drp", "drp-site", "galera"))
SETTINGS, PART_SETTINGS, KEY, STATE = "/etc/drp.json", "/etc/drp-site.json", "/etc/drp.key", "/var/lib/drp"
HOSTS = "/etc/drp.hosts"
RSYNC = 8730
TLS = "/etc/ssl/casebook/drp-files"
# What the controller may order.
DATABASE_ORDERS = ("status", "promote", "promote --other-is-off")
SITE_ORDERS = ("status", "serve", "rest", "copy")
# OVHcloud's names of the calls that it makes.
ACTIONS = ("dnsZone:apiovh:record/get", "dnsZone:apiovh:record/edit", "dnsZone:apiovh:refresh")


class DrpReplicaSite(Component[DrpReplicaSiteArgs]):
    """Keeps a second site in step with the first, at rest; `drp failover` lets it serve, `drp failback` the first.

    Declares an SSH key; on each machine that has a part the role `drp-access`, which lets that key give a few orders
    and nothing else; on machines with services or files the role `drp-site`; a service account (`Me.APIOAuth2Client`)
    and the `Iam.Policy` that allows it the zone's records; on the controller the role `drp`.

    Sources: KEY-6, NRT-18; help.ovhcloud.com "How to use service accounts to connect to OVHcloud APIs".
    """

    @takes(DrpReplicaSiteArgs)
    def __init__(self, args: DrpReplicaSiteArgs) -> None:
        key = tls.PrivateKey(self.name, algorithm="ED25519", opts=self.child())
        authority = Authority(self) if args.files else None
        parts, granted = list[pulumi.Resource](), list[Taken]()
        for site, other, part in ((args.primary, args.replica, "serve"), (args.replica, args.primary, "rest")):
            for machine, units in site.parts.values():
                peer = other.files if machine is site.files else None
                role = machine.configure(
                    site_part(args, machine, units, part, peer),
                    role="drp-site",
                    secrets=Offer.secrets(authority.certificate(self, machine.name, [str(machine.address)]))
                    if authority and peer
                    else None,
                    opts=self.child(depends_on=[site.database]),
                )
                parts.append(role.applied)
                granted.append(self._grant(args, key, machine, SITE, SITE_ORDERS))
            granted += [self._grant(args, key, member, GALERA, DATABASE_ORDERS) for member in site.database.machines]
        account = service_account(
            self, "Moves a name to the site that serves", [f"{URN}:dnsZone:{args.record.zone}"], ACTIONS
        )
        names = sorted(args.addresses)
        public = pulumi.Output.all(*(args.record.targets[n] for n in names), *(args.addresses[n] for n in names))
        args.controller.configure(
            public.apply(lambda found: controller(args, *_halves(names, found))),
            role="drp",
            secrets={"key": key.private_key_openssh, **account, **host_keys(granted)},
            opts=self.child(depends_on=[*parts, *(one.applied for one in granted), args.record]),
        )

    def _grant(
        self, args: DrpReplicaSiteArgs, key: tls.PrivateKey, machine: Machine, program: str, orders: tuple[str, ...]
    ) -> Taken:
        source, public = str(args.controller.address), key.public_key_openssh
        return take_orders(self, machine, "drp", source, public, program, orders)


def site_part(
    args: DrpReplicaSiteArgs, machine: Machine, units: Sequence[str], part: str, peer: Machine | None
) -> Configuration:
    """A machine on which something rests while its site does, or which has the site's files; `peer` has the other's."""
    settings: dict[str, Any] = {"units": list(units), "first": part, "files": None}
    files = [
        File(path=SITE, content=PART.read_text(), mode="0755"),
        File(path=f"{UNITS}/drp-site.service", content=render(__file__, "drp-site.service.j2", files=args.files)),
        File(path=f"{UNITS}/drp-site.timer", content=render(__file__, "drp-site.timer.j2", interval=args.interval)),
    ]
    timer = Unit(unit="drp-site.timer", restart_on=tuple(file.path for file in files))
    services = [timer]
    packages: tuple[str, ...] = ()
    allow: tuple[Allow, ...] = ()
    if args.files and peer:
        settings["files"] = {
            "path": args.files.path,
            "owner": args.files.owner,
            "source": f"rsync://{peer.address}:{RSYNC}/files/",
            "connect": connect_program(str(peer.address), RSYNC, f"{TLS}/authority.crt", f"{TLS}/own.pem"),
        }
        values = {"files": args.files, "port": RSYNC}
        # The other site's machine shows its own certificate: nobody else reads the files.
        offer = Offer("drp-files-tls", str(machine.address), RSYNC, RSYNC, mutual=True)
        # The owner of the files copies them, so he has the certificate as well.
        shown = [
            File(
                path=f"{TLS}/{Path(file.path).name}",
                content=file.content,
                owner=f"{args.files.owner}:root",
                mode="0400",
            )
            for file in offer.files
            if "@secret" in file.content
        ]
        offered = [
            File(path="/etc/drp-files.conf", content=render(__file__, "drp-files.conf.j2", **values)),
            File(path=f"{UNITS}/drp-files.service", content=render(__file__, "drp-files.service.j2", **values)),
        ]
        files += [*offered, *offer.files, *shown]
        services[:0] = [Unit(unit="drp-files.service", restart_on=tuple(file.path for file in offered)), offer.unit]
        packages, allow = ("openssl", "rsync", "socat"), (Allow(port=RSYNC, sources=(f"{peer.address}/32",)),)
    files.append(File(path=PART_SETTINGS, content=json.dumps(settings, indent=1) + "\n"))
    return Configuration(
        role="drp-site",
        packages=packages,
        directories=(Directory(path="/var/lib/drp-site"),),
        files=tuple(files),
        units=tuple(services),
        allow=allow,
        ready=Ready(command=f"{SITE} status"),
    )


def controller(args: DrpReplicaSiteArgs, primary: Mapping[str, str], replica: Mapping[str, str]) -> Configuration:
    """The machine where the commands are given. `primary`, `replica`: record -> public address."""
    settings = {
        "sites": {"primary": described(args.primary, primary), "replica": described(args.replica, replica)},
        "ssh": ssh(KEY, HOSTS),
        "port": args.port,
        "zone": args.record.zone,
        "subdomain": args.record.subdomain,
        "api": api_settings(),
        "state": STATE,
    }
    ordered = {name: address for site in (args.primary, args.replica) for name, address in _ordered(site).items()}
    files = (
        File(path=KEY, content="@secret(key)@", mode="0600"),
        known_hosts(HOSTS, ordered),
        File(path=SETTINGS, content=json.dumps(settings, indent=1) + "\n", mode="0600"),
        File(path=CONTROLLER, content=PROGRAM.read_text(), mode="0755"),
        library(),
        File(path=f"{UNITS}/drp.service", content=render(__file__, "drp.service.j2")),
        File(path=f"{UNITS}/drp.timer", content=render(__file__, "drp.timer.j2", interval=args.interval)),
    )
    return Configuration(
        role="drp",
        packages=("openssh-client",),
        directories=(Directory(path=STATE, mode="0700"),),
        files=files,
        units=(Unit(unit="drp.timer", restart_on=tuple(file.path for file in files)),),
        ready=Ready(command=f"{CONTROLLER} keep", seconds=180),
    )


def _ordered(site: DrpSite) -> dict[str, object]:
    """Who takes orders, and where."""
    return {**site.database.service.servers, **{name: machine.address for name, (machine, _) in site.parts.items()}}


def described(site: DrpSite, addresses: Mapping[str, str]) -> dict[str, object]:
    """What the program reads of a site."""
    return {
        "cluster": site.database.name,
        "members": site.database.service.servers,
        "parts": {name: machine.address for name, (machine, _) in site.parts.items()},
        "files": site.files.name if site.files else None,
        "addresses": addresses,
    }


def _halves(names: list[str], values: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    return dict(zip(names, values[: len(names)], strict=True)), dict(zip(names, values[len(names) :], strict=True))
