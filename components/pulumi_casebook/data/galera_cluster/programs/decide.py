"""Who may join, who begins, who waits: from what every member tells of itself."""

from collections.abc import Mapping
from typing import NamedTuple

NOBODY = "00000000-0000-0000-0000-000000000000"


class Standing(NamedTuple):
    """What a member tells the others.

    `state`: blank (never had data), stopped, foreign (holds databases that were never a cluster's), starting,
    parted (runs, but outside the cluster: without a majority), primary (in it), unknown (stopped, and has not looked
    for its position).
    """

    name: str
    state: str
    uuid: str = NOBODY
    seqno: int = -1
    synced: bool = False  # has all data, and room for more
    waiting: bool = False  # would start if it might
    # Where a cluster elsewhere follows, or is followed:
    epoch: int = 0
    writer: str = ""
    writable: bool = False
    channel: bool = False
    position: str = ""


class Decision(NamedTuple):
    """`action`: join, begin or wait; and why."""

    action: str
    reason: str


def decide(own: Standing, others: Mapping[str, Standing | None], absent: frozenset[str]) -> Decision:
    """What this member may do. `others`, in the cluster's order with this member's name among them, holds None where
    nobody answers; `absent` is who is gone for good, by the operator's word."""
    order = list(others)
    known = {name: own if name == own.name else found for name, found in others.items() if found or name == own.name}
    there = [standing for standing in known.values() if standing is not None]
    if own.state == "foreign":
        return Decision("wait", f"{own.name} holds databases and was never in this cluster; move them away first")
    if primary := [one for one in there if one.state == "primary"]:
        if own.uuid not in (NOBODY, primary[0].uuid):
            return Decision(
                "wait",
                f"{own.name} holds the data of another cluster ({own.uuid}, not {primary[0].uuid}); to replace them by "
                "the cluster's, save what matters and empty /var/lib/mysql",
            )
        before = [one.name for one in there if one.waiting and order.index(one.name) < order.index(own.name)]
        before = [one.name for one in there if one.state == "starting"] or before
        if before:
            return Decision("wait", f"{before[0]} joins first; one at a time")
        if not any(one.synced for one in primary):
            return Decision("wait", f"{primary[0].name} has no complete copy of the data yet")
        return Decision("join", f"{primary[0].name} is in the cluster")
    if starting := [one.name for one in there if one.state == "starting"]:
        return Decision("wait", f"{starting[0]} is starting")
    silent = [name for name in order if name not in known and name not in absent]
    silent += [one.name for one in there if one.state == "unknown"]
    if silent:
        return Decision(
            "wait",
            f"no member is in the cluster, and {', '.join(silent)} did not tell its position: it may hold what the "
            f"others lack. If it is gone for good: galera recover --without {','.join(silent)}",
        )
    if foreign := [one.name for one in there if one.state == "foreign"]:
        return Decision("wait", f"{foreign[0]} holds databases and was never in this cluster; move them away first")
    if len(uuids := {one.uuid for one in there if one.state != "blank"}) > 1:
        told = ", ".join(f"{one.name}: {one.uuid}" for one in there)
        return Decision(
            "wait", f"the members hold the data of {len(uuids)} clusters ({told}); empty those that are to go"
        )
    newest = max(there, key=lambda one: (one.seqno, one.state == "parted", -order.index(one.name)))
    if newest.name == own.name:
        return Decision(
            "begin", f"{own.name} has the newest data ({own.uuid}:{own.seqno})" if uuids else "the first day"
        )
    return Decision("wait", f"{newest.name} begins ({newest.uuid}:{newest.seqno} is the newest); is it started?")
