"""A formed pair, and machines to form one of."""

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pulumi_casebook.data.mysql_pair.args import MysqlPairArgs
from pulumi_casebook.data.mysql_pair.component import configuration
from tests.components.data.mysql_pair.pair import ADDRESSES, CLIENT, SERVICE, Network, Node, sh
from tests.components.installed import with_secrets
from tests.components.tls import Authority
from tests.waiting import until

SECRETS = {
    "application": "application0password",
    "pair": "pair'0\"pass#word\\",
    # Where the servers of a test find theirs, they are made.
    **dict.fromkeys(("authority", "certificate", "key"), "made by the test"),
}


def machine(name: str, site: str = "rbx8") -> Any:
    return SimpleNamespace(name=name, address=ADDRESSES[name], site=site)


def arguments(**values: Any) -> MysqlPairArgs:
    """Arguments of which the machines and the network are stand-ins that declare nothing."""
    given: dict[str, Any] = {
        "machines": (machine("db-1"), machine("db-2", "sbg3")),
        "network": SimpleNamespace(cidr="10.8.0.0/24"),
        "address": SERVICE,
        "clients": (f"{CLIENT}/32",),
        "primary": None,
        "max_lag": 30,
        "lease_seconds": None,
        "buffer_pool_mib": 32,
    }
    return MysqlPairArgs.model_construct(**{**given, **values})


def files_of(args: MysqlPairArgs, own: str, peer: str, folder: Path) -> dict[str, str]:
    """The role's own files, with the paths of a test in the place of a machine's."""
    role = configuration(args, machine(own), machine(peer), "db-1")
    texts = {file.path: with_secrets(file.content, SECRETS) for file in role.files}
    moved = {
        "/run/mysqld/mysqld.sock": f"{folder}/sock",
        "/etc/mysql-pair-peer.cnf": f"{folder}/peer.cnf",
        "/var/lib/mysql-pair": f"{folder}/state",
        "/run/mysql-pair": f"{folder}/run",
        "/var/lib/casebook-metrics": f"{folder}/metrics",
        '"pause": 3': '"pause": 0.3',
    }
    settings = texts["/etc/mysql-pair.json"]
    for before, after in moved.items():
        assert before in settings
        settings = settings.replace(before, after)
    server = texts["/etc/mysql/mariadb.conf.d/90-mysql-pair.cnf"]
    own = f"datadir = {folder}/data\ntmpdir = {folder}\nsocket = {folder}/sock\npid_file = {folder}/pid\n"
    files = {
        "settings.json": settings,
        "peer.cnf": texts["/etc/mysql-pair-peer.cnf"],
        "server.cnf": f"{server}\n{own}",
    }
    paths = {"/etc/mysql/authority": f"{folder.parent}/authority", "/etc/mysql/pair": str(folder)}  # .crt and .key
    for before, after in paths.items():
        files = {name: text.replace(before, after) for name, text in files.items()}
    return files


@pytest.fixture(scope="session")
def empty_server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data of a server that was just installed."""
    assert os.geteuid() == 0, "network namespaces need root"
    data = tmp_path_factory.mktemp("server") / "data"
    options = ("--no-defaults", "--user=root", "--auth-root-authentication-method=socket", "--skip-test-db")
    sh("mariadb-install-db", *options, f"--datadir={data}", f"--tmpdir={data.parent}")
    return data


@pytest.fixture
def machines(tmp_path: Path, empty_server: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Node, Node]]:
    """Two machines with a server each, none started; what a test gives as parameter are arguments of the pair."""
    args = arguments(**getattr(request, "param", {}))
    network, nodes, authority = Network(f"pair{os.getpid()}"), list[Node](), Authority(tmp_path)
    try:
        network.open()
        for own, peer in (("db-1", "db-2"), ("db-2", "db-1")):
            files = files_of(args, own, peer, tmp_path / own)
            authority.certify(tmp_path / own, ADDRESSES[own], SERVICE)
            nodes.append(Node(network, tmp_path / own, own, files, empty_server))
        yield nodes[0], nodes[1]
    finally:
        for node in nodes:
            node.tell()
            node.kill()
        network.close()


@pytest.fixture
def formed(machines: tuple[Node, Node]) -> tuple[Node, Node]:
    """A writer and its replica."""
    for node in machines:
        node.start()
    for node in machines:
        until(node.ready)
    return machines
