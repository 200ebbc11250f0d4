"""Arguments of the autoscaler."""

from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from pulumi_casebook.core.args import Args, Unique, Url, form

Setting = Annotated[str, form(r"[a-z_]+(\.[a-z_]+)*", "a setting of the stack, such as web_instances")]
Beginning = Annotated[str, form(r"[a-z0-9-]*", "how a machine's name begins: lower-case letters, digits and dashes")]
Alert = Annotated[str, form(r"[A-Za-z][A-Za-z0-9]*", "an alert's name, such as Load")]


class AutoscalerArgs(Args):
    # The setting that says how many instances there are: "web_instances".
    setting: Setting
    # No fewer instances than this.
    minimum: int = Field(ge=0)
    # No more.
    maximum: int = Field(le=100)
    # How machines are called whose alerts count, by the beginnings of their names.
    machines: Unique[Beginning] = Field(default=("",), min_length=1)
    # The alert of `Monitoring` that asks for more.
    alert: Alert = "Load"
    # Seconds between two steps: a new instance must have had time to take its share.
    cooldown_seconds: int = Field(default=300, ge=30)
    # Where `Monitoring`'s Alertmanager is asked: over TLS, or at the end of an SSH tunnel to it.
    alertmanager: Url = "http://127.0.0.1:9093"

    @field_validator("alertmanager")
    @classmethod
    def _private(cls, value: str) -> str:
        address = urlsplit(value)
        if address.scheme != "https" and address.hostname not in ("127.0.0.1", "localhost"):
            raise ValueError(
                f"{value}: whoever is on the way could say what fires, and so what is rented; use https, or a tunnel: "
                "ssh -N -L 9093:127.0.0.1:9093 debian@MONITORING"
            )
        return value

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.minimum > self.maximum:
            raise ValueError(f"minimum={self.minimum}: more than maximum={self.maximum}")
        return self
