"""A tier in front of a database, with real HAProxy processes: everybody writes to one server."""

import time

from tests.components.haproxy_tier.conftest import MEMBERS, Tier
from tests.components.web_tier.boxes import until


def writers(tier: Tier) -> list[str]:
    return [tier.writer(member) for member in MEMBERS]


def settled(tier: Tier, server: str, state: str) -> bool:
    return all(tier.state(member, server) == state for member in MEMBERS)


def test_members_agree_on_the_writer_whatever_happens(sql: Tier) -> None:
    sql.kill("db-1")
    start = time.monotonic()
    until(lambda: writers(sql) == ["db-2", "db-2"], "no new writer")
    assert time.monotonic() - start < 4

    sql.start("db-1")
    until(lambda: settled(sql, "db-1", "UP"), "db-1 is not back")
    assert writers(sql) == ["db-2", "db-2"], "connections must not go back by themselves"

    for member in MEMBERS:
        sql.restart(member)
        assert [sql.writer(member) for _ in range(10)] == ["db-2"] * 10, f"{member} has forgotten the writer"
        assert writers(sql) == ["db-2", "db-2"]
