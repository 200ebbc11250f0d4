"""What the API asks of the OpenStack behind a Public Cloud project, and the one that needs nothing."""
import secrets
import uuid
from dataclasses import dataclass, field
from typing import Protocol


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


@dataclass
class Bucket:
    """What a bucket holds, newest versions first."""

    objects: list[StoredObject] = field(default_factory=list)


class OpenStack(Protocol):
    """Every method gets the project; creating what is there already returns it, removing what is not does nothing.

    A refusal is an ApiError with OpenStack's own reason.
    """

    auth_url: str

    def create_network(self, project: str, region: str, name: str, segment: Segment) -> str: ...
    def delete_network(self, project: str, network: str) -> None: ...
    def create_subnet(self, project: str, network: str, cidr: str, pool: tuple[str, str], *, dhcp: bool,
                      gateway: str | None, dns: list[str]) -> str: ...
    def delete_subnet(self, project: str, subnet: str) -> None: ...
    def create_gateway(self, project: str, region: str, subnet: str, name: str) -> Gateway: ...
    def rename_gateway(self, project: str, gateway: str, name: str) -> None: ...
    def delete_gateway(self, project: str, gateway: str) -> None: ...

    def create_user(self, project: str, name: str, password: str, roles: list[str]) -> str: ...
    def delete_user(self, user: str) -> None: ...
    def set_password(self, user: str, password: str) -> None: ...
    def create_credential(self, project: str, user: str) -> tuple[str, str]: ...
    def delete_credential(self, user: str, access: str) -> None: ...

    def create_bucket(self, project: str, region: str, name: str) -> None: ...
    def delete_bucket(self, project: str, region: str, name: str) -> None: ...
    def set_versioning(self, project: str, region: str, name: str, *, enabled: bool) -> None: ...
    def bucket(self, project: str, region: str, name: str) -> Bucket: ...
    def delete_object(self, project: str, region: str, name: str, key: str, version: str | None) -> None: ...
    def set_access(self, project: str, region: str, name: str, rights: dict[str, set[str]]) -> None: ...


class InMemoryOpenStack:
    """Hands out ids and keeps buckets for as long as the process lives."""

    auth_url = "http://127.0.0.1:5000/v3"

    def __init__(self) -> None:
        self.buckets: dict[tuple[str, str], Bucket] = {}

    def new(self) -> str:
        return str(uuid.uuid4())

    def create_network(self, project: str, region: str, name: str, segment: Segment) -> str:
        return self.new()

    def create_subnet(self, project: str, network: str, cidr: str, pool: tuple[str, str], *, dhcp: bool,
                      gateway: str | None, dns: list[str]) -> str:
        return self.new()

    def create_gateway(self, project: str, region: str, subnet: str, name: str) -> Gateway:
        return Gateway(self.new(), self.new(), self.new(), "198.18.255.200", self.new())

    def create_user(self, project: str, name: str, password: str, roles: list[str]) -> str:
        return uuid.uuid4().hex

    def create_credential(self, project: str, user: str) -> tuple[str, str]:
        return secrets.token_hex(16), secrets.token_hex(16)

    def nothing(self, *_: object, **__: object) -> None:
        """Nothing stands behind it."""

    delete_network = delete_subnet = delete_gateway = rename_gateway = nothing
    delete_user = set_password = delete_credential = set_versioning = set_access = nothing

    def create_bucket(self, project: str, region: str, name: str) -> None:
        self.buckets.setdefault((project, name), Bucket())

    def delete_bucket(self, project: str, region: str, name: str) -> None:
        self.buckets.pop((project, name), None)

    def bucket(self, project: str, region: str, name: str) -> Bucket:
        return self.buckets.setdefault((project, name), Bucket())

    def delete_object(self, project: str, region: str, name: str, key: str, version: str | None) -> None:
        bucket = self.bucket(project, region, name)
        bucket.objects = [found for found in bucket.objects
                          if found.key != key or version not in (None, found.version)]
