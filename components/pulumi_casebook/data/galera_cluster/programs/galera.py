#!/usr/bin/python3
"""This machine's part in a MariaDB Galera cluster.

    galera status                    every member as it is, and what this one does, or waits for; JSON
    galera ready                     succeed when this member serves: Primary, Synced, accounts made
    galera recover [--without A,B]   after a full stop: begin again from the newest data; it happens by itself once
                                     every member has told its position. --without: who is gone for good
    galera drain | undrain           have load balancers take this member out, or back
    galera promote [--other-is-off]  where two clusters in two sites follow each other: let this one write
    galera upgrade                   drain, install Debian's newest MariaDB and Galera, come back; one member at a time
    galera run                       what mariadb.service runs: join or begin, as MariaDB; fails where neither is safe
    galera leave                     have load balancers leave, before the server stops; mariadb.service does it
    galera keep                      what galera.service runs: health on port 9200, standing for the others on 9201

A cluster begins, on its first day and after every full stop, by one rule: when no member is in a cluster and every
member has told its position, the one with the newest data begins, and the others join it one after the other. Where
one is silent nobody begins, for it may hold what the others lack.

Of two clusters, the one with the highest epoch in the replicated table casebook_galera.writer writes. The other is
read-only and follows it by GTID: one of its members has the channel, another takes it over. In doubt neither writes.
"""

import sys

sys.path.append("/usr/local/lib/casebook/galera")  # where its parts are on a machine
from pulumi_casebook.data.galera_cluster.programs import commands
from pulumi_casebook.data.galera_cluster.programs.keeper import Keeper
from pulumi_casebook.data.galera_cluster.programs.member import Member
from pulumi_casebook.machines.configuration.programs.runtime import CommandLine


def main() -> None:
    line = CommandLine("galera", __doc__)
    line.command("status", lambda _: commands.status(Member()))
    line.command("ready", lambda _: commands.ready(Member()))
    recover = line.command("recover", lambda given: commands.recover(Member(), given.without))
    recover.add_argument("--without", type=lambda names: frozenset(names.split(",")), default=frozenset())
    line.command("drain", lambda _: commands.drain(Member(), True))
    line.command("undrain", lambda _: commands.drain(Member(), False))
    promote = line.command("promote", lambda given: Member().sites.promote(given.other_is_off))
    promote.add_argument("--other-is-off", action="store_true")
    line.command("upgrade", lambda _: commands.upgrade(Member()))
    line.command("run", lambda _: Member().run())
    line.command("leave", lambda _: Member().leave())
    line.command("keep", lambda _: Keeper().keep())
    line.obey()


if __name__ == "__main__":
    main()
