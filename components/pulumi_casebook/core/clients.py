"""Who may use something: networks, and what has addresses in one."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Protocol, TypeAlias, runtime_checkable

from pydantic import Field, PlainValidator, TypeAdapter

from pulumi_casebook.core.args import Cidr, Unique
from pulumi_casebook.core.component import ComponentArgs

CIDR = TypeAdapter[str](Cidr)


@runtime_checkable
class Client(Protocol):
    """What has addresses of its own: a tier, a machine, a load balancer."""

    @property
    def name(self) -> str:
        """What it is called in a program."""

    @property
    def source_cidrs(self) -> Sequence[str]:
        """All that it may come from, so that one more of it opens nothing anew."""


def _client(value: Any) -> str | Client:
    if isinstance(value, str):
        return CIDR.validate_python(value)
    if not isinstance(value, Client) or not value.source_cidrs:
        raise ValueError("a network like 10.8.0.0/22, or what has addresses: a tier, a machine, a load balancer")
    return value


# Tiers, machines and networks, from where something is used.
Clients: TypeAlias = Unique[Annotated[str | Client, PlainValidator(_client)]]


def cidrs_of(clients: Iterable[str | Client]) -> tuple[str, ...]:
    """The networks of all of them, each once."""
    found = ((one,) if isinstance(one, str) else one.source_cidrs for one in clients)
    return tuple(dict.fromkeys(cidr for cidrs in found for cidr in cidrs))


class Served(ComponentArgs):
    """Arguments of what has clients."""

    # Who uses it: tiers, machines, networks; each is let in, and nobody else.
    clients: Clients = Field(min_length=1)

    @property
    def allowed_cidrs(self) -> tuple[str, ...]:
        """The networks of its clients."""
        return cidrs_of(self.clients)
