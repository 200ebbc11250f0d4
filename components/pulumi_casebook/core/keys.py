"""Keys and certificates that users give: decoded and judged, for daemons would refuse them half-way through an `up`."""

import base64
import binascii
import datetime
import itertools
import struct
from typing import Annotated, Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
    load_ssh_public_key,
)
from pydantic import AfterValidator

SHORTEST_RSA = 2048  # bits; OpenSSH and HAProxy's Mozilla profile take no shorter one
# OpenSSH's types: of keys that the machine's sshd takes, and of those in a token (FIDO).
SSH_TYPES = ("ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521")
SSH_TOKENS = ("sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com")
PROTECTED = "has a passphrase, which `up` cannot ask for; make a key without (ssh-keygen -N '')"
SSH_KEY = "a public key of OpenSSH is one line: its type, its data and a comment, as in a file that ends in .pub"


def _ssh_public_key(value: str) -> str:
    """The comment is anything."""
    kind, _, rest = value.partition(" ")
    data = rest.partition(" ")[0]
    if not value.isprintable() or not data or value != value.strip():
        raise ValueError("that is a private key; give the public one (.pub)" if "PRIVATE KEY" in value else SSH_KEY)
    if kind not in (*SSH_TYPES, *SSH_TOKENS):
        raise ValueError(f"{SSH_KEY}; types are {', '.join((*SSH_TYPES, *SSH_TOKENS))}")
    try:
        decoded = base64.b64decode(data, validate=True)
        length = struct.unpack(">I", decoded[:4])[0]
    except (binascii.Error, struct.error):
        raise ValueError("its data is not base64, or is cut short") from None
    if decoded[4 : 4 + length] != kind.encode():
        raise ValueError(f"its data is no key of the type {kind}")
    if kind in SSH_TYPES:
        try:
            key = load_ssh_public_key(f"{kind} {data}".encode())
        except (ValueError, UnsupportedAlgorithm):
            raise ValueError("its data is no key, or is cut short") from None
        _strong(key)
    return value


# What a machine lets in.
SshPublicKey = Annotated[str, AfterValidator(_ssh_public_key)]


def _strong(key: Any) -> None:
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < SHORTEST_RSA:
        raise ValueError(f"RSA of {key.key_size} bits; {SHORTEST_RSA} at least, or Ed25519 or ECDSA")


def check_ssh_pair(public: str, private: str) -> None:
    """Both halves of one key, or a ValueError that quotes neither."""
    _ssh_public_key(public)
    try:
        load = load_ssh_private_key if "OPENSSH" in private else load_pem_private_key
        key = load(private.encode(), password=None)
    except TypeError:
        raise ValueError(PROTECTED) from None
    except (ValueError, UnsupportedAlgorithm) as error:
        protected = "password" in str(error).lower() or "encrypted" in str(error).lower()
        raise ValueError(PROTECTED if protected else "is no private key of OpenSSH") from None
    own = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    if own.split()[:2] != public.split()[:2]:
        raise ValueError("is of another pair than the public key beside it (.pub)")


def check_certificate(certificate_pem: str | None, private_key_pem: str | None) -> None:
    """A server's certificate with its chain, and its key; None where one is still to come. Errors quote neither."""
    chain = _chain(certificate_pem) if certificate_pem is not None else []
    key = _private_key(private_key_pem) if private_key_pem is not None else None
    if chain and key and _same(key.public_key()) != _same(chain[0].public_key()):
        of = (
            " (the chain's order is: the server's own first)"
            if any(_same(key.public_key()) == _same(one.public_key()) for one in chain[1:])
            else ""
        )
        raise ValueError(f"private_key_pem: is not the key of the first certificate in certificate_pem{of}")


def _chain(pem: str) -> list[x509.Certificate]:
    try:
        chain = x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        raise ValueError(
            "certificate_pem: holds no whole -----BEGIN CERTIFICATE----- block; give the file's text, not its path"
        ) from None
    now = datetime.datetime.now(datetime.UTC)
    for number, one in enumerate(chain, 1):
        where = f"certificate_pem: certificate {number} of {len(chain)}"
        if one.not_valid_after_utc < now:
            raise ValueError(f"{where} ended at {one.not_valid_after_utc:%Y-%m-%d}; renew it")
        try:
            _strong(one.public_key())
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
        except UnsupportedAlgorithm:
            raise ValueError(f"{where} has a key of a kind that servers do not take") from None
    for number, (one, issuer) in enumerate(itertools.pairwise(chain), 1):
        try:
            one.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            raise ValueError(
                f"certificate_pem: certificate {number} is not issued by the next one; the order is: the server's "
                "own, then who issued it, and so on"
            ) from None
    return chain


def _private_key(pem: str) -> Any:
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except TypeError:
        raise ValueError("private_key_pem: has a passphrase, which no server can ask for; take it off") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError(
            "private_key_pem: holds no whole -----BEGIN PRIVATE KEY----- block; give the file's text, not its path"
        ) from None
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        raise ValueError("private_key_pem: servers take keys of RSA, ECDSA and Ed25519")
    return key


def _same(key: Any) -> bytes:
    return bytes(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
