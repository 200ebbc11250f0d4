"""What caches hold, and what is refused. That they keep pages is seen with PHP (../nginx_tier)."""

import pytest

from pulumi_casebook import InputError, Memcached
from tests.components.tier_fixtures import Values, files_of, machines, role_of
from tests.harness import comes_after, declare, declares_the_same, only


def tier(**values: object) -> None:
    given: Values = {"machines": machines("cache", 41, 42), "clients": ["10.4.0.0/26"], **values}
    assert Memcached("cache", **given).service.servers == {"cache-41": "10.4.0.41", "cache-42": "10.4.0.42"}


@pytest.mark.claim("NRT-4")
def test_a_change_empties_one_cache_at_a_time() -> None:
    declared = declares_the_same(tier)
    first, second = (only(declared, "command:remote:Command", f"cache-{number}-memcached") for number in (41, 42))
    assert comes_after(declared, second, first)


def test_a_cache_listens_on_its_private_address_and_not_on_udp() -> None:
    lines = files_of(role_of(tier, "cache-42-memcached"))["/etc/memcached.conf"].splitlines()
    assert {"-l 10.4.0.42", "-p 11211", "-U 0", "-m 256"} <= set(lines)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"memory_mib": 8}, "memory_mib=8: Input should be greater than or equal to 16"),
        ({"clients": []}, "clients=[]"),
        ({"machines": []}, "machines=[]"),
    ],
)
def test_refusals(values: Values, message: str) -> None:
    with pytest.raises(InputError) as refused:
        declare(lambda: tier(**values), preview=True)
    assert message in str(refused.value)
