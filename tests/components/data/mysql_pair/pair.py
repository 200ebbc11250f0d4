"""Two real MariaDB servers in network namespaces, each with its keeper, as two machines of a private network have."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pulumi_casebook.data.mysql_pair.component as component
from tests.components.installed import installed
from tests.namespaces import Namespaces
from tests.waiting import until

SERVICE = "10.8.0.89"
ADDRESSES = {"db-1": "10.8.0.80", "db-2": "10.8.0.81"}
CLIENT = "10.8.0.20"


def sh(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
    return done.stdout


class Network:
    """A bridge in a namespace of its own, which is also the application's machine; nothing leaves it."""

    def __init__(self, label: str) -> None:
        self.label = label

    def open(self) -> None:
        self.namespaces = Namespaces(self.label)
        sh("ip", "netns", "add", f"{self.label}-app")
        for command in ("link add lan type bridge", f"address add {CLIENT}/24 dev lan", "link set lan up"):
            self.app("ip", *command.split())
        self.app("ip", "link", "set", "lo", "up")

    def app(self, *command: str) -> str:
        return sh("ip", "netns", "exec", f"{self.label}-app", *command)

    def join(self, name: str, address: str) -> str:
        namespace = f"{self.label}-{name}"
        sh("ip", "netns", "add", namespace)
        for command in (
            f"ip link add {name} type veth peer name vrack netns {namespace}",
            f"ip link set {name} master lan up",
        ):
            self.app(*command.split())
        for command in (
            f"address add {address}/24 dev vrack",
            "link set vrack up",
            "link set lo up",
        ):
            sh("ip", "-n", namespace, *command.split())
        sh("ip", "netns", "exec", namespace, "sysctl", "-q", "-w", "net.ipv4.ip_nonlocal_bind=1")
        return namespace

    def cut(self, name: str) -> None:
        self.app("ip", "link", "set", name, "down")

    def mend(self, name: str) -> None:
        self.app("ip", "link", "set", name, "up")

    def close(self) -> None:
        self.namespaces.close()


class Node:
    """One machine: its server, its keeper, its files."""

    def __init__(self, network: Network, folder: Path, name: str, files: dict[str, str], data: Path) -> None:
        self.network, self.folder, self.name = network, folder, name
        self.namespace = network.join(name, ADDRESSES[name])
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        folder.mkdir()
        self.socket = folder / "sock"
        self.program = installed(component.PROGRAM, component.INSTALLED, folder)
        for file, text in files.items():
            (folder / file).write_text(text)
        self.empty = data
        shutil.copytree(data, folder / "data")

    def inside(self, *command: str) -> list[str]:
        return ["ip", "netns", "exec", self.namespace, *command]

    def start_server(self) -> None:
        command = self.inside("mariadbd", f"--defaults-file={self.folder}/server.cnf", "--user=root")
        with (self.folder / "server.log").open("ab") as log:
            self.processes["server"] = subprocess.Popen(command, stdout=log, stderr=log)
        until(lambda: self.ask("SELECT 1")[0])

    def start_keeper(self, environment: dict[str, str] | None = None) -> None:
        with (self.folder / "keeper.log").open("ab") as log:
            command = self.inside(*self.program, "keep")
            self.processes["keeper"] = subprocess.Popen(
                command, stdout=log, stderr=log, env=self.environment() | (environment or {})
            )

    def environment(self) -> dict[str, str]:
        """Programs that a test lays into its folder come before those of the host."""
        path = f"{self.folder}:{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "MYSQL_PAIR": str(self.folder / "settings.json")}

    def start(self) -> None:
        self.start_server()
        self.start_keeper()

    def stop_server(self) -> None:
        self.processes["server"].terminate()
        self.processes.pop("server").wait(30)

    def kill(self) -> None:
        """The power fails: everything of this machine stops at once, and its addresses and /run are gone."""
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait()
        self.processes.clear()
        self.socket.unlink(missing_ok=True)
        shutil.rmtree(self.folder / "run", ignore_errors=True)
        command = ["ip", "-n", self.namespace, "address", "delete", f"{SERVICE}/32", "dev", "vrack"]
        subprocess.run(command, capture_output=True)  # where it had it

    def lose_data(self) -> None:
        for left in ("data", "state"):
            shutil.rmtree(self.folder / left)
        shutil.copytree(self.empty, self.folder / "data")

    def reconfigure(self, before: str, after: str) -> None:
        settings = self.folder / "settings.json"
        assert before in settings.read_text()
        settings.write_text(settings.read_text().replace(before, after))
        keeper = self.processes.pop("keeper")
        keeper.kill()
        keeper.wait()
        self.start_keeper()

    def sql(self, statement: str) -> str:
        good, said = self.ask(statement)
        assert good, said
        return said

    def ask(self, statement: str) -> tuple[bool, str]:
        """What the server answers to root, or its error."""
        command = ["mariadb", "--no-defaults", f"--socket={self.socket}", "-BN", "-e", statement]
        done = subprocess.run(command, capture_output=True, text=True)
        return done.returncode == 0, (done.stdout + done.stderr).strip()

    def pair(self, *arguments: str) -> tuple[bool, str]:
        """What mysql-pair says to a command, and whether it was content."""
        command = self.inside(*self.program, *arguments)
        done = subprocess.run(command, capture_output=True, text=True, timeout=90, env=self.environment())
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode == 0, (done.stdout + done.stderr).strip()

    def ready(self) -> bool:
        return self.pair("ready", "--formed")[0]

    def status(self) -> dict[str, Any]:
        good, said = self.pair("status")
        assert good, said
        found: dict[str, Any] = json.loads(said)
        return found

    def tell(self) -> None:
        """Print what its keeper and its server said last, which pytest shows of a test that failed."""
        for log in ("keeper.log", "server.log"):
            lines = (self.folder / log).read_text().splitlines() if (self.folder / log).exists() else []
            print(f"{self.name}, {log}:", *lines[-20:], sep="\n  ")
        print(self.ask("SHOW REPLICA STATUS\\G")[1])

    def addresses(self) -> str:
        return sh("ip", "-n", self.namespace, "-4", "-oneline", "address")

    def says(self, words: str) -> bool:
        """Whether the keeper's last word on this machine's part holds these."""
        said = self.folder / "run/said"
        return said.exists() and words in said.read_text()
