"""Two clusters in two sites: which one writes, and how the other follows it."""

import json
import subprocess
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

from pulumi_casebook.data.galera_cluster.programs.api import told
from pulumi_casebook.data.galera_cluster.programs.decide import Standing
from pulumi_casebook.data.galera_cluster.programs.server import DECISIONS, Server
from pulumi_casebook.machines.configuration.programs.runtime import (
    SYSTEM,
    WHOLE,
    Moved,
    Refused,
    Unanswered,
    load,
    quoted,
    run,
    unmoved,
)


class Sites:
    def __init__(self, server: Server) -> None:
        self.server, self.settings, self.elsewhere = server, server.settings, server.elsewhere
        self.cluster: str = self.settings["cluster"]

    def far(self) -> tuple[str, Standing] | None:
        """A member of the other cluster that is in it, with its address: one that writes, if there is any."""
        with ThreadPoolExecutor(max_workers=10) as pool:
            answers = zip(self.elsewhere, pool.map(partial(told, self.settings), self.elsewhere), strict=True)
        there = [(address, one) for address, one in answers if one and one.state == "primary"]
        return max(there, key=lambda one: (one[1].epoch, one[1].writable), default=None)

    def look(self, own: Standing, others: Mapping[str, Standing | None]) -> str:
        """This member's part in its cluster's: to write, or to follow; what it does, in a word."""
        found = self.far()
        address, far = found or ("", Standing("the other cluster", "unknown"))
        there = [one for one in others.values() if one and one.state == "primary"]
        # The member that has the channel keeps it; else the first takes it.
        leading = [one for one in there if one.channel] or [one for one in there if one.synced] or there
        leads = leading[0].name == self.server.name
        if not own.writer:
            return self.first_day(address, far) if leads else f"waits for {there[0].name}"
        if max((own.epoch, own.writer), (far.epoch, far.writer)) != (own.epoch, own.writer):
            if far.writer == self.cluster:
                raise Refused(f"the other cluster knows a later decision; {self.cluster} lacks data")
            self.server.be_read_only(own)
            return self.follow(own, address, far) if leads else f"follows {far.writer}, through another member"
        if own.writer != self.cluster:
            self.server.be_read_only(own)
            if not leads:
                self.unfollow()
                return f"follows {own.writer}, through another member"
            return self.follow(own, address, far) if found else f"{own.writer} writes, and does not answer"
        if not own.writable:
            if not any(one.writable for one in there):
                if not found:
                    raise Refused(
                        "nobody knows whether the other cluster writes; if it is off: galera promote --other-is-off"
                    )
                if far.writable:
                    raise Refused(f"waits until {far.name} takes no more writes")
                if not leads:
                    return "waits for the member that has the channel"
                self.apply_all(own, far.position)
            self.server.as_root("SET GLOBAL read_only=0;")
        self.unfollow()
        self.server.make_database()
        return "writes"

    def first_day(self, address: str, far: Standing) -> str:
        if far.writer:
            self.copy(address)
            return f"has copied {far.writer}"
        if not self.settings["writes_first"]:
            raise Refused("there is nothing to follow yet: the other cluster does not answer")
        self.server.as_root(DECISIONS.create + DECISIONS.add(1, self.cluster) + "SET GLOBAL read_only=0;")
        return "writes, from the first day"

    def follow(self, own: Standing, address: str, far: Standing) -> str:
        status = self.server.replication()
        if status.get("Last_SQL_Errno", "0") != "0":
            raise Refused(f"cannot follow {far.writer}: {status['Last_SQL_Error']}")
        if status.get("Slave_IO_Running") == "Yes":
            return f"follows {status['Master_Host']}"
        more = ahead(own.position, far.position)
        if more:
            raise Refused(
                f"{self.cluster} holds transactions, up to {more}, that {far.writer} lacks; save what matters "
                "(mariadb-binlog shows them), then empty /var/lib/mysql on all members here: they copy the others"
            )
        applied = self.server.as_root("SELECT @@GLOBAL.gtid_slave_pos;")[0][0]
        password = json.loads(Path(self.settings["accounts"]).read_text())["replica"]
        self.server.as_root(
            f"STOP REPLICA; SET GLOBAL gtid_slave_pos={quoted(latest(applied, own.position))};"
            f"CHANGE MASTER TO MASTER_HOST={quoted(address)}, MASTER_PORT={self.settings['port']},"
            f"MASTER_USER='replica', MASTER_PASSWORD={quoted(password)},"
            "MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=2, MASTER_HEARTBEAT_PERIOD=5, MASTER_SSL=1,"
            f"MASTER_SSL_CA={quoted(self.settings['authority'])}; START REPLICA;"
        )
        return f"follows {address}"

    def unfollow(self) -> None:
        if self.server.replication():
            self.server.as_root("STOP REPLICA; RESET REPLICA ALL;")

    def apply_all(self, own: Standing, position: str) -> None:
        position = latest(position, "")
        if own.channel and self.server.as_root(f"SELECT MASTER_GTID_WAIT({quoted(position)}, 20);") != [["0"]]:
            raise Refused(f"not everything up to {position} has been applied yet")

    def copy(self, address: str) -> None:
        """The other cluster's data as of one of its transactions, into this member alone; the others copy this one."""
        far = (f"--defaults-file={self.settings['elsewhere_client']}", f"--host={address}")
        quietly = "SET SESSION wsrep_on=OFF, sql_log_bin=0"

        def names() -> list[str]:
            shown = run("mariadb", *far, "-BN", "-e", "SHOW DATABASES").split()
            # The table of writers at last: without it, a copy that broke off is begun anew.
            return [*sorted(set(shown) - set(SYSTEM) - {"casebook_galera"}), "casebook_galera"]

        try:
            with unmoved("the other cluster", names) as copied:
                here = (*self.server.local, f"--init-command={quietly}")
                load("the other cluster's", [*far, *WHOLE, "--databases", *copied], here)
        except Moved:
            self.server.as_root(f"{quietly}; DROP DATABASE casebook_galera;")
            raise

    def lag(self, own: Standing) -> str:
        """Seconds behind the cluster that is followed."""
        if own.writable:
            return "0"
        with suppress(Unanswered):
            status = self.server.replication()
            if status.get("Slave_IO_Running") == "Yes" and status["Seconds_Behind_Master"] != "NULL":
                return status["Seconds_Behind_Master"]
        return "+Inf"

    def promote(self, other_is_off: bool) -> str:
        own, found = self.server.standing(), self.far()
        if not own.writer:
            raise Refused(f"{self.cluster} has no complete copy of the data")
        if own.writer == self.cluster and own.writable:
            return f"{self.cluster} writes already"
        if not found:
            if not other_is_off:
                raise Refused(
                    "the other cluster does not answer; make sure that it is off, then: galera promote --other-is-off"
                )
            self.server.as_root(DECISIONS.add(own.epoch + 1, self.cluster) + "SET GLOBAL read_only=0;")
            return f"{self.cluster} writes; the other cluster follows when it is back"
        address, far = found  # the decision goes where writes go, and comes here behind the last of them
        epoch = max(own.epoch, far.epoch) + 1
        way = ["mariadb", f"--defaults-file={self.settings['elsewhere_client']}", f"--host={address}"]
        said = subprocess.run(way, input=DECISIONS.add(epoch, self.cluster), capture_output=True, text=True)
        if said.returncode:
            raise Refused(f"{address} says: {said.stderr.strip()}")
        deadline = time.monotonic() + 90
        while not self.server.standing().writable:
            if time.monotonic() > deadline:
                raise Refused(f"decided, but {self.cluster} does not write yet; see galera status")
            time.sleep(0.5)
        return f"{self.cluster} writes, the other cluster follows it"


def domains(position: str) -> dict[str, tuple[int, str]]:
    """The last transaction of each domain."""
    gtids = [gtid.split("-") for gtid in position.split(",") if gtid]
    return {
        domain: (int(number), f"{domain}-{server}-{number}")
        for domain, server, number in gtids
        if domain in ("1", "2")  # of the two clusters; a member's own, which no other has, counts for nobody
    }


def latest(one: str, other: str) -> str:
    """Of two positions, the later of each domain."""
    mine, theirs = domains(one), domains(other)
    return ",".join(max(mine.get(name, (0, "")), theirs.get(name, (0, "")))[1] for name in mine.keys() | theirs.keys())


def ahead(own: str, far: str) -> str:
    """What this position has and the other, which knows the domain, has not."""
    mine, theirs = domains(own), domains(far)
    return ", ".join(gtid for name, (number, gtid) in mine.items() if name in theirs and number > theirs[name][0])
