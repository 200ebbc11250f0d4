"""A certificate: self-signed, or the user's own."""

import datetime
from collections.abc import Callable
from typing import Any

import pulumi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from pulumi_casebook import Certificate, InputError
from tests.harness import declares_the_same, only

NOW = datetime.datetime.now(datetime.UTC)


def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def signed(of: Any, name: str, by: Any, issuer: str, days: int = 30) -> str:
    """A certificate of one key by another."""
    names = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, one)]) for one in (name, issuer)]
    made = x509.CertificateBuilder(names[1], names[0], of.public_key(), x509.random_serial_number())
    made = made.not_valid_before(NOW - datetime.timedelta(90)).not_valid_after(NOW + datetime.timedelta(days))
    return made.sign(by, SHA256()).public_bytes(Encoding.PEM).decode()


def text(of: Any, encryption: KeySerializationEncryption | None = None) -> str:
    return str(of.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()).decode())


SERVER, AUTHORITY, ROOT = key(), key(), key()
OWN = signed(SERVER, "www.example.org", AUTHORITY, "authority")
MIDDLE = signed(AUTHORITY, "authority", ROOT, "root")
TOP = signed(ROOT, "root", ROOT, "root")
SHORT = rsa.generate_private_key(65537, 1024)
KEY, CERTIFICATE = text(SERVER), OWN + MIDDLE + TOP


def test_names_and_addresses_go_where_clients_look_for_them() -> None:
    def program() -> None:
        Certificate("site", names=["www.example.org", "198.18.16.9", "example.org"])

    declared = declares_the_same(program)
    made = only(declared, "SelfSignedCert", "site").inputs
    assert made["subject"] == {"commonName": "www.example.org"}
    assert made["dnsNames"] == ["www.example.org", "example.org"]
    assert made["ipAddresses"] == ["198.18.16.9"]
    assert (made["validityPeriodHours"], made["earlyRenewalHours"]) == (365 * 24, 60 * 24)
    private = only(declared, "PrivateKey", "site").inputs
    assert (private["algorithm"], private["ecdsaCurve"]) == ("ECDSA", "P256")
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
        ({"names": ["www." + "a" * 57 + ".org"]}, "the common name, which has 64 characters at most"),
        ({"names": ["a..b"]}, "names.0='a..b': a host name's parts, which dots divide"),
        ({"names": ["a" * 64 + ".org"]}, "a part of a host name has 63 characters at most"),
        ({"names": ["10.8.0.256"]}, "names.0='10.8.0.256': an address, where a name is meant"),
        (
            {"certificate_pem": "/etc/ssl/own.pem", "private_key_pem": KEY},
            "certificate_pem: holds no whole -----BEGIN CERTIFICATE----- block; give the file's text, not its path",
        ),
        ({"certificate_pem": OWN[:300], "private_key_pem": KEY}, "certificate_pem: holds no whole -----BEGIN"),
        ({"certificate_pem": OWN, "private_key_pem": KEY[:120]}, "private_key_pem: holds no whole -----BEGIN"),
        ({"certificate_pem": OWN, "private_key_pem": text(key())}, "is not the key of the first certificate"),
        (
            {"certificate_pem": OWN, "private_key_pem": text(SERVER, BestAvailableEncryption(b"words"))},
            "private_key_pem: has a passphrase, which no server can ask for",
        ),
        (
            {"certificate_pem": OWN + TOP + MIDDLE, "private_key_pem": KEY},
            "certificate 1 is not issued by the next one",
        ),
        (
            {"certificate_pem": MIDDLE + OWN, "private_key_pem": KEY},
            "certificate 1 is not issued by the next one; the order is: the server's own, then who issued it",
        ),
        (
            {"certificate_pem": signed(SERVER, "www", AUTHORITY, "authority", -1), "private_key_pem": KEY},
            f"certificate 1 of 1 ended at {NOW - datetime.timedelta(1):%Y-%m-%d}; renew it",
        ),
        (
            {"certificate_pem": signed(SHORT, "www", AUTHORITY, "authority"), "private_key_pem": text(SHORT)},
            "certificate_pem: certificate 1 of 1: RSA of 1024 bits; 2048 at least",
        ),
    ],
)
def test_refusals(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as refused:
        Certificate("site", **values)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("chain", [OWN, OWN + MIDDLE, CERTIFICATE], ids=["own", "two", "whole"])
def test_a_chain_may_leave_off_its_end(chain: str) -> None:
    declares_the_same(lambda: Certificate("own", certificate_pem=chain, private_key_pem=KEY))


def test_a_refusal_never_quotes_the_key() -> None:
    with pytest.raises(InputError) as refused:
        Certificate("site", certificate_pem=CERTIFICATE, private_key_pem="secret words", names=["a"])
    assert "secret words" not in str(refused.value)
    with pytest.raises(InputError) as refused:
        Certificate("site", certificate_pem=CERTIFICATE, private_key_pem="secret words")
    assert "private_key_pem: holds no whole" in str(refused.value)
    assert "secret words" not in str(refused.value)
