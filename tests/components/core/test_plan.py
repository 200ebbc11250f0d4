"""The address plan: machines come and go, addresses stay."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulumi_casebook import AddressPlan, InputError


def test_addresses_count_from_one_at_the_tier_s_start() -> None:
    plan = AddressPlan("10.8.0.0/24", haproxy="16/28", web="64/26")
    assert [plan.address("haproxy"), plan.address("web", 1), plan.address("web", 9)] == [
        "10.8.0.16",
        "10.8.0.64",
        "10.8.0.72",
    ]
    assert plan.addresses("haproxy", 2) == ["10.8.0.16", "10.8.0.17"]
    assert plan.range("web") == "10.8.0.64/26"


@given(st.integers(1, 40), st.integers(1, 24))
def test_adding_a_machine_or_a_tier_moves_no_other(count: int, more: int) -> None:
    before = AddressPlan("10.8.0.0/22", web="64/26", database="256/28")
    after = AddressPlan("10.8.0.0/22", web="64/26", monitoring="128/32", database="256/28")
    known = [before.address("web", index) for index in range(1, count + 1)]
    assert known == [after.address("web", index) for index in range(1, count + more + 1)][:count]
    assert before.address("database") == after.address("database")


ROOMS = st.tuples(st.integers(0, 31), st.integers(26, 32)).map(lambda one: f"{one[0] * 8}/{one[1]}")


@given(st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), ROOMS, min_size=1))
def test_no_address_is_given_twice_and_no_range_covers_another(tiers: dict[str, str]) -> None:
    try:
        plan = AddressPlan("10.8.0.0/24", **tiers)
    except InputError:
        nets = [ipaddress.ip_network(f"10.8.0.{room}", strict=False) for room in tiers.values()]
        aligned = [str(net) == f"10.8.0.{room}" for net, room in zip(nets, tiers.values(), strict=True)]
        apart = not any(one.overlaps(two) for n, one in enumerate(nets) for two in nets[:n])
        assert not all(aligned) or not apart or any(room.startswith("0/") for room in tiers.values())
        return
    given_out = [plan.address(tier, index) for tier in tiers for index in range(1, plan.room(tier) + 1)]
    assert len(given_out) == len(set(given_out))
    assert "10.8.0.0" not in given_out
    assert "10.8.0.255" not in given_out
    for tier in tiers:
        inside = ipaddress.ip_network(plan.range(tier))
        assert all(
            (ipaddress.ip_address(plan.address(other, n)) in inside) == (other == tier)
            for other in tiers
            for n in range(1, plan.room(other) + 1)
        )


def test_a_full_tier_and_an_unknown_one_are_refused() -> None:
    plan = AddressPlan("10.8.0.0/24", haproxy="16/28", web="32/28")
    with pytest.raises(InputError, match=r"haproxy number 17: 10\.8\.0\.16/28 has room for 16; widen the plan"):
        plan.address("haproxy", 17)
    with pytest.raises(InputError, match="no tier 'db'; it has haproxy, web"):
        plan.address("db", 1)
    with pytest.raises(InputError, match="room"):
        plan.address("web", 0)


@pytest.mark.parametrize(
    ("web", "reason"),
    [
        ("0/28", "has the numbers 1 to 255; 0 is the network itself"),
        ("256/28", "has the numbers 1 to 255"),
        ("20/28", "a /28 begins at a multiple of 16"),
        ("16", "a prefix length: 64/26"),
        ("16/8", "a prefix length: 64/26"),
        ("16/27", "a /27 begins at a multiple of 32"),
        ("32/27", "covers database=48/28"),
    ],
)
def test_a_room_that_does_not_fit_is_refused_with_the_reason(web: str, reason: str) -> None:
    with pytest.raises(InputError, match=rf"AddressPlan: tiers\.web='?{web}'?: .*{reason}"):
        AddressPlan("10.8.0.0/24", database="48/28", web=web)
