"""Arguments of the logs."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from pulumi_casebook.core.args import Label, Port, Unique, check_path, form
from pulumi_casebook.core.component import ComponentArgs
from pulumi_casebook.machines.machine import Machine

# OpenSearch's cluster.max_shards_per_node is 1000; some are its own, and those of a day that is not deleted yet.
SHARDS = 950
Days = Annotated[int, Field(ge=1)]
Path = Annotated[
    str,
    form(r"/[A-Za-z0-9/._*+-]+", "an absolute path of letters, digits and ._*+-"),
    AfterValidator(check_path),
]
Program = Annotated[str, form(r"[A-Za-z0-9_.-]+", "a program as the system's log names it, such as haproxy")]


class LogsArgs(ComponentArgs):
    """One machine that keeps the logs, and the machines that send it theirs."""

    # The machine that keeps and searches; its own logs are kept as well.
    machine: Machine
    # The machines whose logs are kept.
    machines: Unique[Machine] = Field(min_length=1)
    # Logs that applications write to files of their own, by tag: {"http": "/var/log/nginx/access.log"}. A machine
    # without the file sends none; `*` in the last part of the path is every file.
    files: Mapping[Label, Path] = {}
    # Programs whose part of the system's log has a tag of its own: {"http": "haproxy"}. The rest is "system".
    programs: Mapping[Label, Program] = {}
    # How long lines are kept, in days.
    retention_days: Days = 21
    # The same for tags that are kept longer, or shorter.
    tag_retention_days: Mapping[Label, Days] = {"http": 365}
    # What a machine keeps, in MiB of its disk, while the store cannot be reached.
    queue_mib: int = Field(default=1024, ge=16)
    # The store's memory, in MiB; half of the machine's at most.
    heap_mib: int = Field(default=512, ge=256, le=31744)
    # Where machines send to, on the store's private address.
    port: Port = 2514
    # How long `up` waits until a line of every machine has been found.
    wait_seconds: int = Field(default=120, ge=1, le=3600)

    @model_validator(mode="after")
    def _consistent(self) -> "LogsArgs":
        names = [machine.name for machine in self.machines]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"machines: {name} is given twice")
        for machine in (self.machine, *self.machines):
            if machine.address is None:
                raise ValueError(f"{machine.name} has no private network, where lines travel; give it one")
        unknown = self.tag_retention_days.keys() - {"http", *self.tags}
        if unknown:
            raise ValueError(f"tag_retention_days: no file and no program has the tag {', '.join(sorted(unknown))}")
        days = {tag: self.tag_retention_days.get(tag, self.retention_days) for tag in self.tags}
        if sum(days.values()) > SHARDS:
            told = ", ".join(f"{tag} {number}" for tag, number in days.items())
            raise ValueError(
                f"retention_days, tag_retention_days: {sum(days.values())} days in all ({told}), and a day of a tag is "
                f"an index; the store takes no more than {SHARDS}, and then refuses every line of a new day"
            )
        return self

    @property
    def tags(self) -> list[str]:
        """All that a line may have."""
        return list(dict.fromkeys(("system", *self.files, *self.programs)))
