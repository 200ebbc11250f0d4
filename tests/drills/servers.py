"""Real MariaDB servers on this computer, each under a name of its own."""

import os
import shutil
import subprocess
from pathlib import Path

import pymysql

from architectures.base import Database
from drills.ledger import Connection, client
from drills.patience import seconds_until
from sandbox.ports import free_port

ACCOUNT = Database(address="127.0.0.1:3306", name="app", user="app", password="app0password")


class Server:
    def __init__(self, name: str, folder: Path, empty: Path) -> None:
        self.name, self.folder, self.port = name, folder, free_port()
        self.process: subprocess.Popen[bytes] | None = None
        shutil.copytree(empty, folder / "data")

    def start(self) -> None:
        options = [
            *("--no-defaults", "--user=root", "--bind-address=127.0.0.1", f"--port={self.port}"),
            *(
                f"--datadir={self.folder}/data",
                f"--tmpdir={self.folder}",
                f"--socket={self.folder}/sock",
                f"--pid-file={self.folder}/pid",
            ),
            *(f"--server-id={self.port}", "--log-bin", "--innodb-buffer-pool-size=16M", "--innodb-log-file-size=4M"),
        ]
        named = f'hostname {self.name}; exec mariadbd "$@"'
        self.process = subprocess.Popen(
            ["unshare", "--uts", "sh", "-c", named, "sh", *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        seconds_until(self.ask, f"an answer of {self.name}", 120, every=0.1)

    def ask(self, *statements: str) -> bool:
        """As root, through the socket; whether the server answers."""
        try:
            with (
                pymysql.Connection(unix_socket=f"{self.folder}/sock", user="root", autocommit=True) as root,
                root.cursor() as cursor,
            ):
                for statement in statements:
                    cursor.execute(statement)
        except pymysql.OperationalError as error:
            if error.args[0] in (2002, 2003):
                return False
            raise
        return True

    def connect(self) -> Connection:
        """As the application."""
        return client(self.port, ACCOUNT)()

    def make_account(self) -> None:
        name = f"{ACCOUNT.user}@localhost"
        self.ask(
            f"CREATE DATABASE {ACCOUNT.name}",
            f"CREATE USER {name} IDENTIFIED BY '{ACCOUNT.password}'",
            f"GRANT ALL ON {ACCOUNT.name}.* TO {name}",
        )

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


def install(folder: Path) -> Path:
    """The data of a server that was just installed."""
    assert os.geteuid() == 0, "a host name of a server's own needs root"
    options = ("--no-defaults", "--user=root", "--auth-root-authentication-method=normal", "--skip-test-db")
    command = ["mariadb-install-db", *options, f"--datadir={folder}", f"--tmpdir={folder.parent}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder
