"""The machines' root file system: Debian like a cloud image, made by mmdebstrap.

It takes the mirror and the trust of this host, so that it needs no registry of its own.
"""

import hashlib
import pathlib
import re
import shutil
import subprocess
from collections.abc import Sequence

from sandbox import CODENAME, GATEWAY, RELEASE, ROOTFS, building, packages, shelf
from sandbox.shell import run

IMAGE = f"debian-{RELEASE}"  # of the image called "Debian 13"
PACKAGES = [
    "apt",
    "ca-certificates",
    "cloud-init",
    "curl",
    "dbus",
    "e2fsprogs",
    "iproute2",
    "iputils-ping",
    "kmod",
    "less",
    "libnfs14",
    "libnss-myhostname",
    "linux-sysctl-defaults",
    "netbase",
    "nftables",
    "openssh-server",
    "procps",
    "python3",
    "python3-apt",
    "python3-fusepy",
    "rsync",
    "sudo",
    "systemd",
    "systemd-sysv",
]
# A machine is a container: no kernel, clock, disks or consoles of its own.
MASKED = [
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "cloud-init-hotplugd.socket",
    "console-getty.service",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty.target",
    "systemd-networkd-wait-online.service",
    "systemd-pstore.service",
    "systemd-timesyncd.service",
    "systemd-udevd.service",
]
PROXY = f'Acquire::http::Proxy "http://{GATEWAY}:{packages.PORT}"'
FILES = {
    # An RSA key would cost more than all the rest of the first boot.
    "etc/cloud/cloud.cfg.d/90_sandbox.cfg": """\
datasource_list: [ConfigDrive, NoCloud, None]
apt: {preserve_sources_list: true}
locale: C.UTF-8
growpart: {mode: "off"}
resize_rootfs: false
ssh_genkeytypes: [ed25519]
""",
    "etc/apt/apt.conf.d/90sandbox": f"""\
{PROXY};
Acquire::http::Proxy::{GATEWAY} "DIRECT";
// The shelf may have to make first what it is asked for.
Acquire::http::Timeout "600";
Acquire::Languages "none";
APT::Keep-Downloaded-Packages "false";
""",
    "etc/apt/sources.list.d/shelf.list": f"{shelf.SOURCE}\n",
    "etc/dpkg/dpkg.cfg.d/90sandbox": """\
force-unsafe-io
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/man/*
path-exclude=/usr/share/locale/*
""",
}
# Where nfs-common would put the client of a kernel that has one: dpkg knows it below /usr, not by the link /sbin.
MOUNT_NFS, MOUNT_NFS_PROGRAM = "/usr/sbin/mount.nfs", pathlib.Path(__file__).with_name("mount_nfs.py")
HOST_TRUST = pathlib.Path("/usr/local/share/ca-certificates")


def recipe(authority: str) -> str:
    """A digest of all that the image is made from; `authority`: the sandbox's own certificate authority."""
    parts = [PACKAGES, MASKED, FILES, packages.cached(), authority]
    parts += [pathlib.Path(__file__).read_text(), MOUNT_NFS_PROGRAM.read_text()]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def is_made(authority: str) -> bool:
    return (ROOTFS / IMAGE).resolve().name == _name(authority)


def make(authority: str) -> None:
    """Make the image of the present recipe.

    The image's name is a link; machines stand on what it points to, so that what exists keeps its ground.
    """

    def fill(draft: pathlib.Path) -> None:
        bootstrap(draft, PACKAGES, packages.cached(), f"--aptopt={PROXY}")
        _configure(draft, authority)

    made = building.built(ROOTFS / _name(authority), fill, "the machines' root file system", 1)
    building.link(ROOTFS / IMAGE, made.name)


def keep(root: pathlib.Path, name: str) -> None:
    """Make an image of what a machine holds now."""
    if (ROOTFS / name).exists():
        raise FileExistsError(f"there is an image {name} already")

    def copy(draft: pathlib.Path) -> None:
        run("cp", "-a", root, draft)
        shutil.rmtree(draft / "var/lib/cloud")

    building.built(ROOTFS / name, copy, f"the image {name}", 1)


def _name(authority: str) -> str:
    return f"{IMAGE}-{recipe(authority)}"


def bootstrap(root: pathlib.Path, names: Sequence[str], sources: str, *options: str) -> None:
    """Debian with the packages of these names and what they need, no more."""
    command = [
        "mmdebstrap",
        "--quiet",
        "--variant=minbase",
        # The package lists stay: a first apt-get install needs no update.
        "--skip=cleanup/apt/lists",
        # Java's packages put links there, their pages left out or not, and fail where they cannot.
        '--essential-hook=mkdir -p "$1/usr/share/man/man1"',
        f"--include={','.join(names)}",
        *(f"--dpkgopt={line}" for line in FILES["etc/dpkg/dpkg.cfg.d/90sandbox"].splitlines()),
        *options,
        CODENAME,
        str(root),
        "-",
    ]
    done = subprocess.run(command, check=False, input=sources, capture_output=True, text=True)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if re.match("E:|dpkg: error", line)] or ["it said nothing"]
        raise RuntimeError(
            f"mmdebstrap could not make a root file system of Debian {RELEASE}: {errors[0]}; the first start needs the "
            "package sources of this host: check its network, then start again"
        )


def _configure(root: pathlib.Path, authority: str) -> None:
    for path, text in FILES.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    run("chroot", root, "dpkg-divert", "--local", "--no-rename", "--divert", f"{MOUNT_NFS}.kernel", "--add", MOUNT_NFS)
    shutil.copyfile(MOUNT_NFS_PROGRAM, root / MOUNT_NFS.lstrip("/"))
    (root / MOUNT_NFS.lstrip("/")).chmod(0o755)
    trusted = root / "usr/local/share/ca-certificates"
    if HOST_TRUST.is_dir():
        shutil.copytree(HOST_TRUST, trusted, dirs_exist_ok=True)
    (trusted / "sandbox.crt").write_text(authority)
    run("chroot", root, "update-ca-certificates", "--fresh")
    for unit in MASKED:
        (root / "etc/systemd/system" / unit).unlink(missing_ok=True)
        (root / "etc/systemd/system" / unit).symlink_to("/dev/null")
    run("chroot", root, "systemctl", "enable", "--quiet", "systemd-networkd.service")
    # apt would make them on every machine.
    run("chroot", root, "apt-cache", "gencaches")
    (root / "etc/machine-id").write_text("")
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    for name in ("hostname", "resolv.conf"):
        (root / "etc" / name).unlink(missing_ok=True)
