"""Arguments of Swift containers."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from pulumi_casebook.core.args import Args, Label, Project, Unique
from pulumi_casebook.core.component import Claim, ComponentArgs

# help.ovhcloud.com "Object Storage - Endpoints and Object Storage geoavailability", the table of Swift.
REGIONS = ("BHS", "DE", "GRA", "RBX", "SBG", "UK", "WAW")


def _region(value: str) -> str:
    if value not in REGIONS:
        raise ValueError(
            f"not a region of Swift; it has {', '.join(REGIONS)} (a compute region such as GRA11 is not one)"
        )
    return value


def _origin(value: str) -> str:
    if not re.fullmatch(r"https://[a-z0-9.-]+(:[0-9]{1,5})?", value):
        raise ValueError("an origin is https:// and a host name, without a path: https://www.example.org")
    return value


Region = Annotated[str, AfterValidator(_region)]
Origin = Annotated[str, AfterValidator(_origin)]


class ContainerArgs(Args):
    """One container and who may use it."""

    # Users who may list and read.
    readers: Unique[Label] = ()
    # Users who may read, write and delete.
    writers: Unique[Label] = ()
    # Everybody may read its objects, by their names, without a login.
    public: bool = False
    # A key with which URLs for single objects are signed, without a login (TempURL).
    signed_urls: bool = False
    # Web sites whose pages may use the container from a browser.
    origins: Unique[Origin] = ()
    # Keep what is overwritten or deleted as an older version.
    versioning: bool = False
    # Refuse to delete the container and its objects, also when the stack is destroyed (Pulumi's `protect`). Otherwise
    # it is emptied and deleted.
    keep: bool = False

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if both := sorted({*self.readers} & {*self.writers}):
            raise ValueError(f"readers and writers: {', '.join(both)} is both; a writer reads as well")
        if self.origins and not self.signed_urls:
            raise ValueError("origins: browsers have no login; they need signed_urls=True")
        return self


class SwiftStorageArgs(ComponentArgs):
    """Containers of one region."""

    # The Public Cloud project, which is adopted.
    project: Project
    # A region of Swift: GRA, SBG, BHS, ...
    region: Region
    # Name -> container. Names are the project's own.
    containers: Mapping[Label, ContainerArgs] = Field(min_length=1)

    def claims(self, name: str) -> Iterator[Claim]:  # noqa: ARG002
        for container in self.containers:
            yield Claim("container", (self.project, self.region, container), f"containers.{container}")
