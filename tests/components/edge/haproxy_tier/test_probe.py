"""How a load balancer in front finds out that a member hangs: a real HAProxy that is stopped."""

import pytest

from tests.components.edge.haproxy_tier.conftest import Tier


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
