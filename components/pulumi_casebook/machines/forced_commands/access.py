"""The role of a machine that takes orders, and how they are given."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_command as command

from pulumi_casebook.core.component import Component
from pulumi_casebook.core.templates import render
from pulumi_casebook.machines.configuration import Allow, Configuration, File, Unit
from pulumi_casebook.machines.machine import Machine
from pulumi_casebook.machines.units import ACCOUNTS, ASKED

# Every machine has one: cloud-init makes it.
HOST_KEY = "/etc/ssh/ssh_host_ed25519_key.pub"


@dataclass(frozen=True)
class Taken:
    """A machine that takes orders: what to wait for, and the key by which it is known to who gives them."""

    machine: Machine
    applied: pulumi.Resource
    host_key: pulumi.Output[str]


def take_orders(
    component: Component[Any],
    machine: Machine,
    user: str,
    source: str,
    public_key: pulumi.Output[str],
    program: str,
    orders: Sequence[str],
    after: Sequence[pulumi.Resource] = (),
) -> Taken:
    """Give the machine the role `USER-access`, as `access` says, and read the key of its SSH server (`remote.Command`
    MACHINE-USER-host-key), anew when the machine is installed anew."""
    role = machine.configure(
        public_key.apply(lambda public: access(user, source, public, program, orders)),
        role=f"{user}-access",
        allow=[_ssh_from(source)],
        opts=component.child(depends_on=list(after)),
    )
    shown = command.remote.Command(
        f"{machine.name}-{user}-host-key",
        connection=machine.connection,
        create=f"cat {HOST_KEY}",
        triggers=[machine.incarnation],
        add_previous_output_in_env=False,
        opts=component.child(depends_on=[machine.prepared]),
    )
    return Taken(machine, role.applied, shown.stdout.apply(lambda key: " ".join(key.split()[:2])))


def access(user: str, source: str, public_key: str, program: str, orders: Sequence[str]) -> Configuration:
    """A role `USER-access`: whoever comes from the address `source` with the key may have root run the program with
    these words, and nothing else."""
    account = File(path=f"/etc/sysusers.d/{user}.conf", content=f'u {user} - "Takes orders" / /bin/sh\n')
    key = File(path=f"/etc/ssh/{user}.keys", content=f'from="{source}",restrict {public_key.strip()}\n')
    sshd = File(
        path=f"/etc/ssh/sshd_config.d/20-{user}.conf",
        content=render(__file__, "sshd.conf.j2", user=user, keys=key.path, program=program),
    )
    allowed = "".join(f"{user} ALL=(root) NOPASSWD: {program} {words}\n" for words in orders)
    sudo = File(path=f"/etc/sudoers.d/{user}", content=allowed, mode="0440")
    return Configuration(
        role=f"{user}-access",
        files=(account, ASKED, key, sshd, sudo),
        units=(
            Unit(unit=ACCOUNTS, oneshot=True, restart_on=(account.path, ASKED.path)),
            Unit(unit="ssh.service", reload_on=(sshd.path,), check="sshd -t && visudo -cq"),
        ),
        allow=(_ssh_from(source),),
    )


def _ssh_from(source: str) -> Allow:
    return Allow(port=22, sources=(f"{source}/32",))


def ssh(key: str, hosts: str) -> tuple[str, ...]:
    """The command that gives an order, without USER@ADDRESS and the order's words, to a machine of the file `hosts`."""
    return (
        *("ssh", "-i", key, "-o", "BatchMode=yes", "-o", "ConnectTimeout=4", "-o", "ServerAliveInterval=4"),
        *(
            "-o",
            "StrictHostKeyChecking=yes",
            "-o",
            f"UserKnownHostsFile={hosts}",
            "-o",
            "GlobalKnownHostsFile=/dev/null",
        ),
    )


def known_hosts(path: str, addresses: Mapping[str, object]) -> File:
    """Machines by name, at these addresses; a role's file, whose secrets `host_keys` are."""
    lines = "".join(f"{address} @secret(host/{name}:line)@\n" for name, address in addresses.items())
    return File(path=path, content=lines, mode="0600")


def host_keys(taken: Iterable[Taken]) -> dict[str, pulumi.Input[str]]:
    return {f"host/{one.machine.name}": one.host_key for one in taken}
