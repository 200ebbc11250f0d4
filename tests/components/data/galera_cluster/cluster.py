"""Real MariaDB servers with Galera, each with its keeper, on machines of a private network in namespaces."""

import json
import os
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pulumi_casebook.data.galera_cluster.component as component
from tests.components.data.mysql_pair.pair import Network
from tests.components.installed import installed
from tests.waiting import until

PASSWORD = "application0password"


class Member:
    """One machine: its server, its keeper, its files."""

    def __init__(self, network: Network, folder: Path, name: str, address: str, data: Path | None) -> None:
        self.network, self.folder, self.name, self.address = network, folder, name, address
        self.namespace = network.join(name, address)
        self.keeper: subprocess.Popen[bytes] | None = None
        folder.mkdir()
        self.data = data
        if data:
            shutil.copytree(data, folder / "data")
        self.program = installed(component.PROGRAM, component.INSTALLED, folder)
        self.starter = folder / "start"
        # As systemd does, it starts what does not run yet.
        self.starter.write_text(
            f"#!/bin/sh\ncd {folder}; grep -qs ') [^Z] ' /proc/$(cat server.pid)/stat && exit 0\n"
            f"exec setsid --fork sh -c 'echo $$ >server.pid; "
            f"exec ip netns exec {self.namespace} env GALERA={folder}/settings.json {' '.join(self.program)} run' "
            ">>server.log 2>&1 </dev/null\n"
        )
        self.starter.chmod(0o755)
        killer = folder / "kill"
        killer.write_text(f"#!/bin/sh\nkill -9 -$(cat {folder}/server.pid)\n")
        killer.chmod(0o755)

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            (self.folder / name).write_text(text)

    def change(self, name: str, **values: object) -> None:
        """Other values in a file that the keeper reads at every turn."""
        file = self.folder / name
        file.write_text(json.dumps({**json.loads(file.read_text()), **values}))

    def inside(self, *command: str) -> list[str]:
        return ["ip", "netns", "exec", self.namespace, *command]

    def start_keeper(self) -> None:
        environment = {**os.environ, "GALERA": f"{self.folder}/settings.json"}
        with (self.folder / "keeper.log").open("ab") as log:
            command = self.inside(*self.program, "keep")
            self.keeper = subprocess.Popen(command, stdout=log, stderr=log, env=environment)

    def start_server(self) -> None:
        subprocess.run([self.starter], check=True, stderr=subprocess.DEVNULL)

    def start(self) -> None:
        """As the machine boots."""
        self.start_keeper()
        self.start_server()

    def pid(self) -> int:
        file = self.folder / "server.pid"
        return int(file.read_text()) if file.exists() else 0

    def stop_server(self) -> None:
        """As mariadb.service stops."""
        self.galera("leave")
        self.end(signal.SIGTERM)

    def kill_server(self) -> None:
        self.end(signal.SIGKILL)

    def end(self, number: signal.Signals) -> None:
        pid = self.pid()
        with suppress(ProcessLookupError):
            os.killpg(pid, number) if number == signal.SIGKILL else os.kill(pid, number)
        until(lambda: not self.runs(pid))

    def runs(self, pid: int) -> bool:
        state = Path(f"/proc/{pid}/stat")
        return bool(pid) and state.exists() and ") Z " not in state.read_text()

    def kill(self) -> None:
        """The power fails."""
        if self.keeper:
            self.keeper.kill()
            self.keeper.wait()
            self.keeper = None
        if self.pid():
            self.kill_server()
        shutil.rmtree(self.folder / "run", ignore_errors=True)

    def lose_data(self) -> None:
        assert self.data
        shutil.rmtree(self.folder / "data")
        shutil.copytree(self.data, self.folder / "data")

    def ask(self, statement: str) -> tuple[bool, str]:
        """What the server answers to root, or its error."""
        command = ["mariadb", "--no-defaults", f"--socket={self.folder}/sock", "-BN", "-e", statement]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        return done.returncode == 0, (done.stdout + done.stderr).strip()

    def sql(self, statement: str) -> str:
        good, said = self.ask(statement)
        assert good, said
        return said

    def figure(self, name: str) -> str:
        return self.sql(f"SHOW STATUS LIKE 'wsrep_{name}'").partition("\t")[2]

    def galera(self, *arguments: str) -> tuple[bool, str]:
        command = self.inside(*self.program, *arguments)
        environment = {**os.environ, "GALERA": f"{self.folder}/settings.json"}
        done = subprocess.run(command, capture_output=True, text=True, timeout=90, env=environment)
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode == 0, (done.stdout + done.stderr).strip()

    def ready(self) -> bool:
        return self.galera("ready")[0]

    def waits_for(self) -> str:
        file = self.folder / "run/waiting"
        return file.read_text() if file.exists() else ""

    def status(self) -> dict[str, Any]:
        good, said = self.galera("status")
        assert good, said
        found: dict[str, Any] = json.loads(said)
        return found

    def health(self) -> tuple[int, str]:
        """What a load balancer is told."""
        command = ["ip", "netns", "exec", f"{self.network.label}-app", "curl", "-sS", "-w", "\n%{http_code}"]
        done = subprocess.run([*command, f"http://{self.address}:9200/"], capture_output=True, text=True, timeout=10)
        text, _, code = done.stdout.rpartition("\n")
        return int(code or 0), text.strip() or done.stderr

    def serves(self) -> bool:
        return self.health()[0] == 200

    def write_row(self, value: int) -> str:
        """A row, written by the application; what went wrong."""
        return self.refuses(f"CREATE TABLE IF NOT EXISTS app.t (v INT PRIMARY KEY); INSERT INTO app.t VALUES ({value})")

    def refuses(self, statement: str, password: str = PASSWORD, *more: str) -> str:
        """What goes wrong with a statement of the application."""
        try:
            self.network.app(
                *("mariadb", "--no-defaults", f"--host={self.address}", "--user=app", f"--password={password}"),
                *(f"--ssl-ca={self.folder.parent}/authority.crt", "--connect-timeout=3", *more, "-e", statement),
            )
        except (AssertionError, subprocess.TimeoutExpired) as error:
            return str(error)
        return ""

    def rows(self) -> list[str]:
        return self.ask("SELECT v FROM app.t ORDER BY v")[1].split()
