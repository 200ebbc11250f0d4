"""A certificate: self-signed, or the user's own."""

from collections.abc import Callable
from typing import Any

import pulumi
import pytest

from pulumi_casebook import Certificate, InputError
from tests.harness import declares_the_same, only

KEY = "-----BEGIN PRIVATE KEY-----\nMIGHAgEA\n-----END PRIVATE KEY-----\n"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def test_names_and_addresses_go_where_clients_look_for_them() -> None:
    def program() -> None:
        Certificate("site", names=["www.example.org", "198.18.16.9", "example.org"])

    declared = declares_the_same(program)
    signed = only(declared, "SelfSignedCert", "site").inputs
    assert signed["subject"] == {"commonName": "www.example.org"}
    assert signed["dnsNames"] == ["www.example.org", "example.org"]
    assert signed["ipAddresses"] == ["198.18.16.9"]
    assert (signed["validityPeriodHours"], signed["earlyRenewalHours"]) == (365 * 24, 60 * 24)
    key = only(declared, "PrivateKey", "site").inputs
    assert (key["algorithm"], key["ecdsaCurve"]) == ("ECDSA", "P256")
    assert only(declared, "casebook:index:Certificate", "site").secret_outputs == {"private_key_pem"}


@pytest.mark.parametrize("given", [str, pulumi.Output.secret], ids=["plain", "secret"])
def test_a_pair_of_ones_own_keeps_its_key_secret(
    given: Callable[[str], str | pulumi.Output[str]],
) -> None:
    def program() -> None:
        own = Certificate("own", certificate_pem=CERTIFICATE, private_key_pem=given(KEY))
        pulumi.export("key", own.private_key_pem)

    stack, *rest = declares_the_same(program)
    assert [resource.type for resource in rest] == ["casebook:index:Certificate"]
    assert stack.outputs == {"key": KEY}
    assert stack.secret_outputs == {"key"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "names: a self-signed certificate needs at least one host name or address"),
        ({"names": ["a"], "renew_days": 365}, "renew_days=365: must be less than days=365"),
        ({"certificate_pem": CERTIFICATE}, "certificate_pem and private_key_pem go together"),
        (
            {"certificate_pem": CERTIFICATE, "private_key_pem": KEY, "names": ["a"]},
            "names: your own certificate has its names already",
        ),
        (
            {"certificate_pem": "/etc/ssl/own.pem", "private_key_pem": KEY},
            "certificate_pem: holds no -----BEGIN CERTIFICATE----- block; give the file's text, not its path",
        ),
    ],
)
def test_refusals(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as refused:
        Certificate("site", **values)
    assert message in str(refused.value)


def test_a_refusal_never_quotes_the_key() -> None:
    with pytest.raises(InputError) as refused:
        Certificate("site", certificate_pem=CERTIFICATE, private_key_pem="secret words", names=["a"])
    assert "secret words" not in str(refused.value)
    with pytest.raises(InputError) as refused:
        Certificate("site", certificate_pem=CERTIFICATE, private_key_pem="secret words")
    assert "private_key_pem: holds no" in str(refused.value)
    assert "secret words" not in str(refused.value)
