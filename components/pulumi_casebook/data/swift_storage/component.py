"""Swift containers, users who can do in them what they must and no more, and keys that sign URLs."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pulumi
import pulumi_openstack as openstack
import pulumi_ovh as ovh
import pulumi_random as random

from pulumi_casebook.core.component import Component, takes
from pulumi_casebook.data.swift_storage.args import ContainerArgs, SwiftStorageArgs

# For a machine that signs.
SIGNER = Path(__file__).with_name("programs") / "signed_url.py"


class Container(NamedTuple):
    """Where a container is, and what signs URLs of its objects."""

    name: str
    # https://storage.REGION.cloud.ovh.net/v1/AUTH_PROJECT/NAME
    url: str
    # The key file of `casebook-signed-url`, secret; None without `signed_urls`.
    signing_key: pulumi.Output[str] | None


class ContainerUser(NamedTuple):
    """A user's login to the project's OpenStack, where only containers that name the user are open."""

    username: pulumi.Output[str]
    password: pulumi.Output[str]


class SwiftStorage(Component[SwiftStorageArgs]):
    """Swift containers of one region of a Public Cloud project.

    Declares per container `objectstorage.Container` and, with `signed_urls`, its key (`RandomPassword`); per name
    among the readers and writers a `CloudProject.User` that no container opens to unless it names it.

    Attributes: `containers` (name to `Container`), `users` (name to `ContainerUser`).
    Sources: GIR-3, GIR-4; docs.openstack.org/swift "Access Control Lists", "TempURL", "CORS".
    """

    @takes(SwiftStorageArgs)
    def __init__(self, args: SwiftStorageArgs) -> None:
        names = {user for one in args.containers.values() for user in (*one.readers, *one.writers)}
        self.users = {name: self._user(args, name) for name in sorted(names)}
        self.containers = {name: self._container(args, name, wanted) for name, wanted in args.containers.items()}

    def _user(self, args: SwiftStorageArgs, name: str) -> ContainerUser:
        account = ovh.cloudproject.User(
            f"{self.name}-{name}",
            service_name=args.project,
            description=f"{self.name}-{name}",
            # It may log in. The role objectstore_operator would open every container of the project.
            role_names=["authentication"],
            opts=self.child(),
        )
        return ContainerUser(account.username, pulumi.Output.secret(account.password))

    def _container(self, args: SwiftStorageArgs, name: str, wanted: ContainerArgs) -> Container:
        url = f"https://storage.{args.region.lower()}.cloud.ovh.net/v1/AUTH_{args.project}/{name}"
        metadata: dict[str, pulumi.Input[str]] = {}
        signing_key: pulumi.Output[str] | None = None
        if wanted.signed_urls:
            key = random.RandomPassword(f"{self.name}-{name}-key", length=48, special=False, opts=self.child()).result
            metadata["Temp-Url-Key"] = key
            signing_key = pulumi.Output.json_dumps({"url": url, "key": pulumi.Output.secret(key)})
        if wanted.origins:
            metadata["Access-Control-Allow-Origin"] = " ".join(wanted.origins)
        openstack.objectstorage.Container(
            f"{self.name}-{name}",
            region=args.region,
            name=name,
            container_read=self._access(args.project, (*wanted.readers, *wanted.writers), wanted.public),
            container_write=self._access(args.project, wanted.writers),
            metadata=metadata,
            versioning=wanted.versioning,
            # What is kept is Pulumi's to protect; who takes that away wants it emptied.
            force_destroy=True,
            opts=self.child(protect=wanted.keep),
        )
        return Container(name, url, signing_key)

    def _access(self, project: str, users: Sequence[str], everybody: bool = False) -> pulumi.Output[str]:
        """Swift's access list: these users of the project, and whoever comes from any page or none."""
        return pulumi.Output.all(*(self.users[user].username for user in users)).apply(
            lambda names: ",".join([*([".r:*"] if everybody else []), *(f"{project}:{name}" for name in names)])
        )
