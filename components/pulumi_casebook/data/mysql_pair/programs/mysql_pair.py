#!/usr/bin/python3
"""Keeps this machine in its part of a MariaDB pair: the writer, or the replica of the writer.

    mysql-pair keep                     what mysql-pair.service runs: look at the peer, do what follows, every 3 s
    mysql-pair status                   what this machine is, and why; JSON
    mysql-pair ready [--formed]         succeed when it does its part; with --formed the pair must exist already
    mysql-pair promote [--peer-is-off]  make this replica the writer; in the two-way form: take the service address
    mysql-pair rejoin [--discard]       make this machine the replica of the writer; --discard replaces its data
    mysql-pair leave                    give the service address back; mariadb.service does it when the server stops
    mysql-pair watched                  status, and leave to write for another lease; the watchdog asks this
    mysql-pair stop                     end the server at once, to come back read-only; how the watchdog fences

Who writes is a row of the replicated table casebook_pair.writer: the one with the highest epoch names the writer.
A server always starts read-only. It is made writable only by this program, and only where its own data holds that
row and the peer has been seen to be read-only. In doubt it stays read-only and says what to run.

In the two-way form both write and each replicates the other, so the row only says who holds the service address.
"""

import fcntl
import ipaddress
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

CONFIGURATION = Path(os.environ.get("MYSQL_PAIR", "/etc/mysql-pair.json"))
SYSTEM = ("information_schema", "mysql", "performance_schema", "sys")
SILENCE = 10.0  # seconds after which a writer without its server gives the service address back
SETTLED = 5  # looks, in whose time a writer that sees a higher epoch has stopped


class Refused(Exception):
    """A sentence for the operator."""


class Unanswered(Exception):
    """A server that does not answer."""


class Record(NamedTuple):
    """Who writes, by decision number `epoch`."""

    epoch: int
    writer: str


class Server:
    """A MariaDB server, through the client program; statements go in on standard input, where nobody sees them."""

    def __init__(self, name: str, *options: str) -> None:
        self.name, self.options = name, options

    def ask(self, statements: str, *more: str, seconds: float = 60) -> list[list[str]]:
        """Rows of the answer, each a list of columns."""
        command = ["mariadb", *self.options, "--batch", "--skip-column-names", "--connect-timeout=3", *more]
        try:
            done = subprocess.run(
                command, input=statements, capture_output=True, text=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired:
            raise Unanswered(f"{self.name} does not answer") from None
        if done.returncode:
            error = done.stderr.strip()
            # 2002 and 2003: no connection; 2013 and 2026: it broke; 1040, 1053: no room, going down.
            if any(f"ERROR {code}" in error for code in (2002, 2003, 2013, 2026, 1040, 1053)):
                raise Unanswered(f"{self.name} does not answer ({error})")
            raise Refused(f"{self.name} says: {error}")
        return [line.split("\t") for line in done.stdout.splitlines()]

    def value(self, expression: str) -> str:
        return self.ask(f"SELECT {expression};")[0][0]

    def read_only(self) -> bool:
        return self.value("@@GLOBAL.read_only") == "1"

    def record(self) -> Record | None:
        try:
            # Not for long: meanwhile nobody looks whether a lease is over.
            rows = self.ask("SELECT epoch, name FROM casebook_pair.writer ORDER BY epoch DESC LIMIT 1;", seconds=8)
        except Refused as error:
            if "ERROR 1146" in str(error):  # no such table: not part of a pair yet
                return None
            raise
        return Record(int(rows[0][0]), rows[0][1]) if rows else None

    def databases(self) -> list[str]:
        return [row[0] for row in self.ask("SHOW DATABASES;") if row[0] not in SYSTEM]

    def transactions(self) -> dict[tuple[str, str], int]:
        """The last transaction known of every (domain, server): what it wrote, and what it was given."""
        last: dict[tuple[str, str], int] = {}
        for text in self.ask("SELECT @@GLOBAL.gtid_binlog_state, @@GLOBAL.gtid_slave_pos;")[0]:
            for gtid in text.split(",") if text else []:
                domain, server, number = gtid.split("-")
                last[domain, server] = max(last.get((domain, server), 0), int(number))
        return last

    def replication(self) -> dict[str, str]:
        """SHOW REPLICA STATUS, by column; empty where nothing is replicated."""
        rows = self.ask("SHOW REPLICA STATUS\\G", "--column-names")
        pairs = (row[0].strip().partition(": ") for row in rows)
        return {name.removesuffix(":"): value for name, _, value in pairs}


class ServiceAddress:
    """The address that clients use, on the interface that carries this machine's planned address."""

    def __init__(self, address: str, own: str) -> None:
        self.address, self.own = address, own

    def interface(self) -> str:
        shown = json.loads(run("ip", "-json", "-4", "address", "show", "to", f"{self.own}/32") or "[]")
        names: list[str] = [link["ifname"] for link in shown if link]
        if not names:
            raise Refused(f"no interface has the address {self.own}; is the private network up?")
        return names[0]

    def held(self) -> bool:
        return self.address in run("ip", "-4", "-oneline", "address", "show", "to", f"{self.address}/32")

    def taken_elsewhere(self) -> bool:
        """Whether another machine answers for the address (RFC 5227: an ARP probe)."""
        with arp_socket(self.interface()) as link:
            own = link.getsockname()[4]
            link.send(arp(own, 1, own, "0.0.0.0", self.address))  # noqa: S104 (a probe has no sender address)
            deadline = time.monotonic() + 1
            while (left := deadline - time.monotonic()) > 0:
                link.settimeout(left)
                try:
                    frame = link.recv(64)
                except TimeoutError:
                    break
                reply = frame[20:22] == b"\0\2" and frame[28:32] == socket.inet_aton(self.address)
                if reply and frame[22:28] != own:
                    return True
        return False

    def take(self) -> None:
        if self.held():
            return
        if self.taken_elsewhere():
            raise Refused(f"another machine answers for {self.address}; it has to give the address back first")
        interface = self.interface()
        run("ip", "address", "add", f"{self.address}/32", "dev", interface)
        with arp_socket(interface) as link:
            own = link.getsockname()[4]
            for _ in range(3):  # gratuitous ARP: neighbours learn the new owner
                link.send(arp(own, 1, own, self.address, self.address))

    def drop(self) -> None:
        if self.held():
            run("ip", "address", "delete", f"{self.address}/32", "dev", self.interface())


def arp_socket(interface: str) -> socket.socket:
    link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
    link.bind((interface, 0x0806))
    return link


def arp(source: bytes, operation: int, hardware: bytes, sender: str, target: str) -> bytes:
    """A broadcast ARP frame over Ethernet (RFC 826)."""
    header = b"\xff" * 6 + source + b"\x08\x06"
    kind = b"\0\1\x08\0\x06\x04" + operation.to_bytes(2, "big")
    return header + kind + hardware + socket.inet_aton(sender) + b"\0" * 6 + socket.inet_aton(target)


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(f"{' '.join(command)} failed: {done.stderr.strip()}")
    return done.stdout


def quoted(text: str) -> str:
    """A string of SQL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def host_pattern(cidr: str) -> str:
    """A network as account names write it."""
    network = ipaddress.IPv4Network(cidr)
    return str(network[0]) if network.prefixlen == 32 else f"{network[0]}/{network.netmask}"


class Pair:
    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.name: str = settings["name"]
        self.peer_name: str = settings["peer"]["name"]
        self.here = Server(self.name, "--no-defaults", f"--socket={settings['socket']}", "--user=root")
        self.peer = Server(self.peer_name, f"--defaults-file={settings['peer_options']}")
        self.address = ServiceAddress(settings["service_address"], settings["address"])
        self.run = Path(settings["run"])
        self.seeding = Path(settings["state"]) / "seeding"
        # Lives as long as the machine runs: this machine has been the writer without a break since it was made.
        self.writing = self.run / "writing"
        # When a watchdog has last asked, by the machine's own clock since its start.
        self.watched = self.run / "watched"
        self.lease: float | None = settings["lease"]
        self.two_way: bool = settings["two_way"]
        self.attached = False

    @contextmanager
    def alone(self) -> Iterator[None]:
        """One look, or one command, at a time."""
        self.run.mkdir(parents=True, exist_ok=True)
        self.seeding.parent.mkdir(parents=True, exist_ok=True)
        with (self.run / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    # What to be

    def seen(self) -> Record | Unanswered | None:
        """The peer's record, or why there is none to be had."""
        try:
            return self.peer.record()
        except Unanswered as error:
            return error
        except Refused as error:
            # It is there, but does not let us in: as good as silent, and its words help more.
            return Unanswered(str(error))

    def decide(self) -> str:
        """Do what the two records say; what this machine is, in a word. Raises Refused where it must not act."""
        own, peers = self.here.record(), self.seen()
        if self.two_way:
            return self.with_another_writer(own, peers)
        if isinstance(peers, Unanswered):
            return self.without_peer(own, peers)
        if own is None and peers is None:
            return self.begin()
        best = newest(own, peers)
        if own and peers and own.epoch == peers.epoch and own.writer != peers.writer:
            self.be_read_only()
            raise Refused(
                f"both machines were made the writer (epoch {own.epoch}); on the one whose data is to go: "
                "mysql-pair rejoin --discard"
            )
        if best.writer != self.name:
            self.be_read_only()
            return self.replicate()
        if own != best:
            self.be_read_only()
            raise Refused(
                f"{self.name} is to be the writer but has not the data; on {self.peer_name}: mysql-pair promote"
            )
        if self.here.read_only():
            if not self.peer.read_only():
                raise Refused(f"{self.peer_name} still takes writes; waiting until it does not")
            if self.here.replication():  # what the peer has written after the decision
                self.apply_all(self.peer.value("@@GLOBAL.gtid_binlog_pos"))
        return self.write()

    def with_another_writer(self, own: Record | None, peers: Record | Unanswered | None) -> str:
        """The two-way form: write as soon as the data is there, replicate whenever the peer answers."""
        if own is None or self.seeding.exists():
            self.be_read_only()
            if isinstance(peers, Unanswered):
                raise Refused(f"{peers}; {self.name} has no data of the pair yet")
            return self.begin() if peers is None else self.replicate()
        if newest(own, peers).writer == self.name:
            self.address.take()
        else:
            self.address.drop()
        self.accept_writes()
        if isinstance(peers, Record):
            self.replicate()
        return "writer"

    def without_peer(self, own: Record | None, why: Unanswered) -> str:
        went_on = self.writing.exists() and own is not None and own.writer == self.name
        if went_on or (own is not None and not self.here.read_only()):
            if self.leased():
                return self.write()
            self.be_read_only()
            raise Refused(f"{why}, and no watchdog has asked for {self.lease} s; {self.name} no longer writes")
        self.address.drop()
        if self.here.replication():
            return "replica"
        if own is None:
            raise Refused(f"{why}; the pair begins when both servers answer")
        raise Refused(
            f"{why}; nobody knows whether it writes, so {self.name} stays read-only. "
            f"If {self.peer_name} is off for good: mysql-pair promote --peer-is-off"
        )

    def leased(self) -> bool:
        """Whether a writer that does not see its peer may go on: with a lease, only while a watchdog sees it."""
        if self.lease is None:
            return True
        asked = float(self.watched.read_text()) if self.watched.exists() else -self.lease
        return time.monotonic() - asked < self.lease

    def see(self) -> None:
        """A new lease begins."""
        self.run.mkdir(parents=True, exist_ok=True)
        self.watched.write_text(str(time.monotonic()))

    def begin(self) -> str:
        """The pair's first day: the configured primary becomes the writer, with the data that it has."""
        self.be_read_only()
        if self.name != self.settings["primary"]:
            return "waiting"
        if self.peer.databases() and not self.here.databases():
            raise Refused(
                f"{self.peer_name} holds databases and {self.name}, the primary, none: name {self.peer_name} as the "
                f"primary, or run there: mysql-pair rejoin --discard"
            )
        self.become_writer(Record(1, self.name))
        return self.write()

    def be_read_only(self) -> None:
        self.writing.unlink(missing_ok=True)
        self.address.drop()
        if not self.here.read_only():
            self.here.ask("SET GLOBAL read_only=1;")
            self.end_sessions(self.here)

    def write(self) -> str:
        if self.here.replication():
            self.here.ask("STOP REPLICA; RESET REPLICA ALL;")
        self.address.take()
        return self.accept_writes()

    def accept_writes(self) -> str:
        if self.here.read_only():
            self.here.ask("SET GLOBAL read_only=0;")
        self.writing.touch()
        wanted = set(self.settings["databases"]) - set(self.here.databases())
        self.here.ask("".join(f"CREATE DATABASE IF NOT EXISTS `{name}`;" for name in sorted(wanted)))
        return "writer"

    def become_writer(self, record: Record) -> None:
        """Note the decision in this server's data, so that it outlives reboots and reaches the peer."""
        self.here.ask(
            "CREATE DATABASE IF NOT EXISTS casebook_pair;"
            "CREATE TABLE IF NOT EXISTS casebook_pair.writer (epoch BIGINT PRIMARY KEY, name VARCHAR(64) NOT NULL,"
            " since TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP) ENGINE=InnoDB;" + decision(record)
        )

    def end_sessions(self, server: Server) -> None:
        """Clients come back, and then find the writer."""
        user = quoted(self.settings["user"])
        for (session,) in server.ask(f"SELECT id FROM information_schema.processlist WHERE user={user};"):  # noqa: S608
            try:
                server.ask(f"KILL {session};")
            except Refused:
                continue  # it has gone by itself

    # The replica

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
        elif self.attached:
            if status["Last_IO_Errno"] == "1236":
                if self.two_way:  # not so if the other was made anew: it has this machine's transactions as data
                    self.attach()
                raise Refused(f"the writer no longer has what {self.name} lacks; here: mysql-pair rejoin --discard")
            if status["Last_SQL_Errno"] != "0":
                raise Refused(
                    f"{self.name} has stopped at what {self.peer_name} wrote: {status['Last_SQL_Error']} Mend the "
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
                f"{self.name} holds transactions, up to {', '.join(more)}, that the writer {self.peer_name} lacks; "
                "save what matters of them (mariadb-binlog shows them), then: mysql-pair rejoin --discard"
            )
        if self.here.record() is None:
            raise Refused(
                f"{self.name} holds data ({', '.join(self.here.databases())}) and was never part of this pair; "
                "to replace it by the writer's: mysql-pair rejoin --discard"
            )

    def attach(self) -> None:
        peer = self.settings["peer"]
        tls = "MASTER_SSL=1, MASTER_SSL_CA=" + quoted(self.settings["tls"]) if self.settings["tls"] else "MASTER_SSL=0"
        # What this machine wrote itself need not come back.
        own = "SET GLOBAL gtid_slave_pos=@@GLOBAL.gtid_current_pos;" if self.two_way else ""
        self.here.ask(
            f"STOP REPLICA; {own} CHANGE MASTER TO MASTER_HOST={quoted(peer['address'])}, MASTER_PORT={peer['port']}, "
            f"MASTER_USER='pair', MASTER_PASSWORD={quoted(self.settings['pair_password'])}, "
            f"MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=2, MASTER_HEARTBEAT_PERIOD=5, {tls}; START REPLICA;"
        )
        self.attached = True

    def seed(self) -> None:
        """Replace this server's data by the writer's, as of one of its transactions."""
        self.seeding.touch()  # a load that breaks off is begun anew
        self.here.ask("STOP REPLICA; RESET REPLICA ALL;")
        drop = "".join(f"DROP DATABASE `{name}`;" for name in self.here.databases())
        self.here.ask(f"SET sql_log_bin=0; {drop} RESET MASTER; SET GLOBAL gtid_slave_pos='';")
        # Accounts first: what the databases' views and routines name as their definer.
        self.load("--system=users", "--insert-ignore")
        self.load(
            *("--single-transaction", "--master-data=1", "--gtid", "--routines", "--events", "--hex-blob"),
            *("--databases", *self.peer.databases()),
        )
        self.make_accounts()
        self.seeding.unlink()

    def load(self, *options: str) -> None:
        dump = subprocess.Popen(
            ["mariadb-dump", *self.peer.options, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            loaded = subprocess.run(
                ["mariadb", *self.here.options, "--init-command=SET sql_log_bin=0"],
                stdin=dump.stdout,
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            _, wrong = dump.communicate()
        if dump.returncode or loaded.returncode:
            raise Refused(f"the writer's data could not be copied: {wrong.strip()} {loaded.stderr.strip()}".strip())

    # Accounts

    def make_accounts(self) -> None:
        """The accounts, on each server by itself: no password enters the binary log.

        A password that was replaced opens for `grace_seconds` more, for who has not been given the new one yet.
        """
        user, password = self.settings["user"], self.settings["password"]
        hosts = [host_pattern(cidr) for cidr in self.settings["allowed_cidrs"]]
        pair = f"'pair'@{quoted(self.settings['peer']['address'])}"
        statements = [
            "SET sql_log_bin=0;",
            *self.account("pair", self.settings["peer"]["address"], self.settings["pair_password"]),
        ]
        for host in hosts:
            statements += self.account(user, host, password)
            account = f"{quoted(user)}@{quoted(host)}"
            statements += [f"GRANT ALL ON `{name}`.* TO {account};" for name in self.settings["databases"]]
        statements.append(
            "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES, PROCESS, RELOAD, REPLICATION SLAVE, BINLOG MONITOR,"
            f" REPLICA MONITOR, READ_ONLY ADMIN, CONNECTION ADMIN ON *.* TO {pair};"
            f"GRANT INSERT ON casebook_pair.* TO {pair};"
            f"ALTER USER {pair} REQUIRE {'SSL' if self.settings['tls'] else 'NONE'};"
        )
        for owner, kept in ((user, hosts), ("pair", [self.settings["peer"]["address"]])):
            known = self.here.ask(f"SELECT Host FROM mysql.user WHERE User={quoted(owner)};")  # noqa: S608
            gone = [host for (host,) in known if host not in kept]
            statements += [f"DROP USER {quoted(owner)}@{quoted(host)};" for host in gone]
        self.here.ask("\n".join(statements))

    def account(self, user: str, host: str, password: str) -> list[str]:
        """Statements after which this password opens the account."""
        name = f"{quoted(user)}@{quoted(host)}"
        rows = self.here.ask(
            "SELECT IFNULL(JSON_VALUE(Priv, '$.authentication_string'), ''), JSON_EXISTS(Priv, '$.auth_or'), "  # noqa: S608
            f"UNIX_TIMESTAMP() - JSON_VALUE(Priv, '$.password_last_changed') >= {self.settings['grace_seconds']}, "
            f"PASSWORD({quoted(password)}) FROM mysql.global_priv WHERE User={quoted(user)} AND Host={quoted(host)};"
        )
        kept, either, over, opens = rows[0] if rows else ("", "0", "0", "")
        if rows and kept == opens and (either, over) != ("1", "1"):
            return []
        last = f" OR mysql_native_password USING {quoted(kept)}" if kept not in ("", opens) else ""
        return [
            f"CREATE USER IF NOT EXISTS {name};",
            f"ALTER USER {name} IDENTIFIED VIA mysql_native_password USING PASSWORD({quoted(password)}){last};",
        ]

    # Commands

    def keep(self) -> NoReturn:
        """Decide again and again; says what changes."""
        threading.Thread(target=pulse, daemon=True).start()
        said, accounts, answered = "", 0.0, time.monotonic()
        while True:
            try:
                with self.alone():
                    if time.monotonic() >= accounts:
                        self.make_accounts()
                        accounts = time.monotonic() + self.settings["grace_seconds"]
                    now = self.decide()
                answered = time.monotonic()
            except (Refused, OSError) as error:
                now, answered = f"in doubt: {error}", time.monotonic()
            except Unanswered as error:
                now = str(error)
                if time.monotonic() - answered > SILENCE:
                    self.address.drop()
            try:
                self.measure()
            except OSError as error:  # a full disk
                now += f"; no figures: {error}"
            if now != said:
                print(now, flush=True)
                said = now
            (self.run / "said").write_text(now)
            time.sleep(self.settings["pause"])

    def measure(self) -> None:
        """Figures for node_exporter's textfile collector."""
        try:
            status = self.status()
        except (Refused, Unanswered):
            status = {"role": "", "lag": None}
        lag = 0 if status["role"] == "writer" and not self.two_way else status["lag"]
        text = (
            f"casebook_mysql_writer {int(status['role'] == 'writer')}\n"
            f"casebook_mysql_replication_lag_seconds {'+Inf' if lag is None else lag}\n"
        )
        folder = Path(self.settings["metrics"])
        folder.mkdir(parents=True, exist_ok=True)
        new = folder / ".mysql-pair"
        new.write_text(text)
        new.chmod(0o644)
        new.replace(folder / "mysql-pair.prom")

    def status(self) -> dict[str, Any]:
        """What this machine is, seen from its server; `lag` in seconds, None where nothing arrives."""
        replication, read_only, record = self.here.replication(), self.here.read_only(), self.here.record()
        running = replication.get("Slave_IO_Running") == replication.get("Slave_SQL_Running") == "Yes"
        lag = replication.get("Seconds_Behind_Master", "NULL")
        errors = [replication.get(f"Last_{thread}_Error", "") for thread in ("IO", "SQL")]
        said = self.run / "said"
        return {
            "name": self.name,
            "role": "writer" if not read_only else "replica" if replication else "waiting",
            "read_only": read_only,
            "holds_address": self.address.held(),
            "writer": record.writer if record else None,
            "lag": int(lag) if running and lag != "NULL" else None,
            "sees_peer": not isinstance(self.seen(), Unanswered),
            "transactions": self.here.value("@@GLOBAL.gtid_current_pos"),
            "errors": [error for error in errors if error],
            "keeper": said.read_text() if said.exists() else "mysql-pair.service has not run yet",
        }

    def ready(self, formed: bool) -> str:
        status = self.status()
        if status["writer"] is None and not formed and not self.here.replication():
            return "the server answers; the pair begins when both do"
        if (
            not self.two_way
            and status["role"] == "writer"
            and status["holds_address"]
            and status["writer"] == self.name
        ):
            return "writer"
        lag, wanted = status["lag"], "writer" if self.two_way else "replica"
        if status["role"] == wanted and lag is not None and lag < self.settings["max_lag"]:
            return f"{wanted}, {lag} s behind"
        raise Refused("; ".join([status["keeper"], *status["errors"]]))

    def promote(self, peer_is_off: bool) -> str:
        own, peers = self.here.record(), self.seen()
        if own is None or self.seeding.exists():
            raise Refused(f"{self.name} has no complete copy of the data")
        if self.two_way:
            return self.move_address(own, peers, peer_is_off)
        if own.writer == self.name and not self.here.read_only():
            return f"{self.name} is the writer already"
        if isinstance(peers, Record):
            return self.take_over(own, peers)
        if isinstance(peers, Unanswered):
            if not peer_is_off:
                raise unsure(peers)
        elif not self.peer.read_only():
            raise Refused(f"{self.peer_name} has no data of this pair, but takes writes")
        if self.address.taken_elsewhere():
            raise Refused(f"{self.peer_name} is not off: {self.address.address} is answered for; switch it off first")
        if self.here.replication():
            self.here.ask("STOP REPLICA IO_THREAD;")
            self.apply_all(self.here.replication()["Gtid_IO_Pos"])
        self.become_writer(Record(own.epoch + 1, self.name))
        if self.lease is not None:
            # A peer that is not off after all, and hears us though we do not hear it, reads this and stops.
            time.sleep(SETTLED * self.settings["pause"])
            self.see()
        self.write()
        return f"{self.name} is the writer; when {self.peer_name} is back it becomes its replica"

    def take_over(self, own: Record, peers: Record) -> str:
        """A switch without loss: the writer's own data says who comes next, and the replica waits for all of it."""
        if peers.writer == self.peer_name:
            if not self.here.replication() or self.peer.read_only():
                raise Refused(f"{self.name} is not the replica of a writer; look at mysql-pair status on both machines")
            self.peer.ask(decision(Record(max(own, peers).epoch + 1, self.name)))
        self.peer.ask("SET SESSION lock_wait_timeout=20; SET GLOBAL read_only=1;")
        self.end_sessions(self.peer)
        self.apply_all(self.peer.value("@@GLOBAL.gtid_binlog_pos"))
        self.wait_for_address()
        self.write()
        return f"{self.name} is the writer, {self.peer_name} its replica"

    def move_address(self, own: Record, peers: Record | Unanswered | None, peer_is_off: bool) -> str:
        if isinstance(peers, Unanswered) and not peer_is_off:
            raise unsure(peers)
        self.here.ask(decision(Record(newest(own, peers).epoch + 1, self.name)))
        self.wait_for_address()
        self.address.take()
        return f"{self.name} holds {self.address.address}"

    def wait_for_address(self) -> None:
        deadline = time.monotonic() + 30
        while self.address.taken_elsewhere():
            if time.monotonic() > deadline:
                raise Refused(f"{self.peer_name} keeps {self.address.address}; is mysql-pair.service running there?")

    def apply_all(self, position: str) -> None:
        if self.here.value(f"MASTER_GTID_WAIT({quoted(position)}, 50)") != "0":
            raise Refused(f"not everything up to {position} has been applied; run the command again")

    def rejoin(self, discard: bool) -> str:
        peers = self.seen()
        if isinstance(peers, Unanswered):
            raise Refused(f"{peers}; there is no writer to join")
        if peers is None or not (self.two_way or peers.writer == self.peer_name) or self.peer.read_only():
            raise Refused(f"{self.peer_name} is not the writer; look at mysql-pair status on both machines")
        self.be_read_only()
        if discard:
            self.seed()
        self.attached = False
        self.replicate()
        return f"{self.name} is the replica of {self.peer_name}"


def pulse() -> None:
    """Tell systemd, while it wants to know, that this machine does not hang."""
    place, limit = os.environ.get("NOTIFY_SOCKET"), os.environ.get("WATCHDOG_USEC")
    if not place or not limit:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.connect(place.replace("@", "\0", 1))
        while True:
            systemd.send(b"WATCHDOG=1")
            time.sleep(int(limit) / 4e6)


def newest(*records: Record | Unanswered | None) -> Record:
    return max((one for one in records if isinstance(one, Record)), key=lambda record: record.epoch)


def unsure(why: Unanswered) -> Refused:
    return Refused(f"{why}; make sure that it is off, then: mysql-pair promote --peer-is-off")


def decision(record: Record) -> str:
    return f"INSERT INTO casebook_pair.writer (epoch, name) VALUES ({record.epoch}, {quoted(record.writer)});"  # noqa: S608


def main() -> None:
    known = {("keep",), ("status",), ("ready",), ("ready", "--formed"), ("promote",), ("promote", "--peer-is-off")}
    known |= {("rejoin",), ("rejoin", "--discard"), ("leave",), ("watched",), ("stop",)}
    arguments = tuple(sys.argv[1:])
    if arguments not in known:
        sys.exit(__doc__)
    option = len(arguments) > 1
    try:
        pair = Pair(json.loads(CONFIGURATION.read_text()))
        if arguments[0] == "keep":
            pair.keep()
        if arguments[0] in ("status", "watched"):
            print(json.dumps(pair.status(), indent=1))
            if arguments[0] == "watched":
                pair.see()
        elif arguments[0] == "stop":
            run("systemctl", "kill", "--signal=KILL", "mariadb.service")
            pair.address.drop()
            with pair.alone():  # it has not been the writer without a break any more
                pair.writing.unlink(missing_ok=True)
        elif arguments[0] == "leave":
            pair.address.drop()
        elif arguments[0] == "ready":
            print(pair.ready(formed=option))
        else:
            with pair.alone():
                print(pair.promote(option) if arguments[0] == "promote" else pair.rejoin(option))
    except (Refused, Unanswered, OSError) as error:
        sys.exit(f"mysql-pair: {error}")


if __name__ == "__main__":
    main()
