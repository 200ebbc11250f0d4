"""The accounts of the application, of the cluster, and of the one that follows it."""

import hashlib
import json
from pathlib import Path

from pulumi_casebook.data.galera_cluster.programs.server import Server
from pulumi_casebook.machines.configuration.programs.runtime import host_pattern, quoted

REPLICA_RIGHTS = (
    "SELECT, INSERT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES, PROCESS, RELOAD, REPLICATION SLAVE, BINLOG MONITOR,"
    " READ_ONLY ADMIN ON *.*"
)

# Name, host, what opens the account, and whether what opened it before still does, for longer than it should.
KNOWN = (
    "SELECT User, Host, IFNULL(JSON_VALUE(Priv, '$.authentication_string'), ''), JSON_EXISTS(Priv, '$.auth_or') AND "
    "UNIX_TIMESTAMP() - JSON_VALUE(Priv, '$.password_last_changed') >= {grace} FROM mysql.global_priv;"
)


def make_accounts(server: Server) -> None:
    """What this member lacks of the accounts. Each makes its own: no password is replicated, or in a log.

    A password that was replaced opens for `grace_seconds` more, for who has not been given the new one yet.
    """
    settings = server.settings
    secrets = json.loads(Path(settings["accounts"]).read_text())
    database, user = settings["database"], settings["user"]
    # (name, host) to its password and rights.
    wanted = {
        ("sst", "localhost"): (secrets["sst"], "RELOAD, PROCESS, LOCK TABLES, BINLOG MONITOR ON *.*"),
        ("health", "127.0.0.1"): (secrets["health"], "SELECT ON casebook_galera.*"),
    }
    for cidr in settings["allowed_cidrs"]:
        wanted[user, host_pattern(cidr)] = (secrets["application"], f"ALL ON `{database}`.*")
    for address in server.elsewhere:
        wanted["replica", address] = (secrets["replica"], REPLICA_RIGHTS)
    rows = server.as_root(KNOWN.format(grace=settings["grace_seconds"]))
    known = {(name, host): (kept, over) for name, host, kept, over in rows}
    rows = server.as_root(f"SELECT User, Host FROM mysql.db WHERE Db={quoted(database)};")  # noqa: S608
    granted = {(row[0], row[1]) for row in rows}
    statements = []
    for (name, host), (password, rights) in wanted.items():
        account = f"{quoted(name)}@{quoted(host)}"
        kept, over = known.get((name, host), ("", "0"))
        fresh = kept != hashed(password)
        if fresh:
            statements.append(f"CREATE USER IF NOT EXISTS {account};")
        if fresh or (name == user and (name, host) not in granted):
            statements.append(f"GRANT {rights} TO {account};")
        if fresh or over == "1":  # at last: what is broken off before is begun anew
            opens = [hashed(password), *([kept] if fresh and kept else [])]
            ways = " OR ".join(f"mysql_native_password USING {quoted(one)}" for one in opens)
            tls = "REQUIRE SSL" if name == "replica" else ""
            statements.append(f"ALTER USER {account} IDENTIFIED VIA {ways} {tls};")
    gone = [account for account in known if account[0] in (user, "replica") and account not in wanted]
    statements += [f"DROP USER {quoted(name)}@{quoted(host)};" for name, host in gone]
    if statements:
        server.as_root("\n".join(["SET SESSION wsrep_on=OFF, sql_log_bin=0;", *statements]))


def hashed(password: str) -> str:
    """As mysql_native_password keeps it."""
    return "*" + hashlib.sha1(hashlib.sha1(password.encode()).digest()).hexdigest().upper()  # noqa: S324 (MySQL's)
