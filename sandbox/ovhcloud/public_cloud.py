"""The OpenStack behind a Public Cloud project: private networks, gateways, users and buckets, with operator's rights.

A private network of a vRack is one Neutron network in each of its regions, all on the VLAN's one wire: that is what
a vRack does across datacentres. The regions share one Neutron, which lets a VLAN of a physical network be used once,
so every region is a physical network of its own: `pn-1001@GRA11`.

A project's further users get Keystone's role `reader`, which opens nothing in Swift by itself: what they may are the
containers whose access lists name them, and through S3 what their policies say (`sandbox.openstack.s3_policies`).
"""

import contextlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sandbox.building import write
from sandbox.openstack import s3_policies

from .errors import ApiError
from .openstack import Gateway, Segment, StoredObject

if TYPE_CHECKING:
    from openstack.connection import Connection

EXTERNAL = "Ext-Net"
USER_ROLE = "reader"
DELETE_MARKER = "application/x-deleted;swift_versions_deleted=1"
PAGE = 10000  # objects Swift lists at once
REFUSALS = (400, 409)


@contextlib.contextmanager
def refusing(conflict: int = 409) -> Iterator[None]:
    """Turn OpenStack's refusals into the API's own; a conflict becomes the status that OVHcloud gives it."""
    from openstack.exceptions import HttpException

    try:
        yield
    except HttpException as error:
        if error.status_code not in REFUSALS:
            raise
        reason = str(error.details or error.message)
        raise ApiError(conflict if error.status_code == 409 else 400, reason) from None


class PublicCloud:
    """The `OpenStack` of openstack.py over a real one. `cloud` acts for the customer's project as administrator."""

    def __init__(self, cloud: "Connection") -> None:
        # The library's own annotations do not fit what its methods take.
        self.network: Any = cloud.network
        self.identity: Any = cloud.identity
        self.swift: Any = cloud.object_store
        self.project = cloud.current_project_id
        self.auth_url = str(cloud.config.auth["auth_url"])

    # Networks

    def create_network(self, region: str, name: str, segment: Segment) -> str:
        place: dict[str, Any] = {
            "provider_physical_network": f"{segment.vrack}@{region}",
            "provider_network_type": "vlan" if segment.vlan else "flat",
        }
        if segment.vlan:
            place["provider_segmentation_id"] = segment.vlan
        with refusing():
            found = next(self.network.networks(**place), None)
            return str((found or self.network.create_network(name=name, **place)).id)

    def delete_network(self, network: str) -> None:
        with refusing():
            self.network.delete_network(network, ignore_missing=True)

    def create_subnet(
        self,
        network: str,
        cidr: str,
        pool: tuple[str, str],
        *,
        dhcp: bool,
        gateway: str | None,
        dns: list[str],
    ) -> str:
        with refusing(conflict=400):
            found = next(self.network.subnets(network_id=network, cidr=cidr), None)
            made = found or self.network.create_subnet(
                network_id=network,
                name=cidr,
                ip_version=4,
                cidr=cidr,
                is_dhcp_enabled=dhcp,
                gateway_ip=gateway,
                allocation_pools=[{"start": pool[0], "end": pool[1]}],
                dns_nameservers=dns,
            )
            return str(made.id)

    def delete_subnet(self, subnet: str) -> None:
        # OVHcloud answers 400 while ports are left: clients try again.
        with refusing(conflict=400):
            self.network.delete_subnet(subnet, ignore_missing=True)

    def create_gateway(self, subnet: str, name: str) -> Gateway:
        mark = f"gateway of {subnet}"
        with refusing():
            outside = self.network.find_network(EXTERNAL, ignore_missing=False)
            router = next((found for found in self.network.routers() if found.description == mark), None)
            router = router or self.network.create_router(
                name=name, description=mark, external_gateway_info={"network_id": outside.id}
            )
            leg = self._interface(router.id)
            if leg is None:
                self.network.add_interface_to_router(router, subnet_id=subnet)
                leg = self._interface(router.id)
        fixed = next(one for one in router.external_gateway_info["external_fixed_ips"] if "." in one["ip_address"])
        return Gateway(router.id, outside.id, fixed["subnet_id"], fixed["ip_address"], leg.id if leg else "")

    def _interface(self, router: str) -> Any:
        return next(self.network.ports(device_id=router, device_owner="network:router_interface"), None)

    def rename_gateway(self, gateway: str, name: str) -> None:
        with refusing():
            self.network.update_router(gateway, name=name)

    def delete_gateway(self, gateway: str) -> None:
        with refusing():
            if (leg := self._interface(gateway)) is not None:
                self.network.remove_interface_from_router(gateway, port_id=leg.id)
            self.network.delete_router(gateway, ignore_missing=True)

    # Users

    def create_user(self, name: str, password: str) -> str:
        user = self.identity.create_user(
            name=name, password=password, domain_id="default", default_project_id=self.project
        )
        role = self.identity.find_role(USER_ROLE, ignore_missing=False)
        self.identity.assign_project_role_to_user(self.project, user, role)
        return str(user.id)

    def delete_user(self, user: str) -> None:
        self.identity.delete_user(user, ignore_missing=True)

    def set_password(self, user: str, password: str) -> None:
        self.identity.update_user(user, password=password)

    def create_credential(self, user: str) -> tuple[str, str]:
        answer = self.identity.post(f"/users/{user}/credentials/OS-EC2", json={"tenant_id": self.project})
        made = self._ok(answer).json()["credential"]
        return made["access"], made["secret"]

    def delete_credential(self, user: str, access: str) -> None:
        self._ok(self.identity.delete(f"/users/{user}/credentials/OS-EC2/{access}"), missing=True)

    @staticmethod
    def _ok(answer: Any, *, missing: bool = False) -> Any:
        if not (missing and answer.status_code == 404):
            answer.raise_for_status()
        return answer

    # Buckets: containers of the project's account in Swift

    def create_bucket(self, name: str) -> None:
        for container in (name, name + s3_policies.SEGMENTS):
            self._ok(self.swift.put(f"/{quote(container)}"))

    def delete_bucket(self, name: str) -> None:
        for item in self._list(name + s3_policies.SEGMENTS):
            self._delete(name + s3_policies.SEGMENTS, item["name"])
        for container in (name + s3_policies.SEGMENTS, name):
            self._ok(self.swift.delete(f"/{quote(container)}"), missing=True)

    def set_versioning(self, name: str, *, enabled: bool) -> None:
        self._ok(self.swift.post(f"/{quote(name)}", headers={"X-Versions-Enabled": str(enabled).lower()}))

    def objects(self, name: str) -> list[StoredObject]:
        return [
            StoredObject(
                key=item["name"],
                size=item["bytes"],
                etag=item["hash"],
                last_modified=item["last_modified"] + "Z",
                version=item.get("version_id", "null"),
                latest=item.get("is_latest", True),
                delete_marker=item.get("content_type") == DELETE_MARKER,
            )
            for item in self._list(name, versions="true")
        ]

    def _list(self, container: str, **options: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        marker: dict[str, str] = {}
        while True:
            answer = self.swift.get(
                f"/{quote(container)}", params={"format": "json", "limit": str(PAGE), **options, **marker}
            )
            if answer.status_code == 404:
                return found
            page = self._ok(answer).json()
            found += page
            if len(page) < PAGE:
                return found
            marker = {"marker": page[-1]["name"]}
            if "version_id" in page[-1]:
                marker["version_marker"] = page[-1]["version_id"]

    def delete_object(self, name: str, key: str, version: str | None) -> None:
        self._delete(name, key, version)

    def _delete(self, container: str, key: str, version: str | None = None) -> None:
        path = f"/{quote(container)}/{quote(key)}"
        options = {} if version is None else {"version-id": version}
        if self.swift.head(path, params=options).headers.get("X-Static-Large-Object"):
            options["multipart-manifest"] = "delete"
        self._ok(self.swift.delete(path, params=options), missing=True)

    def set_policies(self, owners: dict[str, str], policies: dict[str, dict[str, Any]]) -> None:
        write(s3_policies.FILE, json.dumps({"owners": owners, "policies": policies}))
