"""The tls stand-in in the real engine: keys and certificates that others accept."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.verification import PolicyBuilder, Store

from tests.toolchain.conftest import Plugin, Program, Values

PROGRAM = """
import pulumi, pulumi_tls as tls
config = pulumi.Config()
KINDS = {"rsa": {"algorithm": "RSA"}, "ecdsa": {"algorithm": "ECDSA", "ecdsa_curve": "P256"},
         "ed25519": {"algorithm": "ED25519"}}
for kind, given in KINDS.items():
    authority_key = tls.PrivateKey(f"{kind}-authority", **given)
    authority = tls.SelfSignedCert(
        f"{kind}-authority", private_key_pem=authority_key.private_key_pem, is_ca_certificate=True,
        allowed_uses=["cert_signing", "crl_signing"], validity_period_hours=48,
        early_renewal_hours=config.get_int("early") or 0, subject={"common_name": f"{kind} authority", "country": "FR"})
    key = tls.PrivateKey(kind, **given)
    request = tls.CertRequest(kind, private_key_pem=key.private_key_pem, subject={"common_name": "www"},
                              dns_names=["www.sofoot.example"], ip_addresses=["198.18.0.1"])
    certificate = tls.LocallySignedCert(
        kind, ca_cert_pem=authority.cert_pem, ca_private_key_pem=authority_key.private_key_pem,
        cert_request_pem=request.cert_request_pem, allowed_uses=["digital_signature", "server_auth"],
        validity_period_hours=24, set_subject_key_id=True)
    pulumi.export(kind, {"authority": authority.cert_pem, "certificate": certificate.cert_pem,
                         "key": key.private_key_pem, "pkcs8": key.private_key_pem_pkcs8,
                         "openssh": key.private_key_openssh, "public": key.public_key_openssh,
                         "end": certificate.validity_end_time,
                         "found": tls.get_public_key_output(private_key_pem=key.private_key_pem).public_key_openssh})
"""


def test_keys_and_certificates_fit_each_other(program: Program) -> None:
    program.write(PROGRAM)
    assert set(program.planned().values()) == {"create"}
    shown = program.up()
    assert "PRIVATE KEY" not in shown
    for found in program.outputs().values():
        key = serialization.load_pem_private_key(found["key"].encode(), None)
        public = (
            key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
        )
        assert found["public"] == found["found"] == public + "\n"
        for other in (
            serialization.load_pem_private_key(found["pkcs8"].encode(), None),
            serialization.load_ssh_private_key(found["openssh"].encode(), None),
        ):
            assert other.public_key() == key.public_key()
        certificate = x509.load_pem_x509_certificate(found["certificate"].encode())
        authority = x509.load_pem_x509_certificate(found["authority"].encode())
        assert certificate.public_key() == key.public_key()
        certificate.verify_directly_issued_by(authority)
        now = datetime.now(UTC)
        assert now + timedelta(hours=23) < datetime.fromisoformat(found["end"]) < now + timedelta(hours=25)
        if "ed25519" not in found["public"]:  # browsers' rules know no such certificates
            verifier = (
                PolicyBuilder().store(Store([authority])).build_server_verifier(x509.DNSName("www.sofoot.example"))
            )
            assert verifier.verify(certificate, [])
    program.preview("--expect-no-changes")


def test_private_keys_are_secret_in_the_state(program: Program) -> None:
    program.write(PROGRAM)
    program.up()
    text = str(program.resources())
    for kind in ("RSA PRIVATE KEY", "EC PRIVATE KEY", "BEGIN PRIVATE KEY", "OPENSSH PRIVATE KEY"):
        assert kind not in text
    assert "BEGIN CERTIFICATE" in text


def test_a_certificate_near_its_end_is_made_anew(program: Program) -> None:
    program.write(PROGRAM)
    program.up()
    before = program.outputs()["rsa"]["authority"]
    program.configure(early=24)
    assert set(program.planned().values()) == {"update"}, "early renewal alone changes no certificate"
    program.configure(early=49)
    planned = program.planned()
    assert planned["rsa-authority"] == "replace"
    assert planned["rsa"] == "replace", "what it signed is signed again"
    program.configure(early=24)
    program.up()
    assert program.outputs()["rsa"]["authority"] == before


@pytest.mark.parametrize(
    ("token", "inputs", "reason"),
    [
        ("index/privateKey:PrivateKey", {"algorithm": "DSA"}, 'must be one of: ["RSA" "ECDSA" "ED25519"], got: "DSA"'),
        ("index/privateKey:PrivateKey", {"algorithm": "ECDSA", "ecdsaCurve": "P123"}, 'got: "P123"'),
        ("index/privateKey:PrivateKey", {"algorithm": "RSA", "rsaBits": "many"}, "expected a number"),
        ("index/privateKey:PrivateKey", {"algorithm": "RSA", "bits": 2048}, "Invalid or unknown key"),
        ("index/certRequest:CertRequest", {}, "Exactly one of private_key_pem and private_key_pem_wo"),
        (
            "index/selfSignedCert:SelfSignedCert",
            {"privateKeyPem": "x", "allowedUses": ["flying"], "validityPeriodHours": 1},
            'got: "flying"',
        ),
        (
            "index/selfSignedCert:SelfSignedCert",
            {"privateKeyPem": "x", "allowedUses": [], "validityPeriodHours": -1},
            "must be at least 0, got: -1",
        ),
        (
            "index/locallySignedCert:LocallySignedCert",
            {"caPrivateKeyPem": "x", "allowedUses": [], "validityPeriodHours": 1, "certRequestPem": "x"},
            'The argument "ca_cert_pem" is required',
        ),
    ],
)
def test_what_the_provider_refuses_is_refused(
    plugin: Callable[[str], Plugin], token: str, inputs: Values, reason: str
) -> None:
    _, reasons = plugin("tls").check(token, inputs)
    assert any(reason in found for found in reasons), reasons


def test_a_key_that_is_none_fails_clearly(program: Program) -> None:
    program.write(
        "import pulumi_tls as tls\n"
        "tls.SelfSignedCert('it', private_key_pem='no key', allowed_uses=[], validity_period_hours=1, subject={})\n"
    )
    assert "Failed to parse private key PEM" in program.up(fails=True)
