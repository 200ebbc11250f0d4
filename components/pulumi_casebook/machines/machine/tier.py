"""What tiers of machines have in common."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import pulumi
from pydantic import AfterValidator, Field

from pulumi_casebook.core.args import Unique
from pulumi_casebook.core.component import Component
from pulumi_casebook.machines.configuration import Configuration
from pulumi_casebook.machines.machine.base import Machine


def _private(value: tuple[Machine, ...]) -> tuple[Machine, ...]:
    for machine in value:
        if machine.address is None:
            raise ValueError(f"{machine.name} has no address in a private network, where the tier works")
    return value


# The members of a tier that works in a private network.
PrivateMachines = Annotated[Unique[Machine], Field(min_length=1), AfterValidator(_private)]


def one_after_another(
    component: Component[Any],
    machines: Sequence[Machine],
    role: str,
    configuration: Callable[[Machine], Configuration],
    secrets: dict[str, pulumi.Input[str]] | None = None,
) -> None:
    """Give each machine a role, the next once the one before is ready."""
    before: list[pulumi.Resource] = []
    for machine in machines:
        options = component.child(depends_on=before)
        before = [machine.configure(configuration(machine), role=role, secrets=secrets, opts=options).applied]
