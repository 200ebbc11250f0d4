"""Machines of one kind, and the planned range that all of them have their addresses in."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from pulumi_casebook.core.args import InputError
from pulumi_casebook.machines.machine import Machine


def servers_of(machines: Iterable[Machine]) -> dict[str, str]:
    """Name -> private address, as backends and farms take them."""
    return {machine.name: str(machine.address) for machine in machines}


@dataclass(frozen=True, eq=False)
class Tier(Sequence[Machine]):
    """Machines of a `Site` that do the same work: a sequence of them, and a client of what they use.

    `source_cidrs` is the whole room of the tier in the address plan, so that what is open to it stays as it is when one
    more machine joins. Tiers of the same room add up: dedicated servers and the instances that help them.
    """

    name: str
    source_cidrs: tuple[str, ...]
    machines: tuple[Machine, ...] = field(default=(), repr=False)

    def __getitem__(self, index: int) -> Machine:  # type: ignore[override]
        return self.machines[index]

    def __len__(self) -> int:
        return len(self.machines)

    def __iter__(self) -> Iterator[Machine]:
        return iter(self.machines)

    def __add__(self, other: "Tier") -> "Tier":
        if other.source_cidrs != self.source_cidrs:
            raise InputError(
                f"Tier {self.name!r}: is {self.source_cidrs}, {other.name!r} {other.source_cidrs}: not one"
            )
        return Tier(self.name, self.source_cidrs, (*self.machines, *other.machines))
