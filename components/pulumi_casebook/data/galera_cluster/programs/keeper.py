"""What galera.service runs: answers load balancers and members, and starts the server when it may."""

import json
import subprocess
import threading
import time
from collections.abc import Mapping
from typing import NoReturn

from pulumi_casebook.data.galera_cluster.programs.accounts import make_accounts
from pulumi_casebook.data.galera_cluster.programs.api import ports
from pulumi_casebook.data.galera_cluster.programs.decide import Standing, decide
from pulumi_casebook.data.galera_cluster.programs.member import Member
from pulumi_casebook.machines.configuration.programs.runtime import Refused, Unanswered, show, write

CALM = 5  # times as seldom does a member that is well ask the others: each asks all, which ten members feel
PARTED = 30.0  # seconds in which members that lost each other find each other again by themselves


class Keeper:
    def __init__(self) -> None:
        self.member = Member()
        self.others: dict[str, Standing | None] = {}

    def health(self) -> tuple[int, str]:
        self.member.asked.touch()
        why = self.member.ill(self.others)
        return (503, f"{why}\n") if why else (200, "Primary and Synced\n")

    def standing(self) -> tuple[int, str]:
        return 200, json.dumps(self.member.server.standing())

    def keep(self) -> NoReturn:
        self.member.run_folder.mkdir(parents=True, exist_ok=True)
        for port in ports(self.member.settings, self.health, self.standing):
            threading.Thread(target=port.serve_forever, daemon=True).start()
        parted, said = time.monotonic(), ""
        while True:
            now, rests = "", 1
            try:
                member = self.member = Member()
                self.others = member.others()
                own = self.others[member.name] or member.server.standing()
                if own.state != "parted":
                    parted = time.monotonic()
                if own.synced:
                    rests = CALM
                now = look(member, own, self.others, alone=time.monotonic() - parted)
            except (Refused, Unanswered, OSError, ValueError) as error:
                now = str(error)
            try:
                measure(self.member, self.others)
            except OSError as error:  # a full disk
                now += f"; no figures: {error}"
            if now != said:
                print(now, flush=True)
                said = now
            for _ in range(rests):
                time.sleep(self.member.settings["pause"])
                if self.member.server.full():
                    break


def look(member: Member, own: Standing, others: dict[str, Standing | None], alone: float) -> str:
    """Do what follows from all members' standing; what this member is, in a word."""
    if own.waiting and own.state != "starting":
        decided = member.decide(own, others)
        write(member.waiting, decided.reason)
        if decided.action != "wait":
            subprocess.run(member.settings["start"], check=True)
        return f"waiting: {decided.reason}" if decided.action == "wait" else f"starting: {decided.reason}"
    if own.state == "primary" and (full := member.server.full()):
        votes = member.settings["votes"]
        arbitrators = votes - len(member.members)
        if 2 * (member.synced_others(others) + arbitrators) <= votes:
            return f"in the cluster, which needs it: {full}"
        # Not stopped: that would wait for room as well.
        write(member.waiting, full)
        subprocess.run(member.settings["kill"], check=True)
        return f"killed, for the others go on without it: {full}"
    if own.state == "parted" and alone > PARTED:
        decided = decide(own, others, member.gone())
        if decided.action == "begin":
            # Without a restart it keeps its cache of write-sets: the others need no copy of everything.
            member.server.begin_again()
            member.absent.unlink(missing_ok=True)
            return f"began again: {decided.reason}"
        return f"outside the cluster: {decided.reason}"
    if own.synced:
        member.waiting.unlink(missing_ok=True)
        make_accounts(member.server)
        if not member.sites.elsewhere:
            member.server.make_database()
    if own.state == "primary" and member.sites.elsewhere:
        return member.sites.look(own, others)
    return "synced" if own.synced else own.state


def measure(member: Member, others: Mapping[str, Standing | None]) -> None:
    """Figures for node_exporter's textfile collector."""
    try:
        now = member.server.figures()
    except Unanswered:
        now = {}
    figures = {
        "ready": int(not member.ill(others)),
        "primary": int(now.get("wsrep_cluster_status") == "Primary"),
        "synced": int(now.get("wsrep_local_state") == "4"),
        "size": now.get("wsrep_cluster_size", "0"),
        "expected_size": member.settings["votes"],
        "flow_control_paused": now.get("wsrep_flow_control_paused", "0"),
        "receive_queue_average": now.get("wsrep_local_recv_queue_avg", "0"),
        "certification_failures_total": now.get("wsrep_local_cert_failures", "0"),
        "aborts_total": now.get("wsrep_local_bf_aborts", "0"),
    }
    text = "".join(f"casebook_galera_{name} {value}\n" for name, value in figures.items())
    own = others.get(member.name)
    if (
        own
        and member.sites.elsewhere
        and (own.writable or own.channel or not any(one and one.channel for one in others.values()))
    ):
        text += f"casebook_mysql_replication_lag_seconds {member.sites.lag(own)}\n"
    show(member.settings["metrics"], "galera", text)
