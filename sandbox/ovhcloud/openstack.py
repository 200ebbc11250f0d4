"""What the API asks of the OpenStack behind a Public Cloud project, and the one that needs nothing."""

import secrets
import uuid
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Gateway:
    """A router with its leg on Ext-Net and its interface in a subnet."""

    id: str
    external_network: str
    external_subnet: str
    external_ip: str
    interface: str


@dataclass(frozen=True)
class Segment:
    """Where a private network lives: VLAN `vlan` of the vRack `vrack`; 0 is the untagged network."""

    vrack: str
    vlan: int


@dataclass(frozen=True)
class StoredObject:
    """One version of an object in a bucket."""

    key: str
    size: int
    etag: str
    last_modified: str
    version: str = "null"
    latest: bool = True
    delete_marker: bool = False


class OpenStack(Protocol):
    """The OpenStack of one project. Creating what is there already returns it, removing what is not does nothing.

    A refusal is an ApiError with OpenStack's own reason.
    """

    auth_url: str

    def create_network(self, region: str, name: str, segment: Segment) -> str: ...
    def delete_network(self, network: str) -> None: ...
    def create_subnet(
        self, network: str, cidr: str, pool: tuple[str, str], *, dhcp: bool, gateway: str | None, dns: list[str]
    ) -> str: ...
    def delete_subnet(self, subnet: str) -> None: ...
    def create_gateway(self, subnet: str, name: str) -> Gateway: ...
    def rename_gateway(self, gateway: str, name: str) -> None: ...
    def delete_gateway(self, gateway: str) -> None: ...

    def create_user(self, name: str, password: str) -> str: ...
    def delete_user(self, user: str) -> None: ...
    def set_password(self, user: str, password: str) -> None: ...
    def create_credential(self, user: str) -> tuple[str, str]: ...
    def delete_credential(self, user: str, access: str) -> None: ...

    def create_bucket(self, name: str) -> None: ...
    def delete_bucket(self, name: str) -> None: ...
    def set_versioning(self, name: str, *, enabled: bool) -> None: ...
    def objects(self, name: str) -> list[StoredObject]: ...
    def delete_object(self, name: str, key: str, version: str | None) -> None: ...
    def set_policies(self, owners: dict[str, str], policies: dict[str, dict[str, Any]]) -> None: ...


class InMemoryOpenStack:
    """Hands out ids, and keeps buckets for as long as the process lives."""

    auth_url = "http://127.0.0.1:5000/v3"

    def __init__(self) -> None:
        self.buckets: dict[str, list[StoredObject]] = {}

    def new_id(self, *_: object, **__: object) -> str:
        return str(uuid.uuid4())

    def nothing(self, *_: object, **__: object) -> None:
        """Nothing stands behind it."""

    create_network = create_subnet = create_user = new_id
    delete_network = delete_subnet = delete_gateway = rename_gateway = nothing
    delete_user = set_password = delete_credential = set_versioning = set_policies = nothing

    def create_gateway(self, *_: object) -> Gateway:
        return Gateway(self.new_id(), self.new_id(), self.new_id(), "198.18.255.200", self.new_id())

    def create_credential(self, *_: object) -> tuple[str, str]:
        return secrets.token_hex(16), secrets.token_hex(16)

    def create_bucket(self, name: str) -> None:
        self.buckets.setdefault(name, [])

    def delete_bucket(self, name: str) -> None:
        self.buckets.pop(name, None)

    def objects(self, name: str) -> list[StoredObject]:
        return self.buckets.setdefault(name, [])

    def delete_object(self, name: str, key: str, version: str | None) -> None:
        kept = [found for found in self.objects(name) if found.key != key or version not in (None, found.version)]
        self.buckets[name] = kept
