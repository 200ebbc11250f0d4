"""/ipLoadbalancing/{service}/ssl: certificates for a balancer's TLS frontends.

The private key goes into the store and from there to the balancer's HAProxy; no answer ever tells it.
"""

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from .errors import ApiError
from .fields import Fields, Needed, text
from .loadbalancer import BASE, changed
from .routing import Call, route
from .store import Object

SSL = Fields(certificate=Needed(text), key=Needed(text), chain=text, displayName=text)


def read_certificate(body: Object) -> Object:
    """What the API tells of a certificate; an ApiError 400 if it cannot be read or the key is another's."""
    try:
        found = x509.load_pem_x509_certificate(body["certificate"].encode())
    except ValueError:
        raise ApiError(400, "Invalid value for parameter certificate: it is not a PEM certificate") from None
    try:
        key = load_pem_private_key(body["key"].encode(), None)
    except (ValueError, TypeError):
        raise ApiError(400, "Invalid value for parameter key: it is not a PEM private key without password") from None
    public = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*public) != found.public_key().public_bytes(*public):
        raise ApiError(400, "Invalid value for parameter key: it is not the key of the certificate")
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        san = names.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        san = []
    return {
        "expireDate": found.not_valid_after_utc.isoformat(),
        "fingerprint": found.fingerprint(hashes.SHA256()).hex(":"),
        "serial": f"{found.serial_number:X}",
        "subject": found.subject.rfc4514_string(),
        "san": san,
        "type": "custom",
    }


@route("GET", "/ipLoadbalancing/{service}/ssl")
def certificates(call: Call, service: str) -> list[int]:
    call.store.service(BASE, service)
    return [
        found["id"]
        for found in call.store.children(BASE, service, "ssl").values()
        if call.query.get("type", found["type"]) == found["type"]
    ]


@route("POST", "/ipLoadbalancing/{service}/ssl")
def certificate_create(call: Call, service: str) -> Object:
    call.store.service(BASE, service)
    body = SSL.read(call.body)
    found = read_certificate(body)
    number = call.store.next_id()
    pem = "\n".join(part.strip() for part in (body["certificate"], body["chain"], body["key"]) if part) + "\n"
    call.store.put({"pem": pem}, "sandbox", "certificate", number)
    changed(call.store, service)
    return call.store.put({"id": number, "displayName": body["displayName"], **found}, BASE, service, "ssl", number)


@route("GET", "/ipLoadbalancing/{service}/ssl/{number:int}")
def certificate(call: Call, service: str, number: int) -> Object:
    call.store.service(BASE, service)
    return call.store.need("id", BASE, service, "ssl", number)


@route("PUT", "/ipLoadbalancing/{service}/ssl/{number:int}")
def certificate_change(call: Call, service: str, number: int) -> None:
    certificate(call, service, number)
    call.store.merge(Fields(displayName=text).read(call.body, update=True), BASE, service, "ssl", number)


@route("DELETE", "/ipLoadbalancing/{service}/ssl/{number:int}")
def certificate_delete(call: Call, service: str, number: int) -> None:
    certificate(call, service, number)
    for kind in ("http", "tcp"):
        for frontend in call.store.children(BASE, service, kind, "frontend").values():
            if frontend["defaultSslId"] == number:
                raise ApiError(409, f"This certificate is still the default of frontend {frontend['frontendId']}")
    call.store.delete(BASE, service, "ssl", number)
    # One in force is kept, with its key, until the refresh that takes it out.
    if number not in call.store.need("applied", "sandbox", "applied", service)["certificates"]:
        call.store.delete("sandbox", "certificate", number)
    changed(call.store, service)
