"""/auth and /me: who calls, with which keys, and the account's contact.

A request is signed with the application key, its secret and a consumer key. A wrong signature or an old timestamp
is HTTP 400, an unknown key or credential 403. Service accounts bear tokens instead: iam.py.
"""

import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import Any

from .errors import ApiError
from .routing import Call, route, seed
from .store import Object, Store

OPEN_PATHS = ("/1.0/auth/time", "/v1/auth/time")
BEARER = "Bearer "
CLOCK_SKEW = 60  # seconds
# What the account's contact has left out.
NOT_TOLD = [
    "address",
    "area",
    "birthCity",
    "birthDay",
    "city",
    "companyNationalIdentificationNumber",
    "complementaryAddress",
    "corporationType",
    "fax",
    "italianSDI",
    "nationalIdentificationNumber",
    "organisation",
    "phone",
    "phoneCountry",
    "phoneType",
    "purposeOfPurchase",
    "sex",
    "spareEmail",
    "vat",
    "zip",
]
TITLES = {400: "400 Bad Request", 403: "403 Forbidden"}


@seed
def owned(store: Store, account: Object) -> None:
    store.put(account["credentials"], "sandbox", "credentials")
    contact = {
        **dict.fromkeys(NOT_TOLD),
        "nichandle": account["me"]["nichandle"],
        "customerCode": "0000-0000-00",
        "ovhSubsidiary": "FR",
        "ovhCompany": "ovh",
        "country": "FR",
        "currency": {"code": "EUR", "symbol": "€"},
        "email": "sandbox@example.org",
        "firstname": "Sand",
        "name": "Box",
        "language": "fr_FR",
        "legalform": "corporation",
        "kycValidated": True,
        "state": "complete",
        **account["me"],
    }
    store.put(contact, "me")


def refuse(status: int, code: str, message: str) -> ApiError:
    return ApiError(status, message, errorCode=code, httpCode=TITLES[status])


def signature(secret: str, consumer: str, method: str, url: str, body: str, stamp: str) -> str:
    """The signature of one request; `url` is the raw one, still escaped, with its query and the mark before it."""
    signed = "+".join((secret, consumer, method, url, body, stamp))
    return "$1$" + hashlib.sha1(signed.encode(), usedforsecurity=False).hexdigest()


def authenticate(store: Store, method: str, url: str, headers: Mapping[str, str], body: bytes) -> None:
    """Pass a request with a good signature; refuse any other as the API does."""
    known = store.need("credentials", "sandbox", "credentials")
    if not headers.get("x-ovh-application"):
        raise refuse(403, "NOT_CREDENTIAL", "You must login first")
    if not hmac.compare_digest(headers["x-ovh-application"].encode(), known["application_key"].encode()):
        raise refuse(403, "INVALID_KEY", "This application key is invalid")
    if not headers.get("x-ovh-consumer"):
        raise refuse(403, "NOT_CREDENTIAL", "You must login first")
    if not hmac.compare_digest(headers["x-ovh-consumer"].encode(), known["consumer_key"].encode()):
        raise refuse(403, "INVALID_CREDENTIAL", "This credential does not exist")
    stamp = headers.get("x-ovh-timestamp", "")
    if not stamp.isdecimal() or abs(time.time() - int(stamp)) > CLOCK_SKEW:
        raise refuse(400, "QUERY_TIME_OUT", "Query out of time")
    # A mark with no query behind it, which some clients leave, does not reach the application.
    urls, text = [url] if "?" in url else [url, f"{url}?"], body.decode("utf-8", "replace")
    good = [
        signature(known["application_secret"], known["consumer_key"], method, one, text, stamp).encode() for one in urls
    ]
    if not any(hmac.compare_digest(one, headers.get("x-ovh-signature", "").encode()) for one in good):
        raise refuse(400, "INVALID_SIGNATURE", "Invalid signature")


@route("GET", "/auth/time")
def auth_time(_: Call) -> int:
    return int(time.time())


@route("GET", "/auth/details")
def auth_details(call: Call) -> Object:
    nic = call.store.need("me", "me")["nichandle"]
    return {
        "account": nic,
        "allowedRoutes": [{"method": "*", "path": "/*"}],
        "description": "sandbox",
        "identities": [f"urn:v1:eu:identity:account:{nic}"],
        "method": "account",
        "roles": [],
        "user": None,
    }


@route("GET", "/auth/currentCredential")
def auth_credential(_: Call) -> Object:
    return {
        "applicationId": 1,
        "credentialId": 1,
        "status": "validated",
        "ovhSupport": False,
        "rules": [{"method": method, "path": "/*"} for method in ("GET", "POST", "PUT", "DELETE")],
    }


@route("GET", "/me")
def me(call: Call) -> Any:
    return call.store.get("me")
