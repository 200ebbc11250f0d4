"""Arguments of a private network's name servers."""

from collections.abc import Mapping

from pydantic import Field, model_validator

from pulumi_casebook.core.args import Address, HostName, Label, Unique
from pulumi_casebook.core.clients import Clients, Served
from pulumi_casebook.machines.machine import Machine


class ResolverArgs(Served):
    # The name servers: each answers alone, so two survive one.
    machines: Unique[Machine] = Field(min_length=1, max_length=3)
    # Who may ask.
    clients: Clients = Field(min_length=1)
    # Whom they ask themselves; none: they recurse from the root servers.
    forwarders: Unique[Address] = ()
    # Whether an answer whose signature is wrong is refused (DNSSEC); forwarders must then pass signatures on.
    dnssec: bool = True
    # The domain of the private network's own names.
    zone: HostName = "internal"
    # Its names: machine -> address.
    names: Mapping[Label, Address] = {}
    # How long an answer is given out although its servers cannot be reached any more, in seconds.
    serve_expired: int = Field(default=86400, ge=0)

    @model_validator(mode="after")
    def _inside(self) -> "ResolverArgs":
        for machine in self.machines:
            if machine.address is None:
                raise ValueError(f"machines: {machine.name} has no address in a private network to answer on")
        return self
