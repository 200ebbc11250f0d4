"""A certificate and its key, for whatever speaks TLS; an authority, for machines that speak with each other."""

from pulumi_casebook.network.certificate.authority import Authority
from pulumi_casebook.network.certificate.component import Certificate, CertificateArgs

__all__ = ["Authority", "Certificate", "CertificateArgs"]
