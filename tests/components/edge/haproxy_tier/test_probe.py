"""How a load balancer in front finds out that a member hangs: a real HAProxy that is stopped."""

import pytest

from tests.components.edge.haproxy_tier.conftest import SERVERS, Tier
from tests.waiting import until


@pytest.mark.claim("SOF-10")
@pytest.mark.parametrize("tier", [(2, {})], indirect=True)
def test_a_member_that_hangs_takes_connections_and_fails_its_probe(tier: Tier) -> None:
    client, address = tier.boxes["client"], tier.members["haproxy-1"]
    probe = f"curl --silent --output /dev/null --write-out '%{{http_code}}' --max-time 2 http://{address}:8404/usable"
    connect = f"import socket; socket.create_connection(('{address}', 3306), 2); print('connected')"
    assert client.run(probe, check=False) == "200"
    tier.boxes["haproxy-1"].run("pkill -STOP -x haproxy")
    assert client.run(f'python3 -c "{connect}"').strip() == "connected"
    assert client.run(probe, check=False) == "000"
    tier.boxes["haproxy-1"].run("pkill -CONT -x haproxy")
    assert client.run(probe, check=False) == "200"


def usable(tier: Tier) -> list[str]:
    """What each member's page says."""
    ask = "curl --silent --output /dev/null --write-out '%{http_code}' --max-time 2 http://"
    return [tier.boxes["client"].run(f"{ask}{one}:8404/usable", check=False) for one in tier.members.values()]


@pytest.mark.claim("SOF-10")
@pytest.mark.parametrize("tier", [(2, {})], indirect=True)
def test_a_member_that_alone_has_lost_its_servers_says_so_and_none_when_all_have(tier: Tier) -> None:
    rules = "add table inet cut; add chain inet cut out { type filter hook output priority 0; }"
    drop = f"add rule inet cut out ip daddr {{ {', '.join(SERVERS.values())} }} drop"
    until(lambda: usable(tier) == ["200", "200"], "a tier that is well is not usable")
    tier.boxes["haproxy-1"].run(f"nft '{rules}; {drop}'")
    until(lambda: usable(tier) == ["503", "200"], "the member that is cut from its servers does not say so")
    tier.boxes["haproxy-2"].run(f"nft '{rules}; {drop}'")
    until(lambda: usable(tier) == ["200", "200"], "all members say that they are of no use")
    tier.boxes["haproxy-2"].run("nft delete table inet cut")
    until(lambda: usable(tier) == ["503", "200"], "the one that is still cut does not say so")
    tier.boxes["haproxy-1"].run("nft delete table inet cut")
    until(lambda: usable(tier) == ["200", "200"], "a member that has its servers again is not usable")


@pytest.mark.parametrize("tier", [(1, {"clients": ["0.0.0.0/0"]}), (1, {})], indirect=True, ids=["world", "some"])
def test_the_world_is_answered_by_ipv6_too(tier: Tier, request: pytest.FixtureRequest) -> None:
    tier.boxes["haproxy-1"].run("ip -6 address add 2001:2::11/64 dev eth0 nodad")
    tier.boxes["client"].run("ip -6 address add 2001:2::99/64 dev eth0 nodad")
    tier.boxes["haproxy-1"].run("nft -f /etc/nftables.conf")
    assert tier.answers(tier.members["haproxy-1"]) == "db-1"
    assert tier.answers("2001:2::11") == ("db-1" if "[world]" in request.node.name else "")
