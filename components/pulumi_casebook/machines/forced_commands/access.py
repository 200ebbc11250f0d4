"""The role of a machine that takes orders, and how they are given."""

from collections.abc import Sequence

import pulumi

from pulumi_casebook.core.templates import render
from pulumi_casebook.machines.configuration import Allow, Configuration, Configured, File, Unit
from pulumi_casebook.machines.machine import Machine
from pulumi_casebook.machines.units import ACCOUNTS, ASKED


def take_orders(
    machine: Machine,
    user: str,
    source: str,
    public_key: pulumi.Output[str],
    program: str,
    orders: Sequence[str],
    opts: pulumi.ResourceOptions,
) -> Configured:
    """Give the machine the role `USER-access`, as `access` says."""
    return machine.configure(
        public_key.apply(lambda public: access(user, source, public, program, orders)),
        role=f"{user}-access",
        allow=[_ssh_from(source)],
        opts=opts,
    )


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


def ssh(key: str, known_hosts: str) -> tuple[str, ...]:
    """The command that gives an order, without USER@ADDRESS and the order's words."""
    return (
        *("ssh", "-i", key, "-o", "BatchMode=yes", "-o", "ConnectTimeout=4", "-o", "ServerAliveInterval=4"),
        *("-o", "StrictHostKeyChecking=accept-new", "-o", f"UserKnownHostsFile={known_hosts}"),
    )
