"""A tier in front of a database, with real HAProxy processes: everybody writes to one server."""

import time

import pytest

from tests.components.edge.haproxy_tier.conftest import Tier
from tests.waiting import until

# A connection that a pool keeps.
POOLED = (
    'import socket; c = socket.create_connection(("{}", 3306)); print(c.recv(99).decode(), flush=True);'
    'c.recv(99); print("ended", flush=True)'
)


@pytest.mark.claim("NRT-6")
@pytest.mark.parametrize("tier", [(2, {})], indirect=True, ids=["two"])
def test_members_agree_on_the_writer_whatever_happens(tier: Tier) -> None:
    client = tier.boxes["client"]
    client.start(f"python3 -c '{POOLED.format(tier.members['haproxy-1'])}'")
    until(lambda: "db-1" in client.run("cat /run/started.log"), "no connection that stays")

    # It accepts connections and answers nobody: nothing but HAProxy ends what it holds.
    tier.signal("db-1", "STOP")
    start = time.monotonic()
    until(lambda: tier.writers() == ["db-2", "db-2"], "no new writer")
    assert time.monotonic() - start < 5
    until(lambda: "ended" in client.run("cat /run/started.log"), "a pooled connection stays with a dead writer")

    tier.signal("db-1", "CONT")
    until(lambda: tier.sees("db-1", "UP"), "db-1 is not back")
    assert tier.writers() == ["db-2", "db-2"], "connections must not go back by themselves"

    for member, address in tier.members.items():
        tier.stop_haproxy(member)
        tier.boxes[member].run("nft insert rule inet filter input tcp sport 10000 drop")
        tier.start_haproxy(member)
        tier.boxes[member].start("sleep 0.5; nft -f /etc/nftables.conf")
        assert tier.answers(address) == "db-2", f"{member} did not wait to hear who the writer is"
        assert tier.writers() == ["db-2", "db-2"]

    tier.signal("db-2", "KILL")
    until(lambda: tier.writers() == ["db-1", "db-1"], "the first server is no writer again")
