"""The OpenStack daemons: what runs, and how one sees that it answers."""

import os

from sandbox import DATA, ETC, REPOSITORY, RUN, STATE
from sandbox.openstack import venv
from sandbox.openstack.configuration import DATABASE_SOCKET, PORTS, S3_PORTS, SWIFT_URL, URL
from sandbox.processes import Daemon, answers
from sandbox.shell import run, wake

PLUGINS = STATE / "plugins"
# A server that starts removes the temporary tables of every other one that has the same folder for them.
DATABASE_OPTIONS = ("--no-defaults", f"--datadir={DATA}/mysql", f"--tmpdir={DATA}/mysql", "--user=root")
# Neutron and Octavia find drivers by entry points, so these look like an installed distribution.
ENTRY_POINTS = """\
[neutron.ml2.mechanism_drivers]
sandbox = sandbox.openstack.ml2_driver:Driver
[octavia.network.drivers]
sandbox = sandbox.openstack.octavia_network:Driver
[octavia.amphora.drivers]
sandbox = sandbox.openstack.octavia_driver:Driver
"""


def write_entry_points() -> None:
    directory = PLUGINS / "sandbox_openstack-1.0.dist-info"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "METADATA").write_text("Metadata-Version: 2.1\nName: sandbox-openstack\nVersion: 1.0\n")
    (directory / "entry_points.txt").write_text(ENTRY_POINTS)


def environment() -> dict[str, str]:
    """What every Python process of the control planes needs."""
    home = venv.path()
    return {
        "CASEBOOK_HOME": str(STATE.parent),
        "PYTHONPATH": f"{PLUGINS}:{REPOSITORY}",
        "PYTHONWARNINGS": "ignore",
        "PYTHONUNBUFFERED": "1",
        # Neutron changes its process title, which would overwrite the environment and with it the part's mark.
        "SPT_NOENV": "1",
        "PATH": f"{home}/bin:/usr/sbin:/sbin:{os.environ['PATH']}",
        "XDG_CACHE_HOME": str(STATE / "cache"),
        "OS_KEYSTONE_CONFIG_FILES": str(ETC / "keystone.conf"),
        "OS_GLANCE_CONFIG_DIR": str(ETC),
        "OS_PLACEMENT_CONFIG_DIR": str(ETC),
        "OS_NOVA_CONFIG_FILES": f"{home}/etc/nova/api-paste.ini;{ETC}/nova.conf",
        "OS_NEUTRON_CONFIG_FILES": str(ETC / "neutron.conf"),
    }


def database(durable: bool = True) -> Daemon:
    """`durable`: what was committed survives a power loss.  It costs time that a first filling can save."""
    speed = [] if durable else ["--innodb-flush-method=nosync", "--innodb-doublewrite=0"]
    # MariaDB 10.11 has crashed here once, after an hour, in a temporary table; nothing is lost with it.
    again_after_a_signal = ["sh", "-c", 'while "$@"; [ $? -gt 128 ]; do sleep 1; done', "sh"]
    command = [
        *again_after_a_signal,
        "mariadbd",
        *DATABASE_OPTIONS,
        f"--socket={DATABASE_SOCKET}",
        "--skip-networking",
        # Its socket is in a directory of root's.
        "--skip-grant-tables",
        "--skip-log-bin",
        f"--innodb-flush-log-at-trx-commit={2 if durable else 0}",
        *speed,
        "--innodb-buffer-pool-size=192M",
        "--innodb-log-file-size=64M",
        "--innodb-lock-wait-timeout=20",
        "--performance-schema=OFF",
        "--max-connections=1000",
        "--table-open-cache=2000",
        "--character-set-server=utf8mb3",
        f"--pid-file={RUN}/mariadb.pid",
    ]
    return Daemon("mariadb", command, _database_answers)


def _database_answers() -> bool:
    # With no more than mariadb-client-core has.
    return sql("SELECT 1", check=False) != ""


def sql(statement: str, *, check: bool = True) -> str:
    return run("mariadb", "--no-defaults", f"--socket={DATABASE_SOCKET}", "--batch", "-e", statement, check=check)


def services() -> list[Daemon]:
    """Those with an API."""
    swift = [f"{ETC}/swift-{kind}.conf:{PORTS[f'swift-{kind}']}" for kind in ("account", "container", "object")]
    swift += [f"{ETC}/swift-proxy-{region}.conf:{port}" for region, port in S3_PORTS.items()]
    swift_ports = [port for name, port in PORTS.items() if name.startswith("swift-")]
    return [
        # The slowest first.
        _api("nova", "nova.wsgi.osapi_compute:application", 12, workers="nova_services"),
        _api("neutron", "neutron.wsgi.api:application", 12),
        _api(
            "octavia",
            "octavia.wsgi.api:application",
            8,
            "--config-file",
            f"{ETC}/octavia.conf",
            workers="octavia_services",
        ),
        _api(
            "cinder", "cinder.wsgi.api:application", 6, "--config-file", f"{ETC}/cinder.conf", workers="cinder_services"
        ),
        _api("keystone", "keystone.wsgi.api:application", 8),
        _api("placement", "placement.wsgi.api:application", 8),
        _api("glance", "glance.wsgi.api:application", 4),
        Daemon(
            "swift",
            [venv.path() / "bin/python", "-m", "sandbox.openstack.serve_swift", *swift],
            lambda: answers(f"{SWIFT_URL}/healthcheck"),
            environment(),
            [("127.0.0.1", port) for port in [*swift_ports, *S3_PORTS.values()]],
        ),
    ]


def fabric() -> Daemon:
    """It has no API; it answers by listening for news."""
    command = [venv.path() / "bin/python", "-m", "sandbox.openstack.fabric"]
    return Daemon("fabric", command, wake, environment())


def _api(name: str, application: str, threads: int, *arguments: str, workers: str | None = None) -> Daemon:
    port = PORTS[name]
    inside = ["--workers", f"sandbox.openstack.{workers}"] if workers else []
    command = [venv.path() / "bin/python", "-m", "sandbox.openstack.serve", application, port, threads]
    return Daemon(
        name, [*command, *inside, *arguments], lambda: answers(URL[name]), environment(), [("127.0.0.1", port)]
    )
