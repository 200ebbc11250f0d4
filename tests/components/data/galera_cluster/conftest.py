"""Members of a cluster, none started, and a cluster that is formed."""

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pulumi_casebook.data.galera_cluster.args import GaleraClusterArgs
from pulumi_casebook.data.galera_cluster.component import member, peer
from tests.components.data.galera_cluster.cluster import PASSWORD, Member
from tests.components.data.mysql_pair.conftest import empty_server
from tests.components.data.mysql_pair.pair import CLIENT, Network
from tests.components.installed import with_secrets
from tests.components.tls import Authority

__all__ = ["empty_server"]
SECRETS = {
    "application": PASSWORD,
    "replica": "replica'0\"pass#word\\",
    "sst": "sst0password",
    # Letters and digits, as it is drawn: PyMySQL, which reads it as well, undoes no escapes of option files.
    "health": "health0password",
    "valid-until": "2036",
    # Where the members of a test find theirs, they are made.
    **dict.fromkeys(("authority", "certificate", "key"), "made by the test"),
}


def machine(number: int) -> Any:
    return SimpleNamespace(name=f"db-{number}", address=f"10.8.0.{79 + number}")


def arguments(members: int = 3, arbitrators: int = 0, **values: Any) -> GaleraClusterArgs:
    """Arguments of which the machines and the network are stand-ins that declare nothing."""
    machines = [machine(number) for number in range(1, members + arbitrators + 1)]
    given: dict[str, Any] = {
        "machines": tuple(machines[:members]),
        "arbitrators": tuple(machines[members:]),
        "network": SimpleNamespace(cidr="10.8.0.0/24"),
        "clients": (f"{CLIENT}/32",),
        "buffer_pool_mib": 32,
        "gcache_mib": 16,
    }
    return GaleraClusterArgs.model_construct(**{**given, **values})


def moved(text: str, folder: Path) -> str:
    """A file's text with its secrets, and the paths of a test in the place of a machine's."""
    text = with_secrets(text, SECRETS)
    paths = {
        "/etc/galera/authority.crt": f"{folder.parent}/authority.crt",
        "/etc/galera/member": f"{folder.parent}/{folder.name}",
        "/etc/galera": str(folder),
        "/var/lib/galera": f"{folder}/state",
        "/run/mysqld/mysqld.sock": f"{folder}/sock",
        "/run/galera": f"{folder}/run",
        "/var/lib/casebook-metrics": f"{folder}/metrics",
        "/var/lib/mysql": f"{folder}/data",
        '"/usr/sbin/mariadbd"': f'"mariadbd", "--defaults-file={folder}/server.cnf", "--user=root"',
        '"systemctl",\n  "start",\n  "--no-block",\n  "mariadb.service"': f'"{folder}/start"',
        '"systemctl",\n  "kill",\n  "--signal=KILL",\n  "mariadb.service"': f'"{folder}/kill"',
        '"pause": 2': '"pause": 0.3',
        '"notice_seconds": 5': '"notice_seconds": 1',
    }
    for before, after in paths.items():
        text = text.replace(before, after)
    return text


def files_of(args: GaleraClusterArgs, number: int, folder: Path, cluster: str = "database") -> dict[str, str]:
    """The files of a member's two roles."""
    roles = (peer(cluster, args, machine(number)), member(cluster, args, machine(number)))
    texts = {file.path: moved(file.content, folder) for role in roles for file in role.files}
    server = texts["/etc/mysql/mariadb.conf.d/90-galera.cnf"] + texts["/etc/mysql/mariadb.conf.d/91-galera-members.cnf"]
    own = f"datadir = {folder}/data\ntmpdir = {folder}\nsocket = {folder}/sock\npid_file = {folder}/pid\n"
    return {
        "settings.json": texts["/etc/galera/settings.json"],
        "accounts.json": texts["/etc/galera/accounts.json"],
        "client.cnf": texts["/etc/galera/client.cnf"],
        "elsewhere.cnf": texts["/etc/galera/elsewhere.cnf"],
        "server.cnf": f"{server}{own}",
    }


class Machines:
    """Makes machines, each with its certificate, on one network."""

    def __init__(self, folder: Path, data: Path) -> None:
        self.folder, self.data, self.network = folder, data, Network(f"galera{os.getpid()}")
        self.made = dict[int, Member]()
        self.authority = Authority(folder)

    def member(self, number: int, args: GaleraClusterArgs, cluster: str = "database") -> Member:
        name, address = f"db-{number}", machine(number).address
        self.authority.certify(self.folder / name, address)
        made = self.made[number] = Member(self.network, self.folder / name, name, address, self.data)
        (made.folder / "state").mkdir()
        made.write(files_of(args, number, made.folder, cluster))
        return made


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory, empty_server: Path) -> Iterator[Machines]:
    found = Machines(tmp_path_factory.mktemp("galera"), empty_server)
    found.network.open()
    try:
        yield found
    finally:
        for made in found.made.values():
            made.kill()
        found.network.close()
