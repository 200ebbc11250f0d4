#!/usr/bin/python3
"""Keeps this machine in its part of a MariaDB pair: the writer, or the replica of the writer.

    mysql-pair keep                     what mysql-pair.service runs: look at the peer, do what follows, every 3 s
    mysql-pair status                   what this machine is, and why; JSON
    mysql-pair ready [--formed]         succeed when it does its part; with --formed the pair must exist already
    mysql-pair promote [--peer-is-off]  make this replica the writer; in the two-way form: take the service address
    mysql-pair rejoin [--discard]       make this machine the replica of the writer; --discard replaces its data
    mysql-pair leave                    give the service address back; mariadb.service does it when the server stops
    mysql-pair renew-lease              status, and leave to write for another lease; the watchdog asks this
    mysql-pair stop                     end the server at once, to come back read-only; how the watchdog fences

Who writes is a row of the replicated table casebook_pair.writer: the one with the highest epoch names the writer.
A server always starts read-only. It is made writable only by this program, and only where its own data holds that
row and the peer has been seen to be read-only. In doubt it stays read-only and says what to run.

In the two-way form both write and each replicates the other, so the row only says who holds the service address.
"""

import sys
from collections.abc import Callable

sys.path.append("/usr/local/lib/casebook/mysql-pair")  # where its parts are on a machine
from pulumi_casebook.data.mysql_pair.programs import commands
from pulumi_casebook.data.mysql_pair.programs.keeper import keep
from pulumi_casebook.data.mysql_pair.programs.pair import Pair
from pulumi_casebook.machines.configuration.programs.runtime import CommandLine


def alone(command: Callable[[Pair, bool], str], option: bool) -> str:
    """Not during a look of the keeper."""
    pair = Pair()
    with pair.alone():
        return command(pair, option)


def main() -> None:
    line = CommandLine("mysql-pair", __doc__)
    line.command("keep", lambda _: keep(Pair()))
    line.command("status", lambda _: commands.status(Pair()))
    ready = line.command("ready", lambda given: commands.ready(Pair(), given.formed))
    ready.add_argument("--formed", action="store_true")
    promote = line.command("promote", lambda given: alone(commands.promote, given.peer_is_off))
    promote.add_argument("--peer-is-off", action="store_true")
    rejoin = line.command("rejoin", lambda given: alone(commands.rejoin, given.discard))
    rejoin.add_argument("--discard", action="store_true")
    line.command("leave", lambda _: Pair().address.drop())
    line.command("renew-lease", lambda _: commands.renew_lease(Pair()))
    line.command("stop", lambda _: commands.stop(Pair()))
    line.obey()


if __name__ == "__main__":
    main()
