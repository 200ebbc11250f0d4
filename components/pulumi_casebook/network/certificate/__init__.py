"""A certificate and its key, for whatever speaks TLS."""

from pulumi_casebook.network.certificate.component import Certificate, CertificateArgs

__all__ = ["Certificate", "CertificateArgs"]
