"""Cinder volume driver: a volume is a sparse file, see machine.py."""

# ruff: noqa: ARG002 - the signatures are Cinder's
import os
import pathlib
from typing import Any

from cinder import interface
from cinder.volume import driver

from sandbox import VOLUMES
from sandbox.shell import run

PLENTY = 1_000_000  # GB; the files are sparse


def path(thing: Any) -> pathlib.Path:
    return VOLUMES / f"{thing.id}.img"


@interface.volumedriver
class Driver(driver.VolumeDriver):
    VERSION = "1.0"
    CI_WIKI_NAME = "none"

    def check_for_setup_error(self) -> None:
        VOLUMES.mkdir(parents=True, exist_ok=True)

    def _update_volume_stats(self) -> None:
        self._stats = {
            "volume_backend_name": self.configuration.safe_get("volume_backend_name"),
            "vendor_name": "sandbox",
            "driver_version": self.VERSION,
            "storage_protocol": "file",
            "total_capacity_gb": PLENTY,
            "free_capacity_gb": PLENTY,
            "reserved_percentage": 0,
            "multiattach": True,
            "thin_provisioning_support": True,
            "max_over_subscription_ratio": 1,
            "QoS_support": False,
        }

    def create_volume(self, volume: Any) -> None:
        self.extend_volume(volume, volume.size)

    def extend_volume(self, volume: Any, new_size: int) -> None:
        with path(volume).open("ab") as file:
            file.truncate(new_size << 30)

    def delete_volume(self, volume: Any) -> None:
        path(volume).unlink(missing_ok=True)

    delete_snapshot = delete_volume

    def _copy(self, source: Any, target: Any, size: int) -> None:
        run("cp", "--sparse=always", "--reflink=auto", path(source), path(target))
        os.truncate(path(target), size << 30)

    def create_snapshot(self, snapshot: Any) -> None:
        self._copy(snapshot.volume, snapshot, snapshot.volume_size)

    def create_volume_from_snapshot(self, volume: Any, snapshot: Any) -> None:
        self._copy(snapshot, volume, volume.size)

    def create_cloned_volume(self, volume: Any, source: Any) -> None:
        self._copy(source, volume, volume.size)

    def revert_to_snapshot(self, context: Any, volume: Any, snapshot: Any) -> None:
        self._copy(snapshot, volume, volume.size)

    def clone_image(
        self, context: Any, volume: Any, image_location: Any, image_meta: Any, image_service: Any
    ) -> tuple[dict[str, Any], bool]:
        self.create_volume(volume)  # a boot volume: the machine's disk is its overlay
        return {}, True

    def initialize_connection(self, volume: Any, connector: Any, **kwargs: Any) -> dict[str, Any]:
        return {"driver_volume_type": "file", "data": {"volume_id": volume.id, "path": str(path(volume))}}

    def _nothing(self, *args: Any, **kwargs: Any) -> None:
        """Files need no export."""

    ensure_export = create_export = remove_export = terminate_connection = _nothing
    copy_image_to_volume = copy_volume_to_image = _nothing
