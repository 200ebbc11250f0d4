"""This machine as the replica of the other: it follows, or copies, or says why it may not."""

from pathlib import Path
from typing import Any

from pulumi_casebook.data.mysql_pair.programs.accounts import make_accounts
from pulumi_casebook.data.mysql_pair.programs.server import Peer, Server
from pulumi_casebook.machines.configuration.programs.runtime import WHOLE, Refused, load, quoted, unmoved


class Replica:
    def __init__(self, settings: dict[str, Any], here: Server, peer: Peer) -> None:
        self.settings, self.here, self.peer = settings, here, peer
        self.seeding = Path(settings["state"]) / "seeding"
        self.two_way: bool = settings["two_way"]
        # Whether the peer was known by its certificate when this was last told to follow it.
        self.attached: bool | None = None

    def replicate(self) -> str:
        status = self.here.replication()
        if self.seeding.exists():
            self.seed()
        elif not (status and status["Master_Host"] == self.settings["peer"]["address"]):
            if self.blank():
                self.seed()
            else:
                if self.here.record() is None or not self.two_way:
                    self.refuse_own_transactions()
                self.here.ask("SET GLOBAL gtid_slave_pos=@@GLOBAL.gtid_current_pos;")
        elif self.attached is self.peer.known:
            if status["Last_IO_Errno"] == "1236":
                if self.two_way:  # not so if the other was made anew: it has this machine's transactions as data
                    self.attach()
                raise Refused(
                    f"the writer no longer has what {self.here.name} lacks; here: mysql-pair rejoin --discard"
                )
            if status["Last_SQL_Errno"] != "0":
                raise Refused(
                    f"{self.here.name} has stopped at what {self.peer.name} wrote: {status['Last_SQL_Error']} Mend the "
                    "rows, then here: mysql-pair rejoin; or replace all data of the machine that is wrong by the "
                    "other's, there: mysql-pair rejoin --discard"
                )
            self.here.ask("START REPLICA;")
            return "replica"
        self.attach()
        return "replica"

    def blank(self) -> bool:
        return not self.here.transactions() and not self.here.databases()

    def refuse_own_transactions(self) -> None:
        """Errors: this machine holds what the writer does not."""
        given = self.peer.transactions()
        more = [
            f"{domain}-{server}-{number}"
            for (domain, server), number in self.here.transactions().items()
            if number > given.get((domain, server), 0)
        ]
        if more:
            raise Refused(
                f"{self.here.name} holds transactions, up to {', '.join(more)}, that the writer {self.peer.name} "
                "lacks; save what matters of them (mariadb-binlog shows them), then: mysql-pair rejoin --discard"
            )
        if self.here.record() is None:
            raise Refused(
                f"{self.here.name} holds data ({', '.join(self.here.databases())}) and was never part of this pair; "
                "to replace it by the writer's: mysql-pair rejoin --discard"
            )

    def attach(self) -> None:
        peer = self.settings["peer"]
        known = self.peer.known
        tls = f"MASTER_SSL={int(known)}, MASTER_SSL_VERIFY_SERVER_CERT={int(known)}"
        tls += f", MASTER_SSL_CA={quoted(self.settings['authority'])}"
        # What this machine wrote itself need not come back.
        own = "SET GLOBAL gtid_slave_pos=@@GLOBAL.gtid_current_pos;" if self.two_way else ""
        self.here.ask(
            f"STOP REPLICA; {own} CHANGE MASTER TO MASTER_HOST={quoted(peer['address'])}, MASTER_PORT={peer['port']}, "
            f"MASTER_USER='pair', MASTER_PASSWORD={quoted(self.settings['pair_password'])}, "
            f"MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=2, MASTER_HEARTBEAT_PERIOD=5, {tls}; START REPLICA;"
        )
        self.attached = known

    def seed(self) -> None:
        """Replace this server's data by the writer's, as of one of its transactions."""
        self.seeding.touch()  # a load that breaks off is begun anew
        self.here.ask("STOP REPLICA; RESET REPLICA ALL;")
        drop = "".join(f"DROP DATABASE `{name}`;" for name in self.here.databases())
        self.here.ask(f"SET sql_log_bin=0; {drop} RESET MASTER; SET GLOBAL gtid_slave_pos='';")
        # Accounts first: what the databases' views and routines name as their definer.
        self.load("--system=users", "--insert-ignore")
        with unmoved(self.peer.name, self.peer.databases) as names:
            self.load(*WHOLE, "--databases", *names)
        make_accounts(self.settings, self.here, self.peer.known)
        self.seeding.unlink()

    def load(self, *what: str) -> None:
        load("the writer's", [*self.peer.options, *what], [*self.here.options, "--init-command=SET sql_log_bin=0"])

    def apply_all(self, position: str) -> None:
        if self.here.value(f"MASTER_GTID_WAIT({quoted(position)}, 50)") != "0":
            raise Refused(f"not everything up to {position} has been applied; run the command again")
