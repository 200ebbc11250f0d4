"""S3 object storage: buckets with their lifecycle, users, their keys and policies."""

# The methods take what a kind of resource may need; class attributes are settings that nobody changes.
# ruff: noqa: ARG002, RUF012

import contextlib
import json
import re
from typing import Any
from urllib.parse import urlencode

from sandbox.toolchain.standin.ovh.client import Api, ResourceNotFoundError, path
from sandbox.toolchain.standin.ovh.cloud import MODULE, PROJECT
from sandbox.toolchain.standin.ovh.rest import Framework, Rest
from sandbox.toolchain.standin.ovh.rules import Rule, among
from sandbox.toolchain.standin.plan import Diff
from sandbox.toolchain.standin.values import UNKNOWN, Values

LIFECYCLE = "CloudProjectStorageObjectBucketLifecycleConfiguration"
ON_OFF = among("disabled", "enabled")
NO_RIGHTS = '{"Statement":[]}'
CLASSES = (
    "DEEP_ARCHIVE",
    "GLACIER",
    "GLACIER_IR",
    "HIGH_PERF",
    "INTELLIGENT_TIERING",
    "ONEZONE_IA",
    "STANDARD",
    "STANDARD_IA",
)
OPENRC = {
    "OS_AUTH_URL": r'"?([^\s"]+)"?',
    "OS_TENANT_ID": '"?([0-9A-Za-z]+)"?',
    "OS_TENANT_NAME": '"?([0-9A-Za-z]+)"?',
    "OS_USERNAME": '"?([0-9A-Za-z]+)"?',
}


def day(value: str) -> str | None:
    return None if re.fullmatch(r"\d{4}-\d{2}-\d{2}", value) else "must be a date in YYYY-MM-DD format"


class User(Rest):
    base, body, number, environment = "/cloud/project/{serviceName}/user", "description? role? roles", "id", PROJECT
    replace, kept, secret = ("serviceName", "description"), ("openstackRc",), ("password",)
    blank = {"roles": []}

    def request(self, inputs: Values, update: bool = False) -> Values:
        return super().request({**inputs, "role": inputs.get("roleName"), "roles": inputs.get("roleNames")})

    def roles(self, api: Api, inputs: Values) -> list[Values]:
        """The project's roles that are asked for. Raises for one that there is not."""
        known: list[Values] = api.get(path("/cloud/project/{serviceName}/role", inputs))["roles"]
        wanted = [*(inputs.get("roleNames") or []), *filter(None, [inputs.get("roleName")])]
        for name in wanted:
            if name not in [role["name"] for role in known]:
                raise ValueError(f'role "{name}" does not exist')
        return [role for role in known if role["name"] in wanted]

    def make(self, api: Api, inputs: Values) -> tuple[str, Values]:
        self.roles(api, inputs)
        made = api.post(path(self.base, inputs), self.request(inputs))
        number, password = str(made["id"]), {"password": made["password"]}  # told once

        def ready() -> Values:
            return {**self.ready(api, {**inputs, "id": number}, ("creating",)), **password}

        return number, self.kept_safe(number, {**inputs, **password}, ready)

    def ready(self, api: Api, values: Values, pending: tuple[str, ...]) -> Values:
        api.settle(path(self.base + self.item, values), pending, ("ok",), f"user {values['id']}", 10)
        return self.look(api, values) or {}

    def look(self, api: Api, values: Values) -> Values | None:
        where = path(self.base + self.item, values)
        found = api.get(where)
        content = api.get(f"{where}/openrc?region=to_be_overriden")["content"]
        credentials = {}
        for name, value in OPENRC.items():
            exported = re.search(f"export {name}={value}", content)
            if not exported:
                raise ValueError(f"Reading openstack creds for user {values['id']}: couldn't extract {name}")
            credentials[name] = exported[1]
        found.pop("password", None)
        return {**found, "openstackRc": credentials}

    def change(self, api: Api, values: Values, inputs: Values, old: Values) -> Values:
        where, password = path(self.base + self.item, values), {}
        if inputs.get("passwordReset") != old.get("passwordReset"):
            password = {"password": api.post(where + "/regeneratePassword")["password"]}
            self.ready(api, values, ("creating", "deleted", "deleting"))
        if any(inputs.get(name) != old.get(name) for name in ("roleName", "roleNames")):
            api.put(where + "/role", {"rolesIds": [role["id"] for role in self.roles(api, inputs)]})
        return {**(self.look(api, values) or {}), **password}

    def remove(self, api: Api, values: Values, inputs: Values) -> None:
        where = path(self.base + self.item, values)
        api.delete(where)
        api.vanish(where, ("deleting",), f"user {values['id']}")


class S3Credential(Rest):
    base, item, environment = "/cloud/project/{serviceName}/user/{userId}/s3Credentials", "/{id}", PROJECT
    replace, secret, import_id = "*", ("secretAccessKey",), "{serviceName}/{userId}/{id}"

    def make(self, api: Api, inputs: Values) -> tuple[str, Values]:
        number = api.post(path(self.base, inputs))["access"]
        return number, self.kept_safe(number, inputs, lambda: self.look(api, {**inputs, "id": number}))

    def look(self, api: Api, values: Values) -> Values | None:
        """A key that is gone is an error, for the real plugin too."""
        try:
            secret = api.post(path(self.base + self.item, values) + "/secret")["secret"]
        except ResourceNotFoundError as error:
            raise RuntimeError(str(error)) from error
        return {"accessKeyId": values["id"], "secretAccessKey": secret, "internalUserId": values["userId"]}


class S3Policy(Rest):
    base, item, environment = "/cloud/project/{serviceName}/user/{userId}/policy", "", PROJECT
    body, replace = "policy", ("serviceName", "userId")
    ident, import_id, import_ident = "{serviceName}/{userId}", "{serviceName}/{userId}", "{serviceName}/{userId}"

    def make(self, api: Api, inputs: Values) -> tuple[str, Values]:
        return self.written(inputs), self.change(api, inputs, inputs, {})

    def change(self, api: Api, values: Values, inputs: Values, old: Values) -> Values:
        api.post(path(self.base, values), self.request(inputs))
        return self.look(api, values) or {}

    def remove(self, api: Api, values: Values, inputs: Values) -> None:
        api.post(path(self.base, values), {"policy": NO_RIGHTS})

    def diff(self, old: Values, new: Values, ignored: list[str]) -> Diff:
        """Two texts of the same JSON are the same policy."""
        same = new.get("policy") != UNKNOWN and parsed(old.get("policy")) == parsed(new.get("policy"))
        return super().diff(old, new, [*ignored, "policy"] if same else ignored)


def parsed(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return text


class Bucket(Framework):
    base, item, ident, environment = (
        "/cloud/project/{serviceName}/region/{regionName}/storage",
        "/{name}",
        "{name}",
        PROJECT,
    )
    body = "encryption? name? ownerId? tags? objectLock? replication? versioning?"
    replace, autonamed, number = ("name", "regionName"), True, "name"
    import_id, import_ident = "{serviceName}/{regionName}/{name}", "{name}"
    kept = (
        "encryption",
        "encryption.sseAlgorithm",
        "limit",
        "marker",
        "objectLock",
        "objectLock.rule",
        "objectLock.status",
        "ownerId",
        "prefix",
        "replication",
        "tags",
        "versioning",
        "versioning.status",
    )
    checks: dict[str, Rule] = {
        "encryption.sseAlgorithm": among("AES256", "plaintext"),
        "versioning.status": among("disabled", "enabled", "suspended"),
        "objectLock.status": ON_OFF,
        "objectLock.rule.mode": among("compliance", "governance"),
        "replication.rules[]": lambda rule: (
            None if rule.get("destination") else "Missing required argument: destination"
        ),
        "replication.rules[].status": ON_OFF,
        "replication.rules[].deleteMarkerReplication": ON_OFF,
        "replication.rules[].destination.storageClass": among(*CLASSES),
    }

    def request(self, inputs: Values, update: bool = False) -> Values:
        sent = super().request(inputs)
        result: Values = pruned(
            {name: value for name, value in sent.items() if not (update and name in ("name", "ownerId"))}
        )
        for rule in (result.get("replication") or {}).get("rules") or []:
            rule.get("destination", {}).pop("removeOnMainBucketDeletion", None)  # the provider's own
        return result

    def make(self, api: Api, inputs: Values) -> tuple[str, Values]:
        return self.written(inputs), api.post(path(self.base, inputs), self.request(inputs))

    def look(self, api: Api, values: Values) -> Values | None:
        filters = {name: values[name] for name in ("limit", "marker", "prefix") if values.get(name) is not None}
        query = f"?{urlencode(filters)}" if filters else ""
        found: Values = api.get(path(self.base + self.item, values) + query)
        return {**found, "objects": None} if values.get("hideObjects") else found

    def view(self, answer: Values, inputs: Values) -> Values:
        """What was asked for wins where the API tells less of it."""
        result = super().view(answer, inputs)
        return {name: merged(value, inputs.get(name)) for name, value in result.items()}

    def diff(self, old: Values, new: Values, ignored: list[str]) -> Diff:
        """Object lock cannot be switched on or off: the bucket is made anew."""
        found = super().diff(old, new, ignored)
        lock = new.get("objectLock")
        was = (old.get("objectLock") or {}).get("status")
        now = lock.get("status") if isinstance(lock, dict) else lock
        if "objectLock" not in ignored and (
            (was == "enabled" and lock is None) or {was, now} == {"enabled", "disabled"}
        ):
            top = sorted({*found.changed, "objectLock"})
            replaces = sorted({*found.replaces, "objectLock"})
            return Diff(
                top,
                replaces,
                {**found.detailed, "objectLock": "DELETE_REPLACE" if lock is None else "UPDATE_REPLACE"},
                found.delete_first or "name" not in new.get("__defaults", []),
            )
        return found

    def remove(self, api: Api, values: Values, inputs: Values) -> None:
        self.remove_bucket(api, path(self.base + self.item, values))
        for rule in (values.get("replication") or {}).get("rules") or []:
            copy = rule.get("destination") or {}
            if copy.get("removeOnMainBucketDeletion") and copy.get("region"):
                self.remove_bucket(
                    api, path(self.base + self.item, {**values, "regionName": copy["region"], "name": copy["name"]})
                )

    def remove_bucket(self, api: Api, where: str) -> None:
        """Empty it, a thousand objects at a time, and remove it."""
        while found := api.get(f"{where}/object?withVersions=true"):
            api.post(
                f"{where}/bulkDeleteObjects",
                {"objects": [{"key": o["key"], "versionId": o["versionId"]} for o in found]},
            )
        with contextlib.suppress(ResourceNotFoundError):
            api.delete(where)


class Lifecycle(Framework):
    base, item, environment = (
        "/cloud/project/{serviceName}/region/{regionName}/storage/{containerName}/lifecycle",
        "",
        PROJECT,
    )
    body, replace = "rules", ("serviceName", "regionName", "containerName")
    ident = import_id = import_ident = "{serviceName}/{regionName}/{containerName}"
    delete_missing_ok = True
    checks = {
        "rules[].expiration.date": day,
        "rules[].transitions[].date": day,
        "rules[].status": ON_OFF,
        "rules[].transitions[].storageClass": among("DEEP_ARCHIVE", "GLACIER_IR", "STANDARD", "STANDARD_IA"),
    }

    def make(self, api: Api, inputs: Values) -> tuple[str, Values]:
        return self.written(inputs), self.change(api, inputs, inputs, {})

    def change(self, api: Api, values: Values, inputs: Values, old: Values) -> Values:
        answer: Values = api.put(path(self.base, values), pruned(self.request(inputs)))
        return answer

    def view(self, answer: Values, inputs: Values) -> Values:
        """The rules in the order in which they were asked for."""
        result = super().view(answer, inputs)
        order = [rule.get("id") for rule in inputs.get("rules") or []]
        if sorted(map(str, order)) == sorted(str(rule.get("id")) for rule in result["rules"]):
            result["rules"] = sorted(result["rules"], key=lambda rule: order.index(rule.get("id")))
        result["rules"] = merged(pruned(result["rules"]), inputs.get("rules"))
        return result


def pruned(value: Any) -> Any:
    """A value without the properties that are null."""
    if isinstance(value, dict):
        return {name: pruned(item) for name, item in value.items() if item is not None}
    return [pruned(item) for item in value] if isinstance(value, list) else value


def merged(told: Any, asked: Any) -> Any:
    """What the API told, filled up with what was asked for and it did not tell."""
    if isinstance(told, dict) and isinstance(asked, dict):
        return {**told, **{name: merged(told.get(name), value) for name, value in asked.items()}}
    if isinstance(told, list) and isinstance(asked, list) and len(told) == len(asked):
        return [merged(*pair) for pair in zip(told, asked, strict=True)]
    return asked if told is None else told


RESOURCES: dict[str, Rest] = {
    "CloudProject/user:User": User(MODULE, "User"),
    "CloudProject/s3Credential:S3Credential": S3Credential(MODULE, "S3Credential"),
    "CloudProject/s3Policy:S3Policy": S3Policy(MODULE, "S3Policy"),
    "CloudProject/storage:Storage": Bucket(MODULE, "Storage"),
    f"index/c{LIFECYCLE[1:]}:{LIFECYCLE}": Lifecycle("", LIFECYCLE),
}
