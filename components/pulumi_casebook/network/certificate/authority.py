"""An authority of one component, which signs the certificates of its machines and of nobody else's."""

from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_tls as tls

from pulumi_casebook.core.component import Component

DECADE = 10 * 365 * 24
YEAR = 365 * 24


class Authority:
    """A certificate authority (ECDSA P-256) that a component declares: `tls.SelfSignedCert` NAME-authority, good for 20
    years.

    `certificate()` declares a certificate for a machine, for both ends of a connection. It is good for ten years, and
    an `up` of the last of them makes a new one.

    `pem` is what clients trust; `key_pem` (secret) signs.
    """

    def __init__(self, component: Component[Any]) -> None:
        name = f"{component.name}-authority"
        key = tls.PrivateKey(name, algorithm="ECDSA", ecdsa_curve="P256", opts=component.child())
        own = tls.SelfSignedCert(
            name,
            private_key_pem=key.private_key_pem,
            subject=tls.SelfSignedCertSubjectArgs(common_name=name),
            validity_period_hours=2 * DECADE,
            is_ca_certificate=True,
            allowed_uses=["cert_signing", "digital_signature"],
            opts=component.child(),
        )
        self.pem = own.cert_pem
        self.key_pem: pulumi.Output[str] = pulumi.Output.secret(key.private_key_pem)

    def certificate(
        self, component: Component[Any], machine: str, addresses: Sequence[str]
    ) -> dict[str, pulumi.Input[str]]:
        """The secrets of a role: `authority`, `certificate`, `key`, `valid-until`. Whoever connects to one of the
        addresses finds it in the certificate."""
        name = f"{component.name}-{machine}"
        key = tls.PrivateKey(name, algorithm="ECDSA", ecdsa_curve="P256", opts=component.child())
        request = tls.CertRequest(
            name,
            private_key_pem=key.private_key_pem,
            subject=tls.CertRequestSubjectArgs(common_name=machine),
            ip_addresses=list(addresses),
            opts=component.child(),
        )
        certificate = tls.LocallySignedCert(
            name,
            ca_private_key_pem=self.key_pem,
            ca_cert_pem=self.pem,
            cert_request_pem=request.cert_request_pem,
            validity_period_hours=DECADE,
            early_renewal_hours=YEAR,
            allowed_uses=["digital_signature", "server_auth", "client_auth"],
            opts=component.child(),
        )
        return {
            "authority": self.pem,
            "certificate": certificate.cert_pem,
            "key": key.private_key_pem,
            "valid-until": certificate.validity_end_time,
        }
