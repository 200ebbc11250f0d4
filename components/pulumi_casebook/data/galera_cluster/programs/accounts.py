"""The accounts of the application, of the cluster, and of the one that follows it."""

import hashlib
import json
from pathlib import Path

from pulumi_casebook.data.galera_cluster.programs.server import Server
from pulumi_casebook.machines.configuration.programs.runtime import elapsed, host_pattern, quoted, this_database

REPLICA_RIGHTS = (
    "SELECT, INSERT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES, PROCESS, RELOAD, REPLICATION SLAVE, BINLOG MONITOR,"
    " READ_ONLY ADMIN ON *.*"
)

HERE = ("localhost", "127.0.0.1")

# Name, host, what opens the account, whether what opened it before still does, for longer than it should, and whether
# it opens in clear.
KNOWN = (
    "SELECT User, Host, IFNULL(JSON_VALUE(Priv, '$.authentication_string'), ''), JSON_EXISTS(Priv, '$.auth_or') AND "
    "UNIX_TIMESTAMP() - JSON_VALUE(Priv, '$.password_last_changed') >= {grace}, "
    "IFNULL(JSON_VALUE(Priv, '$.ssl_type'), 0) = 0 FROM mysql.global_priv;"
)


def make_accounts(server: Server) -> None:
    """What this member lacks of the accounts. Each makes its own: no password is replicated, or in a log.

    Who comes from another machine comes inside TLS. A password that was replaced opens for `grace_seconds` more, for
    who has not been given the new one yet; an account that opened in clear does so for `clear_seconds` more, for
    applications that the next `up` tells of TLS.
    """
    settings = server.settings
    secrets = json.loads(Path(settings["accounts"]).read_text())
    database, user = settings["database"], settings["user"]
    # (name, host) to its password and rights.
    wanted = {
        ("sst", "localhost"): (secrets["sst"], "RELOAD, PROCESS, LOCK TABLES, BINLOG MONITOR ON *.*"),
        ("health", "127.0.0.1"): (secrets["health"], f"SELECT ON `{this_database('casebook_galera')}`.*"),
    }
    for cidr in settings["allowed_cidrs"]:
        wanted[user, host_pattern(cidr)] = (secrets["application"], f"ALL ON `{this_database(database)}`.*")
    for address in server.elsewhere:
        wanted["replica", address] = (secrets["replica"], REPLICA_RIGHTS)
    rows = server.as_root(KNOWN.format(grace=settings["grace_seconds"]))
    known = {(name, host): (kept, over, clear) for name, host, kept, over, clear in rows}
    this = quoted(this_database(database))
    rows = server.as_root(f"SELECT User, Host, Db={this} FROM mysql.db WHERE Db IN ({this}, {quoted(database)});")  # noqa: S608
    # Of this database alone, or, as earlier releases did, of all whose names are like its own.
    granted = {(name, host, exact == "1") for name, host, exact in rows}
    first_seen = Path(settings["state"]) / "in-clear"
    statements = []
    for (name, host), (password, rights) in wanted.items():
        account = f"{quoted(name)}@{quoted(host)}"
        kept, over, clear = known.get((name, host), ("", "0", "0"))
        fresh = kept != hashed(password)
        if fresh:
            from_elsewhere = "" if host in HERE else "REQUIRE SSL"
            statements.append(f"CREATE USER IF NOT EXISTS {account} {from_elsewhere};")
        if fresh or (name == user and (name, host, True) not in granted):
            statements.append(f"GRANT {rights} TO {account};")
        if (name, host, False) in granted:
            statements.append(f"REVOKE ALL ON `{database}`.* FROM {account};")
        if clear == "1" and host not in HERE and elapsed(first_seen, settings["clear_seconds"]):
            statements.append(f"ALTER USER {account} REQUIRE SSL;")
        if fresh or over == "1":  # at last: what is broken off before is begun anew
            opens = [hashed(password), *([kept] if fresh and kept else [])]
            ways = " OR ".join(f"mysql_native_password USING {quoted(one)}" for one in opens)
            statements.append(f"ALTER USER {account} IDENTIFIED VIA {ways};")
    gone = [account for account in known if account[0] in (user, "replica") and account not in wanted]
    statements += [f"DROP USER {quoted(name)}@{quoted(host)};" for name, host in gone]
    if statements:
        server.as_root("\n".join(["SET SESSION wsrep_on=OFF, sql_log_bin=0;", *statements]))


def hashed(password: str) -> str:
    """As mysql_native_password keeps it."""
    return "*" + hashlib.sha1(hashlib.sha1(password.encode()).digest()).hexdigest().upper()  # noqa: S324 (MySQL's)
