"""The autoscaler (casebook-autoscaler) for a stack of this checkout.

It changes the setting in the stack's file below stacks/, and has `up` use the file as `make up` does.
"""

import os

from pulumi_casebook.watching.autoscaler import PulumiStack
from pulumi_casebook.watching.autoscaler.program import serve
from stacks.commands import select
from stacks.environment import CHECKOUT, is_account, prepare
from stacks.stack_files import SALT, config_file, secrets_provider, stack_file


class CheckoutStack(PulumiStack):
    """The sandbox's salt stays out of the checkout: `up` has a copy of the stack's file with it. An account's stays."""

    def up(self) -> None:
        if not is_account():
            file = stack_file(self.name)
            lines = file.read_text().splitlines(keepends=True)
            file.write_text("".join(line for line in lines if not line.startswith(SALT)))
        self.stack.up(config_file=str(config_file(self.name)), on_output=lambda line: print(line, flush=True))


def open_stack(name: str) -> CheckoutStack:
    provider = secrets_provider(name)
    environment = prepare(cloud=True, secrets_provider=provider)
    select(name, environment, provider)
    # The Automation API finds Pulumi, its plugins and the credentials where a shell would.
    os.environ.update(environment)
    return CheckoutStack(CHECKOUT, name, "casebook:settings")


def run(name: str) -> None:
    serve(open_stack(name))
