"""Puts one configuration on one machine, over SSH."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import pulumi
import pulumi_command as command

from pulumi_casebook.machines.configuration.args import Configuration
from pulumi_casebook.machines.configuration.bundle import bundle

PROGRAM = Path(__file__).with_name("programs") / "apply.py"
INSTALLED = "/usr/local/sbin/casebook-apply"


class Reachable(Protocol):
    """What configuring needs of a machine."""

    name: str
    connection: command.remote.ConnectionArgs
    incarnation: pulumi.Output[str]  # changes when the machine is made or installed anew
    adopted: bool  # outlives the stack, so a role that leaves must clean up
    prepared: pulumi.Resource  # what must be there first


class ApplyProgram(pulumi.ComponentResource):
    """The apply program on a machine: waits for SSH and for cloud-init, then installs it."""

    def __init__(self, machine: Reachable, opts: pulumi.ResourceOptions) -> None:
        super().__init__("casebook:index:ApplyProgram", machine.name, {}, opts)
        self.installed = command.remote.Command(
            f"{machine.name}-apply-program",
            connection=machine.connection,
            create=f"cloud-init status --wait >/dev/null; sudo sh -c 'umask 022; cat > {INSTALLED}.new "
            f"&& chmod 755 {INSTALLED}.new && mv {INSTALLED}.new {INSTALLED}'",
            stdin=PROGRAM.read_text(),
            triggers=[machine.incarnation],
            add_previous_output_in_env=False,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


class Configured(pulumi.ComponentResource):
    """One role on one machine: its secrets, then its bundle.

    `configuration` may be an Output where a file holds an address that a resource gives birth to; whatever is
    planned stays visible at preview. The bundle shows secrets by name; their values are a resource of their own
    (`secrets`, on standard input, encrypted in state, root-only on the machine).

    Resources: `remote.Command` NAME (bundle), and NAME-secrets if there are any.
    """

    def __init__(
        self,
        name: str,
        machine: Reachable,
        role: str,
        configuration: Configuration | pulumi.Output[Configuration],
        secrets: Mapping[str, pulumi.Input[str]] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("casebook:index:Configured", name, {}, opts)
        replaced = pulumi.ResourceOptions(
            parent=self, depends_on=[machine.prepared], delete_before_replace=machine.adopted
        )
        create: pulumi.Input[str] = f"sudo {INSTALLED} apply {shlex.quote(role)}"
        if secrets:
            kept = command.remote.Command(
                f"{name}-secrets",
                connection=machine.connection,
                create=f"sudo {INSTALLED} secrets {shlex.quote(role)}",
                stdin=pulumi.Output.json_dumps({key: pulumi.Output.secret(value) for key, value in secrets.items()}),
                triggers=[machine.incarnation],
                add_previous_output_in_env=False,
                opts=replaced,
            )
            # The number grows when a secret changes: that is what makes the bundle apply again.
            create = pulumi.Output.unsecret(kept.stdout).apply(
                lambda number: f"sudo {INSTALLED} apply {shlex.quote(role)} # secrets {number.strip()}"
            )
        if isinstance(configuration, Configuration):
            text: pulumi.Input[str] = bundle(configuration)
        else:
            text = configuration.apply(bundle)
        self.applied = command.remote.Command(
            name,
            connection=machine.connection,
            create=create,
            delete=f"sudo {INSTALLED} remove {shlex.quote(role)}" if machine.adopted else None,
            stdin=text,
            triggers=[machine.incarnation],
            add_previous_output_in_env=False,
            opts=replaced,
        )
        self.register_outputs({})
