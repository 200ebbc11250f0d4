"""One name for several addresses: what is declared, and what is refused."""

from typing import Any

import pulumi
import pytest

from pulumi_casebook import DnsRoundRobin, InputError
from tests.harness import Registered, Values, declare, declares_the_same, only

FRONTS = {f"front-{n}": f"198.18.30.{n}" for n in (1, 2, 3, 4)}


def www(**values: Any) -> DnsRoundRobin:
    return DnsRoundRobin("www", **{"zone": "nextradiotv.example", "subdomain": "www", "targets": FRONTS, **values})


def records(**values: Any) -> dict[str, Registered]:
    def program() -> None:
        www(**values)

    return {one.name: one for one in declares_the_same(program) if one.type.endswith(":ZoneRecord")}


@pytest.mark.claim("NRT-1")
def test_a_record_for_each_address() -> None:
    assert {name: one.inputs for name, one in records().items()} == {
        f"www-{name}": {
            "zone": "nextradiotv.example",
            "subdomain": "www",
            "fieldtype": "A",
            "target": address,
            "ttl": 60,
        }
        for name, address in FRONTS.items()
    }


def test_a_name_has_addresses_of_both_families() -> None:
    found = records(ipv6_targets={"front-1": "2001:2:0::1"})
    wanted = {"fieldtype": "AAAA", "target": "2001:2::1", "ttl": 60}
    assert wanted.items() <= found["www-front-1-ipv6"].inputs.items()
    assert found["www-front-1"].inputs["fieldtype"] == "A"


def test_one_more_address_touches_no_other() -> None:
    before, after = records(), records(targets={"another": "198.18.30.9", **FRONTS})
    assert {name: one.inputs for name, one in after.items() if name in before} == {
        name: one.inputs for name, one in before.items()
    }
    assert after.keys() - before.keys() == {"www-another"}


def test_an_address_may_come_later() -> None:
    def program() -> None:
        www(targets={"vps": pulumi.Output.from_input("198.18.24.3")})

    assert only(declares_the_same(program), "ZoneRecord", "www-vps").inputs["target"] == "198.18.24.3"


@pytest.mark.parametrize(("subdomain", "host"), [("www", "www.nextradiotv.example"), ("", "nextradiotv.example")])
def test_the_name_is_known_at_preview(subdomain: str, host: str) -> None:
    stack = declare(lambda: pulumi.export("host", www(subdomain=subdomain).host), preview=True)[0]
    assert stack.outputs["host"] == host


def test_a_zone_of_somebody_else_is_refused() -> None:
    def missing(_: Values) -> Values:
        raise LookupError("This service does not exist")

    with pytest.raises(InputError, match=r"DNS zone 'nextradiotv.example': the account does not show it \(.*; check"):
        declare(www, preview=True, answers={"ovh:Domain/getZone:getZone": missing})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"targets": {}}, "targets"),
        ({"targets": {"a": "198.18.30.1", "b": "198.18.30.1"}}, "198.18.30.1 is there twice"),
        ({"targets": {"a": "www.example.org"}}, "not an IPv4 address"),
        ({"ipv6_targets": {"a": "198.18.30.1"}}, "not an IPv6 address"),
        ({"ipv6_targets": {"a": "2001:2::1", "b": "2001:2:0::1"}}, "2001:2::1 is there twice"),
        ({"ttl": 5}, "ttl=5: seconds, 60 to 86400"),
        ({"subdomain": "www."}, "subdomain='www.'"),
        ({"zone": "example"}, "zone='example'"),
    ],
)
def test_refusals(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as refused:
        declare(lambda: www(**values), preview=True)
    assert message in str(refused.value)
