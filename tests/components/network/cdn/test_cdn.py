"""The name of a CDN."""

from typing import Any

import pytest

from pulumi_casebook import Cdn, InputError
from tests.harness import declare, declares_the_same, only

GIVEN: dict[str, Any] = {"zone": "casebook.example", "target": "pull-7.cdn.example.net."}


@pytest.mark.claim("SOF-11")
@pytest.mark.claim("GIR-9")
def test_pages_find_the_cdn_by_a_name_of_the_zone() -> None:
    urls: list[str] = []
    declared = declares_the_same(lambda: urls.append(Cdn("cdn", **GIVEN).url))
    record = only(declared, "ovh:Domain/zoneRecord:ZoneRecord", "cdn")
    assert record.inputs == {
        "zone": "casebook.example",
        "subdomain": "static",
        "fieldtype": "CNAME",
        "target": "pull-7.cdn.example.net.",
        "ttl": 3600,
    }
    assert set(urls) == {"https://static.casebook.example"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"target": "pull-7.cdn.example.net"}, "target='pull-7.cdn.example.net'"),
        ({"ttl": 10}, "ttl=10: Input should be greater than or equal to 60"),
        ({"subdomain": "Static"}, "subdomain='Static'"),
    ],
)
def test_a_record_that_would_lead_nowhere_is_refused(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        declare(lambda: Cdn("cdn", **{**GIVEN, **change}), preview=True)
