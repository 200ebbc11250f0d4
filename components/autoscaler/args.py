"""Arguments of the autoscaler."""

from typing import Self

from pydantic import Field, model_validator

from casebook.args import Args, Many


class AutoscalerArgs(Args):
    # The setting that says how many instances there are: "web_instances".
    setting: str = Field(pattern=r"^[a-z_]+(\.[a-z_]+)*$")
    # No fewer instances than this.
    minimum: int = Field(ge=0)
    # No more.
    maximum: int = Field(le=100)
    # How machines are called whose alerts count, by the beginnings of their names.
    machines: Many[str] = ("",)
    # The alert of `Monitoring` that asks for more.
    alert: str = "Load"
    # Seconds between two steps: a new instance must have had time to take its share.
    cooldown_seconds: int = Field(default=300, ge=30)
    # Where the autoscaler listens, as monitoring reaches it, its token included.
    webhook: str = Field(pattern=r"^https?://\S+/\S+$", repr=False)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.minimum > self.maximum:
            raise ValueError(f"minimum={self.minimum}: more than maximum={self.maximum}")
        return self
