"""The address plan: machines come and go, addresses stay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulumi_casebook import AddressPlan, InputError


def test_addresses_count_from_one_at_the_tier_s_start() -> None:
    plan = AddressPlan("10.8.0.0/24", haproxy=10, web=20)
    assert [plan.address("haproxy", 1), plan.address("web", 1), plan.address("web", 9)] == [
        "10.8.0.10",
        "10.8.0.20",
        "10.8.0.28",
    ]
    assert plan.block("web", 30) == "10.8.0.20/30"


@given(st.integers(1, 40), st.integers(1, 40))
def test_adding_a_machine_or_a_tier_moves_no_other(count: int, more: int) -> None:
    before = AddressPlan("10.8.0.0/22", web=20, database=200)
    after = AddressPlan("10.8.0.0/22", web=20, monitoring=120, database=200)
    known = [before.address("web", index) for index in range(1, count + 1)]
    assert known == [after.address("web", index) for index in range(1, count + more + 1)][:count]
    assert before.address("database", 1) == after.address("database", 1)


@given(st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), st.integers(1, 253), min_size=1))
def test_no_address_is_given_twice(tiers: dict[str, int]) -> None:
    if len(set(tiers.values())) < len(tiers):
        with pytest.raises(InputError, match="already the start of tier"):
            AddressPlan("10.8.0.0/24", **tiers)
        return
    plan = AddressPlan("10.8.0.0/24", **tiers)
    given_out = [plan.address(tier, index) for tier in tiers for index in range(1, plan.room(tier) + 1)]
    assert len(given_out) == len(set(given_out))
    assert "10.8.0.0" not in given_out
    assert "10.8.0.255" not in given_out


def test_a_full_tier_and_an_unknown_one_are_refused() -> None:
    plan = AddressPlan("10.8.0.0/24", haproxy=10, web=20)
    with pytest.raises(ValueError, match=r"haproxy number 11: 10\.8\.0\.0/24 has room for 10 of them; widen the plan"):
        plan.address("haproxy", 11)
    with pytest.raises(ValueError, match="no tier 'db'; it has haproxy, web"):
        plan.address("db", 1)
    with pytest.raises(ValueError, match="room"):
        plan.address("web", 0)


@pytest.mark.parametrize("offset", [0, 255, 256, -1])
def test_a_tier_outside_the_network_is_refused(offset: int) -> None:
    with pytest.raises(InputError, match=f"tiers.web={offset}: 10.8.0.0/24 has host offsets 1 to 254"):
        AddressPlan("10.8.0.0/24", web=offset)
