"""The control planes' first set-up: databases, identities, catalogue, and a snapshot of it.

The snapshot is the empty account: `reset` goes back to it, and a set-up that was interrupted is begun anew.
"""

import concurrent.futures
import hashlib
import inspect
import os
import pathlib
import shutil
import subprocess
from collections.abc import Callable, Mapping

from sandbox import DATA, ETC, LOG, STATE, building, processes
from sandbox.openstack import catalogue, configuration, daemons, venv
from sandbox.openstack.configuration import AUTH_URL, DATABASES, HOME_REGION, PORTS, RINGS, RPC
from sandbox.openstack.secrets import Secrets
from sandbox.shell import run

SNAPSHOT = STATE / "snapshot"
GIB = 0.3
DIRECTORIES = [
    "certificates",
    "cinder",
    "credential",
    "fernet",
    "glance",
    "glance-staging",
    "glance-tasks",
    "lock",
    "neutron",
    "nova/instances",
    "rings",
    "swift/d1",
]


def recipe() -> str:
    """A digest of what the snapshot is made from: releases, catalogue, addresses."""
    addresses = repr((configuration.REGIONS, catalogue.SERVICES, configuration.COMPUTE_HOSTS))
    parts = [venv.LOCK.read_text(), inspect.getsource(catalogue), addresses]
    return hashlib.sha256("".join(parts).encode()).hexdigest()[:12]


def is_done() -> bool:
    return (SNAPSHOT / recipe()).exists()


def snapshots() -> list[pathlib.Path]:
    """Of this release, or of an earlier one."""
    return list(SNAPSHOT.glob("[!.]*"))


def restore() -> None:
    """Back to the empty account."""
    building.built(DATA, lambda draft: _copy(SNAPSHOT / recipe(), draft), "the empty account", GIB)


def first(secrets: Secrets, say: Callable[[str], None]) -> None:
    """Make the databases and the catalogue; leaves the services running."""

    def make(draft: pathlib.Path) -> None:
        _fill(secrets, say)
        # The services wait for their database while it is copied.
        processes.end({"mariadb"})
        _copy(DATA, draft)
        processes.start([daemons.database()], 60, say)

    for old in snapshots():
        shutil.rmtree(old)
    building.built(SNAPSHOT / recipe(), make, "the control planes", 2 * GIB)


def _copy(source: pathlib.Path, target: pathlib.Path) -> None:
    run("cp", "-a", "--reflink=auto", source, target)


def _fill(secrets: Secrets, say: Callable[[str], None]) -> None:
    processes.end({"mariadb", "fabric", *(service.name for service in daemons.services())})
    shutil.rmtree(DATA, ignore_errors=True)
    for name in DIRECTORIES:
        (DATA / name).mkdir(parents=True)
    for name in ("certificates", "credential", "fernet"):
        (DATA / name).chmod(0o700)
    _run("mariadb-install-db", *daemons.DATABASE_OPTIONS, "--skip-test-db")
    processes.start([daemons.database(durable=False)], 60, say)
    daemons.sql("".join(f"CREATE DATABASE {name} CHARACTER SET utf8mb3;" for name in DATABASES))
    by_name = {service.name: service for service in daemons.services()}
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        identity = pool.submit(_keystone, secrets)
        # The slowest first.
        jobs = [pool.submit(job) for job in (_neutron, _nova, _octavia, _cinder, _glance, _placement, _rings)]
        jobs.append(pool.submit(_octavia_authority, secrets))
        identity.result()
        processes.start([by_name["keystone"]], 90, say)
        _catalogue("identity")
        for job in jobs:
            job.result()
    say("databases made")
    processes.start(by_name.values(), 180, say)
    _catalogue("offer")
    say("catalogue filled")


def _manage(program: str, *arguments: object, environment: Mapping[str, str] | None = None) -> None:
    """RuntimeError if a project's management command fails."""
    _run(venv.path() / "bin" / program, *arguments, environment={**daemons.environment(), **(environment or {})})


def _run(program: str | pathlib.Path, *arguments: object, environment: Mapping[str, str] | None = None) -> None:
    """What the program says goes to a file."""
    with (LOG / "setup.out").open("ab") as out:
        command = [str(word) for word in (program, *arguments)]
        variables = {**os.environ, **(environment or {})}
        done = subprocess.run(command, check=False, stdout=out, stderr=out, env=variables)
    if done.returncode:
        name = pathlib.Path(program).name
        raise RuntimeError(f"{name} {' '.join(map(str, arguments[-2:]))} failed; see {LOG}/setup.out")


def _configured(service: str) -> tuple[str, pathlib.Path]:
    return "--config-file", ETC / f"{service}.conf"


def _neutron() -> None:
    _manage("neutron-db-manage", *_configured("neutron"), "upgrade", "heads")


def _octavia() -> None:
    _manage("octavia-db-manage", *_configured("octavia"), "upgrade", "head")


def _cinder() -> None:
    _manage("cinder-manage", *_configured("cinder"), "db", "sync")


def _glance() -> None:
    _manage("glance-manage", *_configured("glance-api"), "db_sync")


def _placement() -> None:
    _manage("placement-manage", *_configured("placement"), "db", "sync")


def _nova() -> None:
    def manage(*arguments: object) -> None:
        _manage("nova-manage", *_configured("nova"), *arguments)

    def url(name: str) -> str:
        return f"mysql+pymysql://root@localhost/{name}?unix_socket={configuration.DATABASE_SOCKET}&charset=utf8"

    manage("api_db", "sync")
    manage("cell_v2", "map_cell0", "--database_connection", url("nova_cell0"))
    manage("db", "sync")
    manage("cell_v2", "create_cell", "--name", "cell1", "--database_connection", url("nova"), "--transport-url", RPC)


def _keystone(secrets: Secrets) -> None:
    keystone = _configured("keystone")
    _manage("keystone-manage", *keystone, "db_sync")
    for what in ("fernet_setup", "credential_setup"):
        _manage("keystone-manage", *keystone, what, "--keystone-user", "root", "--keystone-group", "root")
    urls = [f"--bootstrap-{kind}-url={AUTH_URL}" for kind in ("admin", "public", "internal")]
    bootstrap = ["bootstrap", "--bootstrap-region-id", HOME_REGION, *urls]
    # Not as an argument: others see arguments.
    _manage("keystone-manage", *keystone, *bootstrap, environment={"OS_BOOTSTRAP_PASSWORD": secrets.admin})


def _rings() -> None:
    for kind in ("account", "container", "object"):
        builder = RINGS / f"{kind}.builder"
        _manage("swift-ring-builder", builder, "create", 4, 1, 1)
        _manage("swift-ring-builder", builder, "add", f"r1z1-127.0.0.1:{PORTS[f'swift-{kind}']}/d1", 1)
        _manage("swift-ring-builder", builder, "rebalance")


def _octavia_authority(secrets: Secrets) -> None:
    """Octavia wants an authority of its own; the certificates it gives are for amphorae, which are none here."""
    passphrase = STATE / "passphrase"
    passphrase.touch(mode=0o600)
    passphrase.write_text(secrets.authority)
    try:
        files = ["-keyout", DATA / "octavia-ca.key", "-out", DATA / "octavia-ca.pem"]
        subject = ["-days", "3650", "-subj", "/CN=octavia", "-passout", f"file:{passphrase}"]
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", *subject, *files)
    finally:
        passphrase.unlink()


def _catalogue(part: str) -> None:
    _manage("python", "-m", "sandbox.openstack.catalogue", part)
