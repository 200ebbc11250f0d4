"""/cloud/project/{project}/user: a project's own users, their S3 credentials and S3 policies.

A user is a Keystone user, an S3 credential one of its EC2 credentials. What a user may do with a bucket follows from
the bucket's owner and from the user's policy (`storage.enforce`).
"""

import json
import secrets
from typing import Any

from sandbox.policies import listed, named

from .errors import ApiError
from .fields import Fields, ListOf, Needed, one_of, text
from .routing import Call, route
from .storage import enforce
from .store import Object, now

BASE = ("cloud", "project")
ROLES = (
    "administrator",
    "authentication",
    "backup_operator",
    "compute_operator",
    "image_operator",
    "infrastructure_supervisor",
    "key-manager_operator",
    "key-manager_read",
    "load-balancer_operator",
    "network_operator",
    "network_security_operator",
    "objectstore_operator",
    "share_operator",
    "volume_operator",
)
USER = Fields(description=text, role=text, roles=ListOf(text))
NO_POLICY: Object = {"Statement": []}


def role(name: str) -> Object:
    return {
        "id": f"{ROLES.index(name) + 1:032x}",
        "name": name,
        "description": name.replace("_", " ").capitalize(),
        "permissions": [],
    }


@route("GET", "/cloud/project/{project}/role")
def roles(call: Call, project: str) -> Object:
    call.store.service(*BASE, project)
    return {"roles": [role(name) for name in ROLES], "services": []}


def user_of(call: Call, project: str, user: int) -> Object:
    call.store.service(*BASE, project)
    return call.store.need("userId", *BASE, project, "user", user)


@route("GET", "/cloud/project/{project}/user")
def users(call: Call, project: str) -> list[Object]:
    call.store.service(*BASE, project)
    return list(call.store.children(*BASE, project, "user").values())


@route("POST", "/cloud/project/{project}/user")
def user_create(call: Call, project: str) -> Object:
    """The password is told once: in this answer."""
    call.store.service(*BASE, project)
    body = USER.read(call.body)
    wanted = list(dict.fromkeys([*(body["roles"] or []), *([body["role"]] if body["role"] else [])]))
    for name in wanted:
        if name not in ROLES:
            raise ApiError(400, f"Invalid value for parameter roles: {name!r}, not one of {', '.join(ROLES)}")
    number = call.store.next_id()
    name, password = f"user-{secrets.token_urlsafe(9)}", secrets.token_urlsafe(24)
    identity = call.openstack.create_user(name, password)
    body = {
        "id": number,
        "username": name,
        "description": body["description"] or "",
        "creationDate": now(),
        "openstackId": identity,
        "roles": [role(found) for found in wanted],
    }
    made = call.tasks.start([*BASE, project, "user", number], body, states=("creating", "ok"))
    call.store.put({"policy": json.dumps(NO_POLICY)}, *BASE, project, "user", number, "policy", "current")
    return {**made, "password": password}


@route("GET", "/cloud/project/{project}/user/{user:int}")
def user_info(call: Call, project: str, user: int) -> Object:
    return user_of(call, project, user)


@route("DELETE", "/cloud/project/{project}/user/{user:int}")
def user_delete(call: Call, project: str, user: int) -> None:
    found = user_of(call, project, user)
    call.openstack.delete_user(found["openstackId"])
    call.store.delete(*BASE, project, "user", user)
    call.tasks.start([*BASE, project, "user", user], found, states=("deleting",), vanish=True)
    enforce(call)


@route("POST", "/cloud/project/{project}/user/{user:int}/regeneratePassword")
def user_password(call: Call, project: str, user: int) -> Object:
    found = user_of(call, project, user)
    password = secrets.token_urlsafe(24)
    call.openstack.set_password(found["openstackId"], password)
    return {**found, "password": password}


@route("PUT", "/cloud/project/{project}/user/{user:int}/role")
def user_roles(call: Call, project: str, user: int) -> Object:
    found, known = user_of(call, project, user), {one["id"]: one for one in map(role, ROLES)}
    wanted = Fields(rolesIds=Needed(ListOf(one_of(*known)))).read(call.body)["rolesIds"]
    return call.store.put({**found, "roles": [known[number] for number in wanted]}, *BASE, project, "user", user)


@route("GET", "/cloud/project/{project}/user/{user:int}/openrc")
def openrc(call: Call, project: str, user: int) -> Object:
    """A shell file for OpenStack's clients, without the password: it asks for it."""
    found = user_of(call, project, user)
    values = {
        "AUTH_URL": call.openstack.auth_url,
        "IDENTITY_API_VERSION": "3",
        "USER_DOMAIN_NAME": "Default",
        "PROJECT_DOMAIN_NAME": "Default",
        "TENANT_ID": project,
        "TENANT_NAME": call.store.service(*BASE, project)["projectName"],
        "USERNAME": found["username"],
        "REGION_NAME": call.query.get("region", ""),
    }
    lines = [f"export OS_{name}={value if name == 'AUTH_URL' else json.dumps(value)}" for name, value in values.items()]
    ask = [
        'echo "Please enter your OpenStack Password: "',
        "read -sr OS_PASSWORD_INPUT",
        "export OS_PASSWORD=$OS_PASSWORD_INPUT",
    ]
    return {"content": "\n".join(["#!/bin/bash", *lines, *ask, ""])}


# S3 credentials


@route("GET", "/cloud/project/{project}/user/{user:int}/s3Credentials")
def credentials(call: Call, project: str, user: int) -> list[Object]:
    user_of(call, project, user)
    return [shown(found) for found in call.store.children(*BASE, project, "user", user, "s3Credentials").values()]


def shown(credential: Object) -> Object:
    return {name: value for name, value in credential.items() if name != "secret"}


@route("POST", "/cloud/project/{project}/user/{user:int}/s3Credentials")
def credential_create(call: Call, project: str, user: int) -> Object:
    found = user_of(call, project, user)
    if found["status"] != "ok":
        raise ApiError(409, f"User {user} is not ready: {found['status']}")
    access, secret = call.openstack.create_credential(found["openstackId"])
    return call.store.put(
        {"access": access, "secret": secret, "userId": found["openstackId"], "tenantId": project},
        *BASE,
        project,
        "user",
        user,
        "s3Credentials",
        access,
    )


def credential_of(call: Call, project: str, user: int, access: str) -> Object:
    user_of(call, project, user)
    return call.store.need("access", *BASE, project, "user", user, "s3Credentials", access)


@route("GET", "/cloud/project/{project}/user/{user:int}/s3Credentials/{access}")
def credential_info(call: Call, project: str, user: int, access: str) -> Object:
    return shown(credential_of(call, project, user, access))


@route("POST", "/cloud/project/{project}/user/{user:int}/s3Credentials/{access}/secret")
def credential_secret(call: Call, project: str, user: int, access: str) -> Object:
    return {"secret": credential_of(call, project, user, access)["secret"]}


@route("DELETE", "/cloud/project/{project}/user/{user:int}/s3Credentials/{access}")
def credential_delete(call: Call, project: str, user: int, access: str) -> None:
    credential_of(call, project, user, access)
    call.openstack.delete_credential(user_of(call, project, user)["openstackId"], access)
    call.store.delete(*BASE, project, "user", user, "s3Credentials", access)


# S3 policy


@route("GET", "/cloud/project/{project}/user/{user:int}/policy")
def policy(call: Call, project: str, user: int) -> Object:
    user_of(call, project, user)
    return call.store.need("policy", *BASE, project, "user", user, "policy", "current")


@route("POST", "/cloud/project/{project}/user/{user:int}/policy")
def policy_set(call: Call, project: str, user: int) -> None:
    user_of(call, project, user)
    body = Fields(policy=Needed(text)).read(call.body)
    check_policy(body["policy"])
    call.store.put(body, *BASE, project, "user", user, "policy", "current")
    enforce(call)


def check_policy(document: str) -> None:
    """A policy is a JSON object with a list of statements: Effect, Action and Resource each."""

    def wrong(reason: str) -> ApiError:
        return ApiError(400, f"Invalid value for parameter policy: {reason}")

    try:
        parsed: Any = json.loads(document)
    except ValueError:
        raise wrong("it is not JSON") from None
    statements = parsed.get("Statement") if isinstance(parsed, dict) else None
    if not isinstance(statements, list):
        raise wrong("a list named Statement is needed")
    for statement in statements:
        if not isinstance(statement, dict) or statement.get("Effect") not in ("Allow", "Deny"):
            raise wrong("the Effect of a statement is Allow or Deny")
        for name in ("Action", "Resource"):
            value = statement.get(name)
            if not isinstance(value, (str, list)) or not value:
                raise wrong(f"{name} of a statement is a string or a list of strings")
        for action in listed(statement["Action"]):
            if not named(action):
                raise wrong(f"there is no action {action}")
        if "Condition" in statement:
            raise wrong("conditions are not offered here")
