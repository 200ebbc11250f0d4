"""Arguments of the search pair."""

from pydantic import Field, model_validator

from pulumi_casebook.core.args import Unique
from pulumi_casebook.core.clients import Clients, Served
from pulumi_casebook.machines.machine import Machine


class SearchPairArgs(Served):
    """Two machines that hold the index, and a third that votes."""

    # The two machines that index and search; each holds everything.
    machines: Unique[Machine]
    # A third machine that votes and holds nothing: two alone cannot tell a peer that is off from a cable that is cut.
    arbitrator: Machine
    # Who may index and search: the application's machines, or the proxies before the pair.
    clients: Clients = Field(min_length=1)
    # The engine's memory on each of the two, in MiB; what a machine has besides is the index's cache.
    heap_mib: int = Field(default=512, ge=256, le=31744)
    # The same on the arbitrator.
    arbitrator_heap_mib: int = Field(default=256, ge=128)

    @model_validator(mode="after")
    def _two_and_one(self) -> "SearchPairArgs":
        names = [machine.name for machine in self.machines]
        if len(set(names)) != 2:
            raise ValueError(f"machines={names}: a pair is two machines")
        if self.arbitrator.name in names:
            raise ValueError(
                f"arbitrator={self.arbitrator.name!r}: one of the pair; its loss would take two votes of three. "
                "Choose a machine that fails for other reasons than these two"
            )
        for machine in (*self.machines, self.arbitrator):
            if machine.address is None:
                raise ValueError(f"{machine.name} has no private network; nodes talk in clear, so give it one")
        return self
