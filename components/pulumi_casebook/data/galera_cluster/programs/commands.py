"""What an operator asks of a member."""

import json
import os
import subprocess
import time

from pulumi_casebook.data.galera_cluster.programs.accounts import make_accounts
from pulumi_casebook.data.galera_cluster.programs.decide import decide
from pulumi_casebook.data.galera_cluster.programs.member import Member
from pulumi_casebook.machines.configuration.programs.runtime import Refused, write


def status(member: Member) -> str:
    others = member.others()
    found = {
        "name": member.name,
        "serves": not (why := member.ill(others)),
        "why": why or "Primary and Synced",
        "waits_for": member.waiting.read_text() if member.waiting.exists() else None,
        "members": {name: one._asdict() if one else "does not answer" for name, one in others.items()},
    }
    return json.dumps(found, indent=1)


def ready(member: Member) -> str:
    if why := member.ill(member.others()):
        raise Refused(member.waiting.read_text() if member.waiting.exists() else why)
    own = member.server.standing()
    if member.sites.elsewhere and not (own.writable or own.writer not in ("", member.sites.cluster)):
        raise Refused(f"{member.name} is in the cluster, which may not write yet; journalctl -u galera tells why")
    make_accounts(member.server)  # the next member's copy needs them
    if own.writable or not member.sites.elsewhere:
        member.server.make_database()
    return f"{member.name} serves"


def recover(member: Member, absent: frozenset[str]) -> str:
    others = member.others()
    own = others[member.name] or member.server.standing()
    if strange := sorted(absent - others.keys()):
        raise Refused(f"{strange[0]} is no member; there are {', '.join(others)}")
    if there := [name for name in absent if others[name]]:
        raise Refused(f"{there[0]} answers, so it is not gone: {others[there[0]]}")
    if own.state == "primary":
        return f"{member.name} is in the cluster"
    decided = decide(own, others, absent)
    if decided.action == "wait":
        raise Refused(decided.reason)
    write(member.absent, json.dumps(sorted(absent)))
    if own.state != "parted":
        subprocess.run(member.settings["start"], check=True)
    return f"{decided.reason}; it goes on by itself: galera status"


def drain(member: Member, on: bool) -> str:
    if on:
        write(member.drained, "")
        return f"{member.name} gets no new clients, also after a restart, until: galera undrain"
    member.drained.unlink(missing_ok=True)
    return f"{member.name} gets clients when it is ready"


def upgrade(member: Member) -> str:
    others = member.others()
    if away := [name for name, one in others.items() if not (one and one.synced)]:
        raise Refused(f"{', '.join(away)}: not synced; upgrade when all members are, one after the other")
    member.leave()
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    get = ["apt-get", "-qq", "-o", "Dpkg::Options::=--force-confold"]
    try:
        subprocess.run([*get, "update"], check=True, env=environment)
        install = [*get, "install", "--yes", "--only-upgrade", *member.settings["packages"]]
        subprocess.run(install, check=True, env=environment)
        subprocess.run(["systemctl", "restart", "mariadb.service"], check=True)
    finally:
        member.leaving.unlink(missing_ok=True)
    deadline = time.monotonic() + 1800
    while why := member.ill(member.others()):
        if time.monotonic() > deadline:
            raise Refused(f"upgraded, but {why}")
        time.sleep(1)
    return f"{member.name} serves with {member.server.ask('SELECT VERSION()')[0][0]}; now the next member"
