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


@pytest.mark.parametrize("tier", [(1, {})], indirect=True)
def test_clients_that_come_and_go_leave_no_source_port_waiting(tier: Tier) -> None:
    """As many connections as there are ports, and more, within the minute of TIME_WAIT."""
    tier.boxes["haproxy-1"].run("echo 20000 20199 >/proc/sys/net/ipv4/ip_local_port_range")
    tier.boxes["haproxy-1"].run("echo 0 >/proc/sys/net/ipv4/tcp_tw_reuse")
    come_and_go = (
        "import socket\nfor _ in range(400):\n"
        f"    with socket.create_connection(('{tier.members['haproxy-1']}', 3306), 2) as one:\n"
        "        one.settimeout(4)\n        assert one.recv(99) == b'db-1\\n'\n"
    )
    tier.boxes["client"].run("python3 -", come_and_go)
    assert int(tier.boxes["haproxy-1"].run("ss -Hnt state time-wait dport = :3306 | wc -l")) < 10
