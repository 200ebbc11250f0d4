"""A certificate and its key: self-signed, or the user's own pair."""

from typing import Annotated

import pulumi
import pulumi_tls as tls
from pydantic import AfterValidator, Field, model_validator

from pulumi_casebook.core.args import Secret, Unique, check_host_name, is_address
from pulumi_casebook.core.component import Component, ComponentArgs, takes
from pulumi_casebook.core.keys import check_certificate

COMMON_NAME = 64  # characters (RFC 5280, ub-common-name)


def _name(value: str) -> str:
    if not is_address(value):
        check_host_name(value.removeprefix("*."))
    return value


# A host name, that of all hosts of a domain, or an address.
Name = Annotated[str, AfterValidator(_name)]


class CertificateArgs(ComponentArgs):
    # What clients connect to: host names, and addresses where there is no name. The first is the common name.
    names: Unique[Name] = Field(default=(), max_length=100)
    # Life of a self-signed certificate.
    days: int = Field(default=365, ge=2, le=3650)
    # How long before its end an `up` makes a new one.
    renew_days: int = Field(default=60, ge=1)
    # The user's own instead, with its chain.
    certificate_pem: Secret | None = None
    # Its key, without a passphrase.
    private_key_pem: Secret | None = Field(default=None, repr=False)

    # After all fields, so that no message can quote the key.
    @model_validator(mode="after")
    def _one_source(self) -> "CertificateArgs":
        if (self.certificate_pem is None) != (self.private_key_pem is None):
            raise ValueError("certificate_pem and private_key_pem go together")
        if self.certificate_pem is not None and self.names:
            raise ValueError("names: your own certificate has its names already; leave names out")
        if self.certificate_pem is None and not self.names:
            raise ValueError("names: a self-signed certificate needs at least one host name or address")
        if self.renew_days >= self.days:
            raise ValueError(f"renew_days={self.renew_days}: must be less than days={self.days}, or every up renews")
        known = (pem if isinstance(pem, str) else None for pem in (self.certificate_pem, self.private_key_pem))
        check_certificate(*known)
        if self.names and len(self.names[0]) > COMMON_NAME:
            raise ValueError(f"names.0={self.names[0]}: the common name, which has {COMMON_NAME} characters at most")
        return self


class Certificate(Component[CertificateArgs]):
    """A certificate for `names`, self-signed (ECDSA P-256) unless the user's own pair is given.

    Declares `tls.PrivateKey` and `tls.SelfSignedCert`, or nothing for a pair of one's own. The key is in the stack's
    state, as a secret.

    Outputs: `certificate_pem`; `private_key_pem` (secret). Sources: SOF-5; Mozilla's server side TLS for the curve.
    """

    @takes(CertificateArgs)
    def __init__(self, args: CertificateArgs) -> None:
        if args.certificate_pem is not None and args.private_key_pem is not None:
            self.certificate_pem = pulumi.Output.from_input(args.certificate_pem)
            self.private_key_pem = pulumi.Output.secret(args.private_key_pem)
            return
        key = tls.PrivateKey(self.name, algorithm="ECDSA", ecdsa_curve="P256", opts=self.child())
        addresses = [name for name in args.names if is_address(name)]
        certificate = tls.SelfSignedCert(
            self.name,
            private_key_pem=key.private_key_pem,
            subject=tls.SelfSignedCertSubjectArgs(common_name=args.names[0]),
            dns_names=[name for name in args.names if name not in addresses],
            ip_addresses=addresses,
            allowed_uses=["digital_signature", "server_auth"],
            validity_period_hours=args.days * 24,
            early_renewal_hours=args.renew_days * 24,
            opts=self.child(),
        )
        self.certificate_pem = certificate.cert_pem
        self.private_key_pem = pulumi.Output.secret(key.private_key_pem)
