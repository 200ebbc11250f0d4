"""Nova virt driver: every instance is a real machine (machine.py) on real wires.

What a machine learns about itself is Nova's own config drive, laid down as files where cloud-init looks for a
seed.  All compute hosts of the scheduler are this one computer; a machine's directory names its host.
"""

# ruff: noqa: ARG002 - the signatures are Nova's
import copy
import io
import re
import string
import uuid
from typing import Any, ClassVar

from nova import exception
from nova.api.metadata import base as metadata
from nova.compute import power_state, task_states
from nova.virt import hardware
from nova.virt.fake import FakeDriver

from sandbox import GATEWAY, MACHINES, ROOTFS, wires
from sandbox.internet import MTU
from sandbox.machine import Machine
from sandbox.openstack import keys
from sandbox.rootfs import keep
from sandbox.shell import links, wake

SEED = "var/lib/cloud/seed/config_drive/"


def rootfs_name(image_name: str | None) -> str:
    """'Debian 13' -> 'debian-13'"""
    return re.sub("[^a-z0-9.]+", "-", (image_name or "").lower()).strip("-")


def static(network_info: Any) -> list[Any]:
    """No DHCP server here: machines are told their addresses, even on DHCP subnets."""
    vifs = [copy.deepcopy(vif) for vif in network_info or []]
    for vif in vifs:
        for subnet in vif["network"]["subnets"]:
            subnet["meta"].pop("enable_dhcp", None)
    return vifs


class Driver(FakeDriver):
    """FakeDriver reports plenty of resources and accepts what has no meaning here."""

    capabilities: ClassVar[dict[str, bool]] = {**FakeDriver.capabilities, "supports_migrate_to_same_host": True}

    # ------------------------------------------------------------ the host
    def init_host(self, host: str) -> None:
        super().init_host(host)
        self.host = host
        self.host_status_base["hypervisor_hostname"] = host

    def _node_uuid(self, node: str) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_DNS, node))

    def get_nodenames_by_uuid(self, refresh: bool = False) -> dict[str, str]:
        return {self._node_uuid(node): node for node in self.get_available_nodes()}

    def get_available_resource(self, nodename: str) -> dict[str, Any]:
        return {**super().get_available_resource(nodename), "uuid": self._node_uuid(nodename)}

    def list_instance_uuids(self) -> list[str]:
        homes = MACHINES.glob("*/host")
        return [home.parent.name for home in homes if home.read_text() == self.host]

    list_instances = list_instance_uuids

    def instance_exists(self, instance: Any) -> bool:
        return Machine(instance.uuid).exists()

    def get_info(self, instance: Any, use_cache: bool = True) -> Any:
        machine = Machine(instance.uuid)
        if not machine.exists():
            raise exception.InstanceNotFound(instance_id=instance.uuid)
        return hardware.InstanceInfo(state=power_state.RUNNING if machine.running() else power_state.SHUTDOWN)

    # ------------------------------------------------------------ life
    def spawn(
        self,
        context: Any,
        instance: Any,
        image_meta: Any,
        injected_files: Any,
        admin_password: str | None,
        allocations: Any,
        network_info: Any = None,
        block_device_info: Any = None,
        power_on: bool = True,
        accel_info: Any = None,
    ) -> None:
        name = image_meta.name if image_meta.obj_attr_is_set("name") else None
        rootfs = rootfs_name(name)
        if not (ROOTFS / rootfs).exists():
            raise exception.ImageUnacceptable(image_id=instance.image_ref, reason=f"no root file system {rootfs!r}")
        machine = Machine(instance.uuid)
        try:
            files = self._seed(instance, injected_files, admin_password, network_info)
            machine.create(rootfs, files, instance.flavor.root_gb)
            self._settle(instance)
            for volume in (block_device_info or {}).get("block_device_mapping") or []:
                self.attach_volume(context, volume["connection_info"], instance, volume["mount_device"])
            if power_on:
                self.power_on(context, instance, network_info)
        except Exception:
            self.destroy(context, instance, network_info)
            raise

    def _seed(
        self, instance: Any, injected_files: Any, admin_password: str | None, network_info: Any
    ) -> dict[str, bytes]:
        network_info = static(network_info)
        drive = metadata.InstanceMetadata(
            instance,
            content=injected_files,
            network_info=network_info,
            extra_md={"admin_pass": admin_password} if admin_password else {},
        )
        files = {
            SEED + path: data if isinstance(data, bytes) else data.encode()
            for path, data in drive.metadata_for_config_drive()
            if path.startswith(("openstack/latest/", "openstack/content/"))
        }
        subnets = [subnet for vif in network_info for subnet in vif["network"]["subnets"]]
        dns = [server["address"] for subnet in subnets for server in subnet["dns"]] or [GATEWAY]
        files["etc/resolv.conf"] = "".join(f"nameserver {server}\n" for server in dns[:3]).encode()
        return files

    def _settle(self, instance: Any) -> None:
        """It is on this host now, with its flavor's limits."""
        machine = Machine(instance.uuid)
        (machine.dir / "host").write_text(self.host)
        machine.limit(instance.flavor.memory_mb, instance.flavor.vcpus)

    def plug_vifs(self, instance: Any, network_info: Any) -> None:
        machine = Machine(instance.uuid)
        wires.ensure_namespace(machine.ns)
        for vif in network_info or []:
            self._plug(machine, vif)
        wake()

    def _plug(self, machine: Machine, vif: Any) -> None:
        have = links(machine.ns).values()
        if vif["address"] in [link.get("address") for link in have]:
            return
        number = 3 + len([link for link in have if link["ifname"].startswith("ens")])
        mtu = vif["network"].get_meta("mtu") or MTU
        wires.plug(vif["id"], vif["address"], vif["details"][keys.DETAIL], mtu, machine.ns, f"ens{number}")

    def unplug_vifs(self, instance: Any, network_info: Any) -> None:
        for vif in network_info or []:
            wires.unplug(vif["id"])
        wires.delete_namespace(Machine(instance.uuid).ns)

    def destroy(
        self,
        context: Any,
        instance: Any,
        network_info: Any,
        block_device_info: Any = None,
        destroy_disks: bool = True,
        destroy_secrets: bool = True,
    ) -> None:
        machine = Machine(instance.uuid)
        if destroy_disks:
            machine.destroy()
        else:
            machine.kill()
        self.unplug_vifs(instance, network_info)

    def cleanup(self, context: Any, instance: Any, network_info: Any, *args: Any, **kwargs: Any) -> None:
        """destroy() has done it."""

    def power_on(
        self,
        context: Any,
        instance: Any,
        network_info: Any,
        block_device_info: Any = None,
        accel_info: Any = None,
        share_info: Any = None,
    ) -> None:
        self.plug_vifs(instance, network_info)
        Machine(instance.uuid).boot()

    def power_off(self, instance: Any, timeout: int = 0, retry_interval: int = 0) -> None:
        Machine(instance.uuid).stop(timeout)

    def reboot(
        self, context: Any, instance: Any, network_info: Any, reboot_type: str, *args: Any, **kwargs: Any
    ) -> None:
        Machine(instance.uuid).stop(60 if reboot_type == "SOFT" else 0)
        self.power_on(context, instance, network_info)

    def resume_state_on_host_boot(
        self, context: Any, instance: Any, network_info: Any, share_info: Any, block_device_info: Any = None
    ) -> None:
        self.power_on(context, instance, network_info)

    def pause(self, instance: Any) -> None:
        Machine(instance.uuid).freeze(True)

    def unpause(self, instance: Any) -> None:
        Machine(instance.uuid).freeze(False)

    def suspend(self, context: Any, instance: Any) -> None:
        self.pause(instance)

    def resume(self, context: Any, instance: Any, *args: Any, **kwargs: Any) -> None:
        self.unpause(instance)

    # ------------------------------------------------------------ resize
    def migrate_disk_and_power_off(
        self,
        context: Any,
        instance: Any,
        dest: str,
        flavor: Any,
        network_info: Any,
        block_device_info: Any = None,
        timeout: int = 0,
        retry_interval: int = 0,
    ) -> str:
        self.power_off(instance, timeout)
        return "[]"

    def finish_migration(
        self,
        context: Any,
        migration: Any,
        instance: Any,
        disk_info: Any,
        network_info: Any,
        image_meta: Any,
        resize_instance: bool,
        allocations: Any,
        block_device_info: Any = None,
        power_on: bool = True,
        share_info: Any = None,
    ) -> None:
        self._settle(instance)
        if power_on:
            self.power_on(context, instance, network_info)

    def confirm_migration(self, context: Any, migration: Any, instance: Any, network_info: Any) -> None:
        """Nothing was left on the other host: it is this computer, too."""

    def finish_revert_migration(
        self,
        context: Any,
        instance: Any,
        network_info: Any,
        migration: Any,
        block_device_info: Any = None,
        power_on: bool = True,
        share_info: Any = None,
    ) -> None:
        self._settle(instance)
        if power_on:
            self.power_on(context, instance, network_info)

    # ------------------------------------------------------------ console, image
    def get_console_output(self, context: Any, instance: Any) -> str:
        return Machine(instance.uuid).console()[-100000:].decode("ascii", "ignore")

    def snapshot(self, context: Any, instance: Any, image_id: str, update_task_state: Any) -> None:
        """A new root file system named after the new image."""
        from nova.image import glance

        update_task_state(task_state=task_states.IMAGE_PENDING_UPLOAD)
        update_task_state(task_state=task_states.IMAGE_UPLOADING, expected_state=task_states.IMAGE_PENDING_UPLOAD)
        images = glance.API()
        keep(Machine(instance.uuid).root, rootfs_name(images.get(context, image_id)["name"]))
        stub = io.BytesIO(b"a root file system of the sandbox")
        images.update(context, image_id, {"disk_format": "raw", "container_format": "bare"}, data=stub)

    # ------------------------------------------------------------ volumes, interfaces
    def get_device_name_for_instance(self, instance: Any, bdms: Any, block_device_obj: Any) -> str:
        """/dev/vdb, /dev/vdc...: like libvirt, whatever was asked for."""
        used = {bdm.device_name for bdm in bdms}
        return next(device for c in string.ascii_lowercase[1:] if (device := f"/dev/vd{c}") not in used)

    def attach_volume(
        self,
        context: Any,
        connection_info: Any,
        instance: Any,
        mountpoint: str,
        disk_bus: Any = None,
        device_type: Any = None,
        encryption: Any = None,
    ) -> None:
        data = connection_info["data"]
        Machine(instance.uuid).attach(data["volume_id"], data["path"], mountpoint)

    def detach_volume(
        self, context: Any, connection_info: Any, instance: Any, mountpoint: str, encryption: Any = None
    ) -> None:
        Machine(instance.uuid).detach(connection_info["data"]["volume_id"])

    def extend_volume(self, context: Any, connection_info: Any, instance: Any, requested_size: int) -> None:
        Machine(instance.uuid).grow(connection_info["data"]["volume_id"])

    def attach_interface(self, context: Any, instance: Any, image_meta: Any, vif: Any) -> None:
        self._plug(Machine(instance.uuid), vif)
        wake()

    def detach_interface(self, context: Any, instance: Any, vif: Any) -> None:
        wires.unplug(vif["id"])
