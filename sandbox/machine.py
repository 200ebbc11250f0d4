"""A machine: its disk laid over a root file system, booted by systemd-nspawn.

It knows nothing of clouds: instances, dedicated servers and VPS are all machines.  A machine is a directory
(MACHINES/<name>), a control group in each hierarchy, and a network namespace (machine-<name>) that outlives
reboots; while the machine is off its interfaces are down, and have no addresses.  Its processes do not depend on the
process that started them.  It shares the kernel: /proc/meminfo shows the host's memory, whatever the machine may use.
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Mapping
from typing import TypedDict

from sandbox import MACHINES, ROOTFS
from sandbox.shell import run
from sandbox.wires import MACHINE, is_uuid

CGROUP = pathlib.Path("/sys/fs/cgroup")
# A machine is granted the memory it was sold divided by this: many of them share one computer.
MEMORY_SCALE = 4
# In a file system of its own: a machine fills its disk and nobody else's. The file holds only what was written. It is
# as safe as the host's memory: power that a machine loses is never this host's.
FRESH = "nodiscard,lazy_itable_init=1,lazy_journal_init=1"  # zeroes that are there already need not be written
DISK_OPTIONS = "loop,discard,nobarrier,noinit_itable"
# The namespace would go on answering ARP and ping for a machine that is off, and let the next boot find what only the
# last one knew: addresses, packet filters.
DARK = """
ip -n $NS address flush scope global
ip -n $NS link set group default down
ip netns exec $NS nft flush ruleset
"""
# A machine that asks for a reboot makes nspawn exit with 133: start it again.
BOOT = f"""
exec >>"$DIR/console.log" 2>&1 </dev/null
for group in $(cat "$DIR/cgroups"); do echo $$ > $group/cgroup.procs; done
while :; do
    systemd-nspawn "$@"
    status=$?
    {DARK}
    [ $status = 133 ] || break
done
[ $status != 0 ] || rm -f "$DIR/on"
"""


class Volume(TypedDict):
    """A file that the machine sees as the block device `device`."""

    id: str
    path: str
    device: str


class Machine:
    """`name` is a host name; an instance's is its UUID, others have a prefix of their owner's."""

    def __init__(self, name: str) -> None:
        self.name, self.dir, self.ns = name, MACHINES / name, MACHINE + name
        self.root = self.dir / "root"
        self.disk, self.image = self.dir / "disk", self.dir / "disk.img"

    # ------------------------------------------------------------ life
    def create(self, rootfs: str, files: Mapping[str, bytes], disk_gb: int) -> None:
        """Make its disk, over a root file system; `files`: path inside the machine -> content.

        LookupError if there is no such root file system.  What an interrupted create left is replaced.
        """
        lower = (ROOTFS / rootfs).resolve()
        if not lower.is_dir():
            raise LookupError(f"no root file system {lower}")
        self.destroy()
        for directory in (self.root, self.disk):
            directory.mkdir(parents=True)
        with self.image.open("wb") as image:
            image.truncate(disk_gb * 10**9)
        run("mkfs.ext4", "-q", "-m", 0, "-i", 65536, "-J", "size=64", "-E", FRESH, self.image)
        (self.dir / "rootfs").write_text(str(lower))
        self._mount()
        for path, content in files.items():
            target = self.root / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        (self.dir / "made").touch()

    def exists(self) -> bool:
        return (self.dir / "made").exists()

    def limit(self, memory_mb: int, vcpus: int) -> None:
        """Memory as sold, in MiB (scaled down here), and processors; in force from the next boot."""
        (self.dir / "limits").write_text(json.dumps([memory_mb // MEMORY_SCALE, vcpus]))

    def boot(self) -> None:
        """Switch it on, and return when it runs; its namespace must exist."""
        if self.running():
            return
        self._mount()
        self._make_cgroups()
        binds = [f"--bind={self._open_volume(v)}:{v['device']}" for v in self.volumes()]
        identity = self.name if is_uuid(self.name) else uuid.uuid5(uuid.NAMESPACE_DNS, self.name)
        options = [
            "--quiet",
            "--settings=no",
            "--register=no",
            "--keep-unit",
            "--boot",
            f"--directory={self.root}",
            f"--machine={self.name}",
            f"--uuid={identity}",
            "--console=read-only",
            f"--network-namespace-path=/run/netns/{self.ns}",
            "--resolv-conf=off",
            "--timezone=off",
            "--link-journal=no",
            "--capability=CAP_NET_ADMIN",
            # For VPNs of user space: this kernel need not have WireGuard.
            "--bind=/dev/net/tun",
            # Root inside is root outside: with it, it could open the host's disks.
            "--drop-capability=CAP_MKNOD",
            # The NFS client is a program here (sandbox/mount_nfs.py).
            "--bind=/dev/fuse",
        ]
        subprocess.run(
            ["setsid", "--fork", "sh", "-c", BOOT, "machine", *options, *binds],
            check=True,
            cwd="/",
            umask=0o022,
            env={
                "PATH": os.environ["PATH"],
                "DIR": str(self.dir),
                "NS": self.ns,
                "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network",
                # systemd 257 boots on nothing else, whatever this host's own has.
                "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
            },
        )
        (self.dir / "on").touch()
        # Nova asks for the power state at once.
        self._wait(running=True, timeout=5)

    def fell(self) -> bool:
        """Whether it ended though nobody, neither itself nor its cloud, switched it off."""
        return (self.dir / "on").exists() and not self.running()

    def running(self) -> bool:
        try:
            return "populated 1" in (self._unified() / "cgroup.events").read_text()
        except OSError:
            return False

    def stop(self, timeout: float) -> None:
        """Ask the machine to power off; pull the plug after `timeout` seconds."""
        leader = self.leader()
        if leader:
            os.kill(leader, signal.SIGRTMIN + 4)
            self._wait(running=False, timeout=timeout)
        self.kill()

    def kill(self) -> None:
        """Power loss: every process is gone at once."""
        (self.dir / "on").unlink(missing_ok=True)
        if self.running():
            (self._unified() / "cgroup.kill").write_text("1")
            self._wait(running=False, timeout=10)
        # A kernel may kill whoever is started into a group that was killed once; the next boot makes new ones.
        self._remove_cgroups()
        run("env", f"NS={self.ns}", "sh", "-c", DARK, check=False)
        for volume in self.volumes():
            self._close_volume(volume)

    def freeze(self, frozen: bool) -> None:
        """A machine that hangs: it holds its addresses and answers nothing."""
        (self._unified() / "cgroup.freeze").write_text("1" if frozen else "0")

    def put_away(self) -> None:
        """Off, and nothing left but its directory: boot() brings it back."""
        self.kill()
        for mounted in (self.root, self.disk):
            run("umount", "--lazy", mounted, check=False)

    def destroy(self) -> None:
        self.put_away()
        for leftover in (f"propagate/{self.name}", f"unix-export/{self.name}"):
            shutil.rmtree(pathlib.Path("/run/systemd/nspawn") / leftover, ignore_errors=True)
        shutil.rmtree(self.dir, ignore_errors=True)

    def console(self) -> bytes:
        try:
            return (self.dir / "console.log").read_bytes()
        except OSError:
            return b""

    def memory(self) -> int:
        """Bytes in use; 0 if it is off."""
        for group in self._groups():
            for name in ("memory.current", "memory.usage_in_bytes"):
                if (group / name).exists():
                    return int((group / name).read_text())
        return 0

    def leader(self) -> int | None:
        """The machine's process 1, as the host numbers it."""
        for procs in self._unified().rglob("cgroup.procs"):
            for pid in procs.read_text().split():
                try:
                    status = pathlib.Path(f"/proc/{pid}/status").read_text()
                except OSError:
                    continue
                if status.split("NSpid:")[1].splitlines()[0].split()[1:] == ["1"]:
                    return int(pid)
        return None

    # ------------------------------------------------------------ volumes
    def volumes(self) -> list[Volume]:
        return [json.loads(file.read_text()) for file in sorted(self.dir.glob("volume-*"))]

    def attach(self, volume_id: str, path: str, device: str) -> None:
        volume: Volume = {"id": volume_id, "path": path, "device": device}
        (self.dir / f"volume-{volume_id}").write_text(json.dumps(volume))
        leader = self.leader()
        if leader:
            loop = self._open_volume(volume)
            self._inside(leader, "mknod", "--mode=660", device, "b", *_numbers(loop))

    def detach(self, volume_id: str) -> None:
        for volume in self.volumes():
            if volume["id"] == volume_id:
                leader = self.leader()
                if leader:  # a file system still mounted would keep the loop device
                    device = volume["device"]
                    undo = f"umount --all-targets --lazy {device}; umount {device}; rm -f {device}"
                    self._inside(leader, "sh", "-c", undo)
                self._close_volume(volume)
                (self.dir / f"volume-{volume_id}").unlink()

    def grow(self, volume_id: str) -> None:
        """The volume's file has become longer."""
        for volume in self.volumes():
            loop = _loop_device(volume)
            if volume["id"] == volume_id and loop:
                run("losetup", "--set-capacity", loop)

    def _inside(self, leader: int, *command: object) -> None:
        run("nsenter", "--target", leader, "--mount", "--root", *command, check=False)

    def _open_volume(self, volume: Volume) -> str:
        return _loop_device(volume) or run("losetup", "--find", "--show", volume["path"]).strip()

    def _close_volume(self, volume: Volume) -> None:
        loop = _loop_device(volume)
        if loop:
            run("losetup", "--detach", loop, check=False)

    # ------------------------------------------------------------ inner workings
    def _mount(self) -> None:
        if not os.path.ismount(self.root):
            if not os.path.ismount(self.disk):
                run("mount", "-o", DISK_OPTIONS, self.image, self.disk)
            for name in ("upper", "work"):
                (self.disk / name).mkdir(exist_ok=True)
            lower = (self.dir / "rootfs").read_text()
            layers = f"lowerdir={lower},upperdir={self.disk}/upper,workdir={self.disk}/work"
            run("mount", "-t", "overlay", "overlay", "-o", layers, self.root)

    def _wait(self, *, running: bool, timeout: float) -> None:
        end = time.monotonic() + timeout
        while self.running() != running and time.monotonic() < end:
            time.sleep(0.02)

    def _unified(self) -> pathlib.Path:
        """The machine's group in the version 2 hierarchy."""
        base = CGROUP if (CGROUP / "cgroup.controllers").exists() else CGROUP / "unified"
        return base / "sandbox" / self.name

    def _make_cgroups(self) -> None:
        """Without a group of its own a machine's systemd would meet the other machines'."""
        memory_mb, vcpus = json.loads((self.dir / "limits").read_text())
        unified = self._unified()
        limits: dict[pathlib.Path, dict[str, object]]
        if unified.parent.parent == CGROUP:  # version 2 only
            limits = {unified: {"memory.max": memory_mb << 20, "cpu.max": f"{vcpus * 100000} 100000"}}
            unified.mkdir(parents=True, exist_ok=True)
            for group in (CGROUP, unified.parent):
                (group / "cgroup.subtree_control").write_text("+cpu +memory")
        else:  # version 1, and 2 for systemd
            limits = {
                unified: {},
                CGROUP / "memory/sandbox" / self.name: {"memory.limit_in_bytes": memory_mb << 20},
                CGROUP / "cpu/sandbox" / self.name: {"cpu.cfs_quota_us": vcpus * 100000},
            }
        for group, values in limits.items():
            group.mkdir(parents=True, exist_ok=True)
            for key, value in values.items():
                (group / key).write_text(str(value))
        (self.dir / "cgroups").write_text("\n".join(map(str, limits)))

    def _groups(self) -> list[pathlib.Path]:
        try:
            return [pathlib.Path(group) for group in (self.dir / "cgroups").read_text().split()]
        except OSError:
            return []

    def _remove_cgroups(self) -> None:
        # nspawn makes a mirror of the version 2 group for systemd's version 1 hierarchy.
        for group in [*self._groups(), CGROUP / "systemd/sandbox" / self.name]:
            for directory, _, _ in os.walk(group, topdown=False):
                for _ in range(20):
                    try:
                        pathlib.Path(directory).rmdir()
                        break
                    except OSError:  # its last process is still on its way out
                        time.sleep(0.05)


def _loop_device(volume: Volume) -> str | None:
    return run("losetup", "--associated", volume["path"], "--noheadings", "--output=NAME", check=False).strip() or None


def _numbers(device: str) -> tuple[int, int]:
    number = pathlib.Path(device).stat().st_rdev
    return os.major(number), os.minor(number)
