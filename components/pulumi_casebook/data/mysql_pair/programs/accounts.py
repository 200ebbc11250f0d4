"""The accounts of the application and of the pair. All of them require TLS."""

from pathlib import Path
from typing import Any

from pulumi_casebook.data.mysql_pair.programs.server import Server
from pulumi_casebook.machines.configuration.programs.runtime import elapsed, host_pattern, quoted, this_database


def make_accounts(settings: dict[str, Any], here: Server, peer_is_known: bool) -> None:
    """The accounts, on each server by itself: no password enters the binary log.

    A password that was replaced opens for `grace_seconds` more, for who has not been given the new one yet. An account
    that opened in clear does so for `clear_seconds` more: the application's next `up` tells it of TLS. That of the peer
    does until the peer has shown its certificate.
    """
    user, password = settings["user"], settings["password"]
    hosts = [host_pattern(cidr) for cidr in settings["allowed_cidrs"]]
    pair = f"'pair'@{quoted(settings['peer']['address'])}"
    statements = [
        "SET sql_log_bin=0;",
        *opened(settings, here, "pair", settings["peer"]["address"], settings["pair_password"]),
    ]
    for host in hosts:
        statements += opened(settings, here, user, host, password)
        account = f"{quoted(user)}@{quoted(host)}"
        for name in settings["databases"]:
            statements.append(f"GRANT ALL ON `{this_database(name)}`.* TO {account};")
            if this_database(name) != name and granted(here, user, host, name):
                statements.append(f"REVOKE ALL ON `{name}`.* FROM {account};")
    statements.append(
        "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES, PROCESS, RELOAD, REPLICATION SLAVE, BINLOG MONITOR,"
        f" REPLICA MONITOR, READ_ONLY ADMIN, CONNECTION ADMIN ON *.* TO {pair};"
        f"GRANT INSERT ON `{this_database('casebook_pair')}`.* TO {pair};"
    )
    in_clear = here.ask(
        f"SELECT User, Host FROM mysql.user WHERE User IN ('pair', {quoted(user)}) AND ssl_type='';"  # noqa: S608
    )
    first_seen = Path(settings["state"]) / "in-clear"
    for owner, host in in_clear:
        if peer_is_known if owner == "pair" else elapsed(first_seen, settings["clear_seconds"]):
            statements.append(f"ALTER USER {quoted(owner)}@{quoted(host)} REQUIRE SSL;")
    for owner, kept in ((user, hosts), ("pair", [settings["peer"]["address"]])):
        known = here.ask(f"SELECT Host FROM mysql.user WHERE User={quoted(owner)};")  # noqa: S608
        gone = [host for (host,) in known if host not in kept]
        statements += [f"DROP USER {quoted(owner)}@{quoted(host)};" for host in gone]
    here.ask("\n".join(statements))


def granted(here: Server, user: str, host: str, database: str) -> bool:
    which = f"User={quoted(user)} AND Host={quoted(host)} AND Db={quoted(database)}"
    return here.ask(f"SELECT COUNT(*) FROM mysql.db WHERE {which};") != [["0"]]  # noqa: S608


def opened(settings: dict[str, Any], here: Server, user: str, host: str, password: str) -> list[str]:
    """Statements after which this password opens the account."""
    name = f"{quoted(user)}@{quoted(host)}"
    rows = here.ask(
        "SELECT IFNULL(JSON_VALUE(Priv, '$.authentication_string'), ''), JSON_EXISTS(Priv, '$.auth_or'), "  # noqa: S608
        f"UNIX_TIMESTAMP() - JSON_VALUE(Priv, '$.password_last_changed') >= {settings['grace_seconds']}, "
        f"PASSWORD({quoted(password)}) FROM mysql.global_priv WHERE User={quoted(user)} AND Host={quoted(host)};"
    )
    kept, either, over, opens = rows[0] if rows else ("", "0", "0", "")
    if rows and kept == opens and (either, over) != ("1", "1"):
        return []
    last = f" OR mysql_native_password USING {quoted(kept)}" if kept not in ("", opens) else ""
    return [
        f"CREATE USER IF NOT EXISTS {name} REQUIRE SSL;",
        f"ALTER USER {name} IDENTIFIED VIA mysql_native_password USING PASSWORD({quoted(password)}){last};",
    ]
