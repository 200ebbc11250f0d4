"""What the sandbox asks of this computer: rights, space, kernel, programs."""

import contextlib
import os
import pathlib
import shutil
import subprocess
from collections.abc import Callable, Iterator

from sandbox import building
from sandbox.shell import FABRIC, ip, namespaces, nft, run

# program -> Debian package
PROGRAMS = {
    "apt-cacher-ng": "apt-cacher-ng",
    "dnsmasq": "dnsmasq-base",
    "ganesha.nfsd": "nfs-ganesha-vfs",
    "haproxy": "haproxy",
    "ip": "iproute2",
    "losetup": "mount",
    "mariadb": "mariadb-client-core",
    "mariadbd": "mariadb-server-core",
    "mkfs.ext4": "e2fsprogs",
    "mmdebstrap": "mmdebstrap",
    "nft": "nftables",
    "openssl": "openssl",
    "rpcbind": "rpcbind",
    "ssh-keygen": "openssh-client",
    "systemd-nspawn": "systemd-container",
}
GRANTED = {
    # What a search engine asks for before it listens to a network.
    "vm/max_map_count": 262144,
    # Each machine's systemd watches files, and all of them are this kernel's one user root: with the usual 128 the
    # thirtieth machine does not boot.
    "fs/inotify/max_user_instances": 8192,
}
POLICY, NOTHING = pathlib.Path("/usr/sbin/policy-rc.d"), "#!/bin/sh\nexit 101\n"
INSTALLING = pathlib.Path("/run/lock/casebook-packages")  # one at a time
WAITING = ("-o", "DPkg::Lock::Timeout=600")  # for others, e.g. the host's own upgrades


def check_root() -> None:
    if os.geteuid() != 0:
        raise RuntimeError("the sandbox boots machines and makes networks, which needs root: run it with sudo")


def check_kernel() -> None:
    """Try what the sandbox will do, in a namespace of its own; RuntimeError names what this kernel cannot do."""
    if FABRIC in namespaces():
        return
    scratch = "sandbox-check"
    attempts: dict[str, Callable[[], object]] = {
        "overlay file systems (module overlay)": _overlay,
        "bridges (module bridge)": lambda: ip("link", "add", "bridge0", "type", "bridge", ns=scratch),
        "veth pairs (module veth)": lambda: ip(
            "link", "add", "veth0", "type", "veth", "peer", "name", "veth1", ns=scratch
        ),
        "nftables for bridges (module nf_tables)": lambda: nft(
            'table bridge t { chain c { type filter hook forward priority 0; iifname "bridge0" drop; }; }', scratch
        ),
        "nftables with connection tracking (module nft_ct)": lambda: nft(
            "table inet t { chain c { type filter hook forward priority 0; ct state invalid drop; }; }", scratch
        ),
        "filtering of bridged packets (module br_netfilter)": lambda: _bridge_filter(scratch),
        "control groups for memory": _memory_groups,
    }
    ip("netns", "del", scratch, check=False)
    ip("netns", "add", scratch)
    try:
        for what, attempt in attempts.items():
            try:
                attempt()
            except (RuntimeError, OSError) as error:
                raise RuntimeError(f"this kernel has no {what}, which the sandbox needs: {error}") from None
    finally:
        ip("netns", "del", scratch, check=False)


def grant() -> None:
    """What a machine's package asks of its kernel, which is this host's: raised for good, and never lowered."""
    for name, least in GRANTED.items():
        setting = pathlib.Path("/proc/sys") / name
        if int(setting.read_text()) < least:
            setting.write_text(str(least))


def _load(module: str) -> None:
    """It may be built in, or this host may have no modules: the attempt that follows tells."""
    if shutil.which("modprobe"):
        run("modprobe", "--quiet", module, check=False)


def _overlay() -> None:
    _load("overlay")
    if "overlay" not in pathlib.Path("/proc/filesystems").read_text():
        raise RuntimeError("it is not in /proc/filesystems")


def _bridge_filter(ns: str) -> None:
    _load("br_netfilter")
    run("ip", "netns", "exec", ns, "sysctl", "-q", "-w", "net.bridge.bridge-nf-call-iptables=1")


def _memory_groups() -> None:
    groups = pathlib.Path("/proc/cgroups").read_text()
    if not any(line.split()[0] == "memory" and line.split()[3] == "1" for line in groups.splitlines()):
        raise RuntimeError("/proc/cgroups does not list memory as enabled")


def missing_packages() -> list[str]:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    return sorted({package for program, package in PROGRAMS.items() if not shutil.which(program, path=path)})


def install(packages: list[str]) -> None:
    """Install Debian packages without starting or enabling the services that some of them bring."""
    with building.alone(INSTALLING, "this computer's packages"), _nothing_starts():
        for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *packages]):
            done = subprocess.run(
                ["apt-get", *WAITING, *command],
                check=False,
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                capture_output=True,
                text=True,
            )
            if done.returncode:
                said = done.stderr.strip().splitlines()
                raise RuntimeError(
                    f"apt-get {command[0]} failed: {said[-1] if said else done.returncode}; the first start needs "
                    "the package sources of this host: check its network, then start again"
                )
    for package in packages:
        run("systemctl", "disable", "--quiet", f"{package}.service", check=False)


@contextlib.contextmanager
def _nothing_starts() -> Iterator[None]:
    """No package starts a service; the host's own rule stays, and that of an installation that was killed goes."""
    mine = not POLICY.exists() or POLICY.read_text() == NOTHING
    if mine:
        building.write(POLICY, NOTHING, 0o755)
    try:
        yield
    finally:
        if mine:
            POLICY.unlink()
