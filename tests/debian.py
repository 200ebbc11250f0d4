"""The machines' Debian for checks: what they run are the daemons and clients that machines have, not this host's.

    python -m tests.debian      make it, unless it is there

It is a root file system that nothing changes. Whoever runs a program of it sees it below a layer in memory of their
own, with this host's network, processes, devices and /tmp. A check that calls `haproxy` finds on its PATH a link of
that name (:data:`BIN`) to a script that does so.
"""

import hashlib
import inspect
import sys
from pathlib import Path

from pulumi_casebook.core.debian import PHP
from sandbox import HOME, building, host, packages, rootfs
from sandbox.shell import run

# Those whose programs checks call by name.
CALLED = f"""
bind9-dnsutils fail2ban galera-arbitrator-4 gpg gpg-agent gpgconf haproxy iptables keepalived libfcgi-bin logrotate
mariadb-backup mariadb-client mariadb-client-core mariadb-server mariadb-server-core nftables nginx nmap openssh-client
openssh-server php{PHP}-fpm postfix prometheus prometheus-alertmanager prometheus-blackbox-exporter
prometheus-node-exporter promtool rclone restic rsync rsyslog sudo suricata systemd unbound wireguard-go
wireguard-tools zstd
""".split()
# What boxes need beside them, and what has no program of its own.
MORE = f"""
apache2 ca-certificates curl iproute2 iputils-ping libapache2-mod-php{PHP} libnginx-mod-http-image-filter memcached
netbase openssl php{PHP}-gd php{PHP}-memcached php{PHP}-mysql php{PHP}-opcache procps python3 python3-pymysql
python3-systemd rsyslog-elasticsearch rsyslog-relp socat suricata-update tomcat10 tzdata
""".split()
# Gives the process that runs it, and those it starts, the view: of the root $1, with this host's folder $2 if there is
# one. In a mount namespace of its own.
VIEW = """
set -e
mount -t tmpfs layer "$1/mnt"
mkdir "$1/mnt/upper" "$1/mnt/work" "$1/mnt/view"
mount -t overlay view -o "lowerdir=$1,upperdir=$1/mnt/upper,workdir=$1/mnt/work" "$1/mnt/view"
cd "$1/mnt/view"
for shared in /proc /sys /dev /tmp $2; do
    mkdir -p ".$shared"
    mount --rbind "$shared" ".$shared"
done
pivot_root . mnt
umount --lazy /mnt
"""
ENTER = f"""\
#!/bin/sh
# Runs the program of the name that it is called by, on the machines' Debian.
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin exec unshare --mount -- sh -c '
{VIEW}cd "$3" 2>/dev/null || cd /
program=/usr/sbin/$4
[ -x "$program" ] || program=/usr/bin/$4
shift 4
exec "$program" "$@"' enter "${{0%/*}}/../root" "" "$PWD" "${{0##*/}}" "$@"
"""
PLACES = {Path(folder) for folder in ("/usr/bin", "/usr/sbin", "/bin", "/sbin")}


def _recipe() -> str:
    parts = [CALLED, MORE, ENTER, packages.sources(), inspect.getsource(rootfs.bootstrap)]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


FOLDER = HOME / "tests" / f"{rootfs.IMAGE}-{_recipe()}"
ROOT, BIN = FOLDER / "root", FOLDER / "bin"


def make() -> None:
    """Make it, unless it is there."""
    if not FOLDER.exists() and "mmdebstrap" in host.missing_packages():
        host.install(["mmdebstrap"])
    building.built(FOLDER, _fill, f"the tests' daemons ({rootfs.IMAGE})", 2)


def _fill(draft: Path) -> None:
    root, bin_ = draft / "root", draft / "bin"
    bin_.mkdir(parents=True)
    rootfs.bootstrap(root, [*CALLED, *MORE], packages.sources())
    (root / "run/sshd").mkdir()
    # The names of users are the machines', too.
    (bin_ / "chown").symlink_to("../enter")
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    enter = bin_.parent / "enter"
    enter.write_text(ENTER)
    enter.chmod(0o755)
    for file in run("chroot", root, "dpkg", "--listfiles", *CALLED).split():
        path = Path(file)
        if path.parent in PLACES:
            (bin_ / path.name).unlink(missing_ok=True)
            (bin_ / path.name).symlink_to("../enter")


if __name__ == "__main__":
    try:
        make()
    except RuntimeError as error:
        sys.exit(f"tests: {error}")
