"""What an operator, or a watchdog, asks of this machine."""

import json
import time

from pulumi_casebook.data.mysql_pair.programs.pair import Pair, newest
from pulumi_casebook.data.mysql_pair.programs.server import DECISIONS, Record
from pulumi_casebook.machines.configuration.programs.runtime import Refused, Unanswered, run

SETTLED = 5  # looks, in whose time a writer that sees a higher epoch has stopped


def status(pair: Pair) -> str:
    return json.dumps(pair.status(), indent=1)


def renew_lease(pair: Pair) -> None:
    print(status(pair))
    pair.see()


def stop(pair: Pair) -> None:
    run("systemctl", "kill", "--signal=KILL", "mariadb.service")
    pair.address.drop()
    with pair.alone():  # it has not been the writer without a break any more
        pair.writing.unlink(missing_ok=True)


def ready(pair: Pair, formed: bool) -> str:
    status = pair.status()
    if status["writer"] is None and not formed and not pair.here.replication():
        return "the server answers; the pair begins when both do"
    if not pair.two_way and status["role"] == "writer" and status["holds_address"] and status["writer"] == pair.name:
        return "writer"
    lag, wanted = status["lag"], "writer" if pair.two_way else "replica"
    if status["role"] == wanted and lag is not None and lag < pair.settings["max_lag"]:
        return f"{wanted}, {lag} s behind"
    raise Refused("; ".join([status["keeper"], *status["errors"]]))


def promote(pair: Pair, peer_is_off: bool) -> str:
    own, peers = pair.here.record(), pair.seen()
    if own is None or pair.replica.seeding.exists():
        raise Refused(f"{pair.name} has no complete copy of the data")
    if pair.two_way:
        return move_address(pair, own, peers, peer_is_off)
    if own.writer == pair.name and not pair.here.read_only():
        return f"{pair.name} is the writer already"
    if isinstance(peers, Record):
        return take_over(pair, own, peers)
    if isinstance(peers, Unanswered):
        if not peer_is_off:
            raise unsure(peers)
    elif not pair.peer.read_only():
        raise Refused(f"{pair.peer_name} has no data of this pair, but takes writes")
    if pair.address.taken_elsewhere():
        raise Refused(f"{pair.peer_name} is not off: {pair.address.address} is answered for; switch it off first")
    if pair.here.replication():
        pair.here.ask("STOP REPLICA IO_THREAD;")
        pair.replica.apply_all(pair.here.replication()["Gtid_IO_Pos"])
    pair.become_writer(Record(own.epoch + 1, pair.name))
    if pair.lease is not None:
        # A peer that is not off after all, and hears us though we do not hear it, reads this and stops.
        time.sleep(SETTLED * pair.settings["pause"])
        pair.see()
    pair.write()
    return f"{pair.name} is the writer; when {pair.peer_name} is back it becomes its replica"


def take_over(pair: Pair, own: Record, peers: Record) -> str:
    """A switch without loss: the writer's own data says who comes next, and the replica waits for all of it."""
    if peers.writer == pair.peer_name:
        if not pair.here.replication() or pair.peer.read_only():
            raise Refused(f"{pair.name} is not the replica of a writer; look at mysql-pair status on both machines")
        pair.peer.ask(DECISIONS.add(max(own, peers).epoch + 1, pair.name))
    pair.peer.ask("SET SESSION lock_wait_timeout=20; SET GLOBAL read_only=1;")
    pair.peer.end_sessions(pair.settings["user"])
    pair.replica.apply_all(pair.peer.value("@@GLOBAL.gtid_binlog_pos"))
    wait_for_address(pair)
    pair.write()
    return f"{pair.name} is the writer, {pair.peer_name} its replica"


def move_address(pair: Pair, own: Record, peers: Record | Unanswered | None, peer_is_off: bool) -> str:
    if isinstance(peers, Unanswered) and not peer_is_off:
        raise unsure(peers)
    pair.here.ask(DECISIONS.add(newest(own, peers).epoch + 1, pair.name))
    wait_for_address(pair)
    pair.address.take()
    return f"{pair.name} holds {pair.address.address}"


def wait_for_address(pair: Pair) -> None:
    deadline = time.monotonic() + 30
    while pair.address.taken_elsewhere():
        if time.monotonic() > deadline:
            raise Refused(f"{pair.peer_name} keeps {pair.address.address}; is mysql-pair.service running there?")


def rejoin(pair: Pair, discard: bool) -> str:
    peers = pair.seen()
    if isinstance(peers, Unanswered):
        raise Refused(f"{peers}; there is no writer to join")
    if peers is None or not (pair.two_way or peers.writer == pair.peer_name) or pair.peer.read_only():
        raise Refused(f"{pair.peer_name} is not the writer; look at mysql-pair status on both machines")
    pair.be_read_only()
    if discard:
        pair.replica.seed()
    pair.replica.attached = None
    pair.replica.replicate()
    return f"{pair.name} is the replica of {pair.peer_name}"


def unsure(why: Unanswered) -> Refused:
    return Refused(f"{why}; make sure that it is off, then: mysql-pair promote --peer-is-off")
