"""One member of the cluster: what it knows of the others, and how its server begins, joins and leaves."""

import fcntl
import json
import os
import re
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from pulumi_casebook.data.galera_cluster.programs.api import told
from pulumi_casebook.data.galera_cluster.programs.decide import Decision, Standing, decide
from pulumi_casebook.data.galera_cluster.programs.server import Server
from pulumi_casebook.data.galera_cluster.programs.sites import Sites
from pulumi_casebook.machines.configuration.programs.runtime import Refused, Unanswered, sessions, write

CONFIGURATION = Path(os.environ.get("GALERA", "/etc/galera/settings.json"))
PATIENCE = 90.0  # seconds until `run` gives up; the keeper starts the server again when it may go on


class Member:
    def __init__(self) -> None:
        self.settings: dict[str, Any] = json.loads(CONFIGURATION.read_text())
        self.name: str = self.settings["name"]
        self.members: dict[str, str] = self.settings["members"]
        self.server = Server(self.settings)
        self.sites = Sites(self.server)
        self.run_folder, self.waiting = self.server.run_folder, self.server.waiting
        self.absent, self.leaving = self.run_folder / "absent", self.run_folder / "leaving"
        self.drained, self.asked = Path(self.settings["state"]) / "drained", self.run_folder / "asked"

    def others(self) -> dict[str, Standing | None]:
        """Every member's standing, in the cluster's order."""
        with ThreadPoolExecutor(max_workers=10) as pool:
            return dict(zip(self.members, pool.map(self.other, self.members), strict=True))

    def other(self, name: str) -> Standing | None:
        if name == self.name:
            return self.server.standing()
        found = told(self.settings, self.members[name])
        return found if found and found.name == name else None

    def gone(self) -> frozenset[str]:
        return frozenset(json.loads(self.absent.read_text())) if self.absent.exists() else frozenset()

    def decide(self, own: Standing, others: Mapping[str, Standing | None]) -> Decision:
        full = self.server.full(times=2)  # or it would be killed again at once
        return Decision("wait", full) if full else decide(own, others, self.gone())

    def decision(self) -> Decision:
        others = self.others()
        return self.decide(others[self.name] or self.server.standing(), others)

    # What mariadb.service runs

    def run(self) -> NoReturn:
        self.run_folder.mkdir(parents=True, exist_ok=True)
        self.leaving.unlink(missing_ok=True)
        deadline = time.monotonic() + PATIENCE
        while full := self.server.full(times=2):
            self.wait(full, deadline)
        own = self.server.found()
        write(self.server.position, json.dumps(own))
        while (decided := self.decision()).action == "wait":
            self.wait(decided.reason, deadline)
        print(f"galera: {decided.action}: {decided.reason}", flush=True)
        options = []
        if decided.action == "begin":
            options.append("--wsrep-new-cluster")
            if (kept := self.server.data / "grastate.dat").exists():
                write(kept, re.sub(r"^(safe_to_bootstrap:).*$", r"\1 1", kept.read_text(), flags=re.MULTILINE))
        if own.state == "stopped":
            options.append(f"--wsrep-start-position={own.uuid}:{own.seqno}")
        lock = os.open(self.server.alive, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.set_inheritable(lock, True)
        for over in (self.server.position, self.waiting, self.absent):
            over.unlink(missing_ok=True)
        server = [*self.settings["server"], *options]
        os.execvp(server[0], server)  # noqa: S606 (it becomes the server)

    def wait(self, reason: str, deadline: float) -> None:
        if not self.waiting.exists() or self.waiting.read_text() != reason:
            write(self.waiting, reason)
            print(f"galera: {reason}", flush=True)
        if time.monotonic() > deadline:
            raise Refused(f"{reason}. It starts by itself when it may; see galera status")
        time.sleep(1)

    def leave(self) -> None:
        """Load balancers that ask are given the time to see that this member goes; its clients, to go."""
        write(self.leaving, "")
        deadline = time.monotonic() + self.settings["leave_seconds"]
        if self.asked.exists() and time.time() - self.asked.stat().st_mtime < 30:
            time.sleep(self.settings["notice_seconds"])
        count = sessions(self.settings["user"], "COUNT(*)")
        with suppress(Unanswered):
            while time.monotonic() < deadline and self.server.as_root(count)[0][0] != "0":
                time.sleep(0.5)

    # Health

    def synced_others(self, others: Mapping[str, Standing | None]) -> int:
        return sum(one.synced for name, one in others.items() if one and name != self.name)

    def ill(self, others: Mapping[str, Standing | None]) -> str:
        """Why this member should get no clients; empty when it should."""
        if self.drained.exists():
            return "drained by the operator"
        if self.leaving.exists():
            return "about to stop"
        try:
            now = self.server.figures()
        except Unanswered as error:
            return str(error)
        if now.get("wsrep_cluster_status") != "Primary" or now.get("wsrep_ready") != "ON":
            return f"outside the cluster ({now.get('wsrep_cluster_status')}, ready {now.get('wsrep_ready')})"
        if now.get("wsrep_reject_queries") != "NONE":
            return "rejects queries"
        state = now.get("wsrep_local_state_comment", "")
        last = not self.synced_others(others)
        if now.get("wsrep_local_state") == "4":
            return "" if last else self.server.full()
        if now.get("wsrep_local_state") == "2" and last and now.get("wsrep_sst_donor_rejects_queries") == "OFF":
            return ""  # it copies its data to another member, and nobody else is there for the clients
        return f"not synced ({state})"
