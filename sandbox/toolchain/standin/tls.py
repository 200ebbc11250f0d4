"""A stand-in for the tls plugin (terraform-provider-tls behind Pulumi's bridge).

https://github.com/hashicorp/terraform-provider-tls
"""

# The methods take what a kind of resource may need; class attributes are settings that nobody changes.
# ruff: noqa: ARG001, ARG002, RUF012

import base64
import hashlib
import ipaddress
import secrets
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from sandbox.toolchain.standin.plan import UPDATE, Diff
from sandbox.toolchain.standin.protocol import StandIn
from sandbox.toolchain.standin.resource import Call, Invokable, Resource
from sandbox.toolchain.standin.shapes import Mistake, snake
from sandbox.toolchain.standin.values import UNKNOWN, Values

PrivateKeyType = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
ALGORITHMS = ("RSA", "ECDSA", "ED25519")
CURVES: dict[str, ec.EllipticCurve] = {
    "P224": ec.SECP224R1(),
    "P256": ec.SECP256R1(),
    "P384": ec.SECP384R1(),
    "P521": ec.SECP521R1(),
}
KEY_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)
# The provider's names for two of them.
USAGE_NAMES = {"key_cert_sign": "cert_signing", "crl_sign": "crl_signing"}
EXTENDED_USAGES = {
    "any_extended": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    "server_auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "client_auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "code_signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "email_protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "ipsec_end_system": ObjectIdentifier("1.3.6.1.5.5.7.3.5"),
    "ipsec_tunnel": ObjectIdentifier("1.3.6.1.5.5.7.3.6"),
    "ipsec_user": ObjectIdentifier("1.3.6.1.5.5.7.3.7"),
    "timestamping": ExtendedKeyUsageOID.TIME_STAMPING,
    "ocsp_signing": ExtendedKeyUsageOID.OCSP_SIGNING,
    "microsoft_server_gated_crypto": ObjectIdentifier("1.3.6.1.4.1.311.10.3.3"),
    "netscape_server_gated_crypto": ObjectIdentifier("2.16.840.1.113730.4.1"),
    "microsoft_commercial_code_signing": ObjectIdentifier("1.3.6.1.4.1.311.2.1.22"),
    "microsoft_kernel_code_signing": ObjectIdentifier("1.3.6.1.4.1.311.61.1.1"),
}
USAGES = sorted([*(USAGE_NAMES.get(name, name) for name in KEY_USAGES), *EXTENDED_USAGES])
# In the order in which Go writes a distinguished name.
SUBJECT = {
    "country": NameOID.COUNTRY_NAME,
    "organization": NameOID.ORGANIZATION_NAME,
    "organizationalUnit": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "locality": NameOID.LOCALITY_NAME,
    "province": NameOID.STATE_OR_PROVINCE_NAME,
    "streetAddresses": NameOID.STREET_ADDRESS,
    "postalCode": NameOID.POSTAL_CODE,
    "commonName": NameOID.COMMON_NAME,
    "serialNumber": NameOID.SERIAL_NUMBER,
    "emailAddress": NameOID.EMAIL_ADDRESS,
}


def sha1(content: bytes) -> str:
    return hashlib.sha1(content.strip(), usedforsecurity=False).hexdigest()


def load_key(pem: str) -> PrivateKeyType:
    try:
        key = serialization.load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError) as error:
        raise ValueError(f"Failed to parse private key PEM: {error}") from error
    if not isinstance(key, PrivateKeyType):
        raise ValueError(f"Failed to parse private key PEM: unsupported private key type: {type(key).__name__}")
    return key


def algorithm_of(key: PrivateKeyType) -> str:
    return (
        "RSA"
        if isinstance(key, rsa.RSAPrivateKey)
        else "ECDSA"
        if isinstance(key, ec.EllipticCurvePrivateKey)
        else "ED25519"
    )


def is_p224(key: PrivateKeyType) -> bool:
    """SSH knows no such keys."""
    return isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name == "secp224r1"


def signing_hash(key: PrivateKeyType) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return None
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.key_size > 256:
        return hashes.SHA384() if key.key_size == 384 else hashes.SHA512()
    return hashes.SHA256()


def public_half(key: PrivateKeyType) -> Values:
    """The public outputs of a key, with its id."""
    public = key.public_key()
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    found = {
        "id": sha1(der),
        "publicKeyPem": pem.decode(),
        "publicKeyOpenssh": "",
        "publicKeyFingerprintMd5": "",
        "publicKeyFingerprintSha256": "",
    }
    if not is_p224(key):
        line = public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        blob = base64.b64decode(line.split()[1])
        found |= {
            "publicKeyOpenssh": line.decode() + "\n",
            "publicKeyFingerprintMd5": hashlib.md5(blob, usedforsecurity=False).digest().hex(":"),
            "publicKeyFingerprintSha256": "SHA256:"
            + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("="),
        }
    return found


class PrivateKey(Resource):
    module, name, replace = "pulumi_tls", "PrivateKey", "*"
    defaults = {"ecdsaCurve": "P224", "rsaBits": 2048}
    secret = ("privateKeyOpenssh", "privateKeyPem", "privateKeyPemPkcs8")

    def rules(self, wanted: Values) -> list[Mistake]:
        return [
            *among("algorithm", wanted["algorithm"], ALGORITHMS),
            *among("ecdsaCurve", wanted["ecdsaCurve"], tuple(CURVES)),
        ]

    def create(self, inputs: Values, call: Call) -> tuple[str, Values]:
        wanted = {**self.defaults, **inputs}
        key: PrivateKeyType
        match wanted["algorithm"]:
            case "RSA":
                key = rsa.generate_private_key(65537, wanted["rsaBits"])
            case "ECDSA":
                key = ec.generate_private_key(CURVES[wanted["ecdsaCurve"]])
            case _:
                key = ed25519.Ed25519PrivateKey.generate()

        def written(form: serialization.PrivateFormat) -> str:
            return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()

        pkcs8 = written(serialization.PrivateFormat.PKCS8)
        public = public_half(key)
        return public.pop("id"), {
            **wanted,
            **public,
            "privateKeyPemPkcs8": pkcs8,
            "privateKeyPem": pkcs8
            if wanted["algorithm"] == "ED25519"
            else written(serialization.PrivateFormat.TraditionalOpenSSL),
            "privateKeyOpenssh": "" if is_p224(key) else written(serialization.PrivateFormat.OpenSSH),
        }


class Signed(Resource):
    """What a private key signs. The key comes as `<key>Pem` or, not to be kept in the state, `<key>PemWo`."""

    key: str = "privateKey"

    def __init__(self, name: str) -> None:
        self.module, self.name = "pulumi_tls", name

    @property
    def unkept(self) -> str:
        return f"{self.key}PemWo"

    def replaces(self, name: str) -> bool:
        return name != "earlyRenewalHours"

    def rules(self, wanted: Values) -> list[Mistake]:
        given = [wanted.get(f"{self.key}Pem"), wanted.get(self.unkept)]
        mistakes = []
        if given.count(None) != 1:
            pem = snake(f"{self.key}Pem")
            mistakes.append(
                Mistake(
                    f"{self.key}Pem", f"Invalid Attribute Combination. Exactly one of {pem} and {pem}_wo must be set"
                )
            )
        for path, use in enumerate(wanted.get("allowedUses") or []):
            mistakes += among(f"allowedUses[{path}]", use, tuple(USAGES))
        for name, least in (("validityPeriodHours", 0), ("earlyRenewalHours", 0), ("maxPathLength", -1)):
            value = wanted.get(name)
            if isinstance(value, int) and value < least:
                mistakes.append(
                    Mistake(
                        name,
                        "Invalid Attribute Value. "
                        f"Attribute {snake(name)} value must be at least {least}, got: {value}",
                    )
                )
        return mistakes

    def diff(self, old: Values, new: Values, ignored: list[str]) -> Diff:
        found = super().diff(old, new, [*ignored, self.unkept])
        if renewable(old | {"earlyRenewalHours": new.get("earlyRenewalHours", 0)}):
            detailed = {**found.detailed, "readyForRenewal": f"{UPDATE}_REPLACE"}
            return Diff([*found.changed, "readyForRenewal"], [*found.replaces, "readyForRenewal"], detailed)
        return found

    def signing_key(self, inputs: Values) -> PrivateKeyType:
        return load_key(inputs.get(f"{self.key}Pem") or inputs[self.unkept])

    def kept(self, inputs: Values) -> Values:
        return {name: value for name, value in {**self.defaults, **inputs}.items() if name != self.unkept}

    def read(self, number: str, state: Values, inputs: Values, call: Call) -> tuple[str, Values, Values] | None:
        found = super().read(number, state, inputs, call)
        return (number, {**state, "readyForRenewal": True}, inputs) if renewable(state) else found


class CertRequest(Signed):
    secret = ("privateKeyPem",)

    def create(self, inputs: Values, call: Call) -> tuple[str, Values]:
        key, subject = self.signing_key(inputs), subject_of(inputs)
        builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
        if names := alternative_names(inputs):
            builder = builder.add_extension(names, critical=False)
        request = builder.sign(key, signing_hash(key))
        return sha1(request.public_bytes(serialization.Encoding.DER)), {
            **self.kept(inputs),
            "keyAlgorithm": algorithm_of(key),
            "certRequestPem": request.public_bytes(serialization.Encoding.PEM).decode(),
        }


class SelfSignedCert(Signed):
    defaults = {"earlyRenewalHours": 0, "isCaCertificate": False, "setAuthorityKeyId": False, "setSubjectKeyId": False}
    secret = ("privateKeyPem",)

    def create(self, inputs: Values, call: Call) -> tuple[str, Values]:
        key, subject = self.signing_key(inputs), subject_of(inputs)
        number, made = certificate(inputs, subject, subject, alternative_names(inputs), key.public_key(), key, None)
        return number, {**self.kept(inputs), **made, "keyAlgorithm": algorithm_of(key)}


class LocallySignedCert(Signed):
    key = "caPrivateKey"
    defaults = {"earlyRenewalHours": 0, "isCaCertificate": False, "setSubjectKeyId": False}
    secret = ("caPrivateKeyPem",)

    def create(self, inputs: Values, call: Call) -> tuple[str, Values]:
        key = self.signing_key(inputs)
        request = x509.load_pem_x509_csr(inputs["certRequestPem"].encode())
        if not request.is_signature_valid:
            raise ValueError("Failed to verify certificate request: its signature does not fit its key")
        authority = x509.load_pem_x509_certificate(inputs["caCertPem"].encode())
        names = extension(request.extensions, x509.SubjectAlternativeName)
        number, made = certificate(
            inputs,
            request.subject,
            authority.subject,
            names,
            request.public_key(),
            key,
            extension(authority.extensions, x509.SubjectKeyIdentifier),
        )
        return number, {**self.kept(inputs), **made, "caKeyAlgorithm": algorithm_of(key)}


def among(path: str, value: Any, allowed: tuple[str, ...]) -> list[Mistake]:
    if value in (None, UNKNOWN, *allowed):
        return []
    listed = " ".join(f'"{name}"' for name in allowed)
    return [
        Mistake(
            path,
            f'Invalid Attribute Value Match. Attribute {snake(path)} value must be one of: [{listed}], got: "{value}"',
        )
    ]


def extension(found: x509.Extensions, kind: Any) -> Any:
    try:
        return found.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def subject_of(inputs: Values) -> x509.Name:
    given = inputs.get("subject") or {}
    parts = []
    for name, oid in SUBJECT.items():
        values = given.get(name) or []
        parts += [x509.NameAttribute(oid, value) for value in (values if isinstance(values, list) else [values])]
    return x509.Name(parts)


def alternative_names(inputs: Values) -> x509.SubjectAlternativeName | None:
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in inputs.get("dnsNames") or []]
    for address in inputs.get("ipAddresses") or []:
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(address)))
        except ValueError as error:
            raise ValueError(f'Invalid IP address: Failed to parse "{address}"') from error
    names += [x509.UniformResourceIdentifier(uri) for uri in inputs.get("uris") or []]
    return x509.SubjectAlternativeName(names) if names else None


def certificate(
    inputs: Values,
    subject: x509.Name,
    issuer: x509.Name,
    names: x509.SubjectAlternativeName | None,
    public: Any,
    key: PrivateKeyType,
    authority: x509.SubjectKeyIdentifier | None,
) -> tuple[str, Values]:
    """(serial number, outputs) of a certificate, made as Go's x509.CreateCertificate does.

    authority   the key id of who signs, when that is another certificate
    """
    start = datetime.now().astimezone()
    end = start + timedelta(hours=inputs["validityPeriodHours"])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(secrets.randbits(127) or 1)
        .not_valid_before(start)
        .not_valid_after(end)
    )
    uses = set(inputs.get("allowedUses") or [])
    usages = {name: USAGE_NAMES.get(name, name) in uses for name in KEY_USAGES}
    if any(usages.values()):
        if not usages["key_agreement"]:  # without it the two mean nothing, and cannot be written
            usages["encipher_only"] = usages["decipher_only"] = False
        builder = builder.add_extension(x509.KeyUsage(**usages), critical=True)
    if extended := [EXTENDED_USAGES[use] for use in inputs.get("allowedUses") or [] if use in EXTENDED_USAGES]:
        builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=False)
    is_authority = bool(inputs.get("isCaCertificate"))
    if is_authority and not list(subject):
        raise ValueError(
            "Invalid Certificate Subject: Must contain at least one Distinguished Name when creating "
            "Certificate Authority (CA)"
        )
    longest = inputs.get("maxPathLength")
    longest = longest if longest and longest > 0 else None  # the provider takes 0 as unset
    builder = builder.add_extension(
        x509.BasicConstraints(is_authority, longest if is_authority else None), critical=True
    )
    own = x509.SubjectKeyIdentifier(subject_key_id(public)) if is_authority or inputs.get("setSubjectKeyId") else None
    if own:
        builder = builder.add_extension(own, critical=False)
    signer = authority if issuer != subject else None
    if inputs.get("setAuthorityKeyId"):
        if own is None:
            raise ValueError("Invalid Certificate Authority: Could not determine Authority Key Identifier")
        signer = own
    if signer:
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(signer), critical=False
        )
    if names:
        builder = builder.add_extension(names, critical=not list(subject))
    made = builder.sign(key, signing_hash(key))
    return str(made.serial_number), {
        "certPem": made.public_bytes(serialization.Encoding.PEM).decode(),
        "readyForRenewal": False,
        "validityStartTime": rfc3339(start),
        "validityEndTime": rfc3339(end),
    }


def subject_key_id(public: Any) -> bytes:
    """SHA-1 of the key as the provider writes it: PKCS #1, the uncompressed point, or an octet string."""
    if isinstance(public, rsa.RSAPublicKey):
        content = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    elif isinstance(public, ec.EllipticCurvePublicKey):
        content = public.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    else:
        content = b"\x04\x20" + public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return hashlib.sha1(content, usedforsecurity=False).digest()


def rfc3339(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def renewable(state: Values) -> bool:
    """Whether the time of early renewal has come."""
    end = state.get("validityEndTime")
    if not end or end == UNKNOWN:
        return False
    early = timedelta(hours=state.get("earlyRenewalHours") or 0)
    return datetime.now().astimezone() >= datetime.fromisoformat(end) - early


def get_public_key(given: Values, call: Call) -> Values:
    pem, openssh = given.get("privateKeyPem"), given.get("privateKeyOpenssh")
    if (pem is None) == (openssh is None):
        raise ValueError(
            "Invalid Attribute Combination: exactly one of private_key_pem and private_key_openssh must be set"
        )
    key = load_key(pem) if pem else serialization.load_ssh_private_key(str(openssh).encode(), None)
    if not isinstance(key, PrivateKeyType):
        raise ValueError(f"unsupported private key type: {type(key).__name__}")
    return {**given, **public_half(key), "algorithm": algorithm_of(key)}


def provider(version: str) -> StandIn:
    resources: dict[str, Resource] = {
        "index/privateKey:PrivateKey": PrivateKey(),
        "index/certRequest:CertRequest": CertRequest("CertRequest"),
        "index/selfSignedCert:SelfSignedCert": SelfSignedCert("SelfSignedCert"),
        "index/locallySignedCert:LocallySignedCert": LocallySignedCert("LocallySignedCert"),
    }
    functions = {
        "index/getPublicKey:getPublicKey": Invokable(get_public_key, others=("privateKeyPem", "privateKeyOpenssh"))
    }
    return StandIn("tls", version, resources, functions)
