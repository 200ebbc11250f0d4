"""Service accounts and what they may do: /me/api/oauth2/client, /v2/iam/policy, and the token endpoint.

A service account (an OAuth2 client) gets a token for its secret, and with it makes the calls that policies allow its
identity, on the resources that they name. An action's name follows from the call, as OVHcloud's own names do:
`PUT /ipLoadbalancing/{service}/http/farm/{id}/server/{id}` is `loadbalancer:apiovh:http/farm/server/edit`.
"""

import fnmatch
import hashlib
import secrets
import time
import uuid
from typing import Any

from .auth import refuse
from .errors import ApiError, not_found
from .fields import Default, Fields, ListOf, Needed, mapping, one_of, text
from .routing import ROUTES, Call, Route, route
from .store import Object, Store, now

CLIENTS = ("me", "api", "oauth2", "client")
POLICIES = ("v2", "iam", "policy")
LIFETIME = 3600  # seconds of a token
PRODUCTS = {
    ("dedicated", "server"): "dedicatedServer",
    ("domain", "zone"): "dnsZone",
    ("ip",): "ip",
    ("ipLoadbalancing",): "loadbalancer",
    ("vps",): "vps",
    ("vrack",): "vrack",
}
VERBS = {"GET": "get", "PUT": "edit", "DELETE": "delete"}
CLIENT: dict[str, Any] = {"callbackUrls": Default(ListOf(text), []), "description": Needed(text), "name": Needed(text)}
ACTIONS = Default(ListOf(Fields(action=Needed(text))), [])
POLICY = Fields(
    name=Needed(text),
    description=text,
    identities=Needed(ListOf(text)),
    resources=Needed(ListOf(Fields(urn=Needed(text)))),
    permissions=Default(Fields(**{"allow": ACTIONS, "except": ACTIONS, "deny": ACTIONS}), {}),
    permissionsGroups=Default(ListOf(Fields(urn=Needed(text))), []),
    conditions=mapping,
    expiredAt=text,
)


# Service accounts


@route("POST", "/me/api/oauth2/client")
def client_create(call: Call) -> Object:
    body = Fields(**CLIENT, flow=Needed(one_of("AUTHORIZATION_CODE", "CLIENT_CREDENTIALS"))).read(call.body)
    name, secret = f"EU.{secrets.token_hex(8)}", secrets.token_hex(16)
    nic = call.store.need("me", "me")["nichandle"]
    identity = f"urn:v1:eu:identity:credential:{nic}/oauth2-{name}"
    call.store.put({"clientId": name, "createdAt": now(), "identity": identity, **body}, *CLIENTS, name)
    call.store.put({"digest": hashlib.sha256(secret.encode()).hexdigest()}, "sandbox", "oauth2", name)
    return {"clientId": name, "clientSecret": secret}


@route("GET", "/me/api/oauth2/client")
def clients(call: Call) -> list[str]:
    return list(call.store.children(*CLIENTS))


@route("GET", "/me/api/oauth2/client/{name}")
def client(call: Call, name: str) -> Object:
    return call.store.need("clientId", *CLIENTS, name)


@route("PUT", "/me/api/oauth2/client/{name}")
def client_change(call: Call, name: str) -> None:
    client(call, name)
    call.store.merge(Fields(**CLIENT).read(call.body, update=True), *CLIENTS, name)


@route("DELETE", "/me/api/oauth2/client/{name}")
def client_delete(call: Call, name: str) -> None:
    client(call, name)
    call.store.delete(*CLIENTS, name)
    call.store.delete("sandbox", "oauth2", name)


def token(store: Store, form: dict[str, str]) -> tuple[int, Object]:
    """POST /auth/oauth2/token: a bearer token for a service account and its secret."""
    if form.get("grant_type") != "client_credentials":
        return 400, {"error": "unsupported_grant_type"}
    name = form.get("client_id", "")
    known, found = store.get("sandbox", "oauth2", name), store.get(*CLIENTS, name)
    digest = hashlib.sha256(form.get("client_secret", "").encode()).hexdigest()
    if not known or not found or found["flow"] != "CLIENT_CREDENTIALS" or known["digest"] != digest:
        return 401, {"error": "invalid_client"}
    word = secrets.token_urlsafe(32)
    with store.transaction():
        store.put({"client": name, "until": time.time() + LIFETIME}, "sandbox", "token", fingerprint(word))
    return 200, {"access_token": word, "token_type": "Bearer", "expires_in": LIFETIME - 1, "scope": "all"}


def fingerprint(word: str) -> str:
    return hashlib.sha256(word.encode()).hexdigest()


# Policies


def shown(policy: Object) -> Object:
    """With what OVHcloud tells of each resource beside its URN."""
    details = [{"group": None, "resource": None, **one} for one in policy["resources"]]
    return {**policy, "resources": details}


@route("POST", "/v2/iam/policy")
def policy_create(call: Call) -> Object:
    body = POLICY.read(call.body)
    if any(found["name"] == body["name"] for found in call.store.children(*POLICIES).values()):
        raise ApiError(409, f"A policy named {body['name']} already exists")
    number = str(uuid.uuid4())
    owner = call.store.need("me", "me")["nichandle"]
    fixed = {"id": number, "owner": owner, "createdAt": now(), "updatedAt": None, "readOnly": False}
    return shown(call.store.put({**fixed, **body}, *POLICIES, number))


@route("GET", "/v2/iam/policy")
def policies(call: Call) -> list[Object]:
    return list(map(shown, call.store.children(*POLICIES).values()))


@route("GET", "/v2/iam/policy/{number}")
def policy(call: Call, number: str) -> Object:
    found = call.store.get(*POLICIES, number)
    if found is None:
        raise not_found("policyId", number)
    return shown(found)


@route("PUT", "/v2/iam/policy/{number}")
def policy_change(call: Call, number: str) -> Object:
    fixed = {name: policy(call, number)[name] for name in ("id", "owner", "createdAt", "readOnly")}
    return shown(call.store.put({**fixed, **POLICY.read(call.body), "updatedAt": now()}, *POLICIES, number))


@route("DELETE", "/v2/iam/policy/{number}")
def policy_delete(call: Call, number: str) -> None:
    policy(call, number)
    call.store.delete(*POLICIES, number)


# What a bearer may do


def authorize(store: Store, word: str, found: Route, values: dict[str, str | int]) -> None:
    """Pass a bearer's call that a policy allows; refuse any other as the API does."""
    known = store.get("sandbox", "token", fingerprint(word))
    account = store.get(*CLIENTS, known["client"]) if known and known["until"] > time.time() else None
    if account is None:
        raise refuse(403, "INVALID_CREDENTIAL", "This credential is not valid")
    resource, wanted = resource_of(store, found, values), action(found)
    for one in store.children(*POLICIES).values():
        if account["identity"] not in one["identities"] or {"urn": resource} not in one["resources"]:
            continue
        granted = {kind: matches(one["permissions"].get(kind) or [], wanted) for kind in ("allow", "except", "deny")}
        if granted["deny"]:
            break
        if granted["allow"] and not granted["except"]:
            return
    raise refuse(403, "NOT_GRANTED_CALL", f"User is not granted for this request: {wanted} on {resource}")


def matches(patterns: list[Object], wanted: str) -> bool:
    return any(fnmatch.fnmatchcase(wanted, pattern["action"]) for pattern in patterns)


def action(found: Route) -> str:
    """The name of a call among the actions of policies; an operation (refresh, move) is its own verb."""
    prefix = next((prefix for prefix in PRODUCTS if found.template[: len(prefix)] == prefix), found.template[:1])
    words = [word for word in found.template[len(prefix) :] if not word.startswith("{")]
    holds_items = any(r.template[:-1] == found.template and r.template[-1].startswith("{") for r in ROUTES)
    verb = VERBS.get(found.method, "create" if holds_items else None)
    return f"{PRODUCTS.get(prefix, prefix[0])}:apiovh:{'/'.join([*words, verb] if verb else words)}"


def resource_of(store: Store, found: Route, values: dict[str, str | int]) -> str | None:
    """The URN of the service that a call is about."""
    place = next((number for number, word in enumerate(found.template) if word.startswith("{")), None)
    if place is None:
        return None
    name = str(values[found.template[place][1:-1].partition(":")[0]])
    for spelling in (name, f"{name}/32"):
        if service := store.get(*found.template[:place], spelling):
            return str(service["iam"]["urn"]) if "iam" in service else None
    return None
