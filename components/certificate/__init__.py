"""A certificate and its key, for whatever speaks TLS."""

from casebook.certificate.component import Certificate, CertificateArgs

__all__ = ["Certificate", "CertificateArgs"]
