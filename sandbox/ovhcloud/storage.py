"""/cloud/project/{project}/region/{region}/storage: S3 buckets, what they hold, and who may reach them.

Buckets are containers of the project's Swift account; objects go in and out through S3, not through this API. What
users may do there follows from who owns a bucket and from their policies (`sandbox.openstack.s3_policies`).

Encryption, replication, object lock and storage classes are kept and told, and not otherwise in force; what a
lifecycle configuration lets expire is deleted (`expire`).
"""

import ipaddress
import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from .errors import ApiError, not_found
from .fields import Default, Fields, ListOf, Needed, boolean, integer, mapping, one_of, string_map, text
from .openstack import OpenStack, StoredObject
from .routing import Call, route
from .store import Object, Store, now

BASE = ("cloud", "project")
# DNS labels: a bucket's name is a host name, too.
NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{1,61})[a-z0-9]")
MAX_KEYS = 1000
VERSIONING = Fields(status=Needed(one_of("disabled", "enabled", "suspended")))
ENCRYPTION = Fields(sseAlgorithm=Needed(one_of("plaintext", "AES256")))
_DESTINATION = Fields(name=Needed(text), region=Needed(text), storageClass=text, removeOnMainBucketDeletion=boolean)
_REPLICATION = Fields(
    id=Needed(text),
    status=Needed(one_of("enabled", "disabled")),
    priority=integer(0),
    deleteMarkerReplication=one_of("enabled", "disabled"),
    destination=Needed(_DESTINATION),
    filter=Fields(prefix=text, tags=string_map),
)
_LOCK_RULE = Fields(mode=Needed(one_of("compliance", "governance")), period=Needed(text))
CHANGES: dict[str, Any] = {
    "versioning": VERSIONING,
    "encryption": ENCRYPTION,
    "tags": string_map,
    "replication": Fields(rules=Needed(ListOf(_REPLICATION))),
    "objectLock": Fields(status=Needed(one_of("disabled", "enabled")), rule=_LOCK_RULE),
}
BUCKET = Fields(name=Needed(text), ownerId=integer(1), **CHANGES)


# Buckets


def storage_region(call: Call, project: str, region: str) -> None:
    call.store.service(*BASE, project)
    found = call.store.get(*BASE, project, "region", region)
    if found is None or not any(service["name"] == "storage" for service in found["services"]):
        raise ApiError(404, f"Region {region} not found, or without object storage")


def bucket_of(call: Call, project: str, region: str, name: str) -> Object:
    storage_region(call, project, region)
    found = call.store.need("name", *BASE, project, "bucket", name)
    if found["region"] != region:
        raise not_found("name", name)
    return found


def described(call: Call, found: Object, objects: list[StoredObject]) -> Object:
    """A bucket with what it holds; `objects` are those to be listed."""
    current = [item for item in held(call, found) if item.latest and not item.delete_marker]
    return {
        **found,
        "objects": [object_view(item) for item in objects],
        "objectsCount": len(current),
        "objectsSize": sum(item.size for item in current),
    }


def held(call: Call, found: Object) -> list[StoredObject]:
    return call.openstack.objects(found["name"])


def object_view(item: StoredObject) -> Object:
    return {
        "key": item.key,
        "size": item.size,
        "etag": item.etag,
        "lastModified": item.last_modified,
        "storageClass": "STANDARD",
        "versionId": item.version,
        "isLatest": item.latest,
        "isDeleteMarker": item.delete_marker,
    }


@route("GET", "/cloud/project/{project}/region/{region}/storage")
def buckets(call: Call, project: str, region: str) -> list[Object]:
    storage_region(call, project, region)
    return [
        described(call, found, [])
        for found in call.store.children(*BASE, project, "bucket").values()
        if found["region"] == region
    ]


@route("POST", "/cloud/project/{project}/region/{region}/storage")
def bucket_create(call: Call, project: str, region: str) -> Object:
    storage_region(call, project, region)
    body = BUCKET.read(call.body)
    check_name(body["name"])
    if any(call.store.get(*BASE, other, "bucket", body["name"]) for other in call.store.children(*BASE)):
        raise ApiError(409, "conflict: bucket name already exists")
    if body["ownerId"]:
        call.store.need("ownerId", *BASE, project, "user", body["ownerId"])
    if body["objectLock"] and (body["versioning"] or {}).get("status") != "enabled":
        raise ApiError(400, "Invalid value for parameter objectLock: it needs versioning.status enabled")
    host = f"https://{body['name']}.s3.{region.lower()}.io.cloud.ovh.net/"
    found = {
        "region": region,
        "createdAt": now(),
        "virtualHost": host,
        **body,
        "versioning": body["versioning"] or {"status": "disabled"},
        "encryption": body["encryption"] or {"sseAlgorithm": "plaintext"},
        "tags": body["tags"] or {},
    }
    call.openstack.create_bucket(body["name"])
    apply_versioning(call, found)
    call.store.put(found, *BASE, project, "bucket", body["name"])
    enforce(call)
    return described(call, found, [])


def check_name(name: str) -> None:
    if not NAME.fullmatch(name) or ".." in name or _is_address(name):
        raise ApiError(
            400,
            f"InvalidBucketName: {name!r} is not 3 to 63 small letters, digits, dots and hyphens, "
            "with a letter or digit at both ends",
        )


def _is_address(name: str) -> bool:
    try:
        return bool(ipaddress.ip_address(name))
    except ValueError:
        return False


def apply_versioning(call: Call, found: Object) -> None:
    call.openstack.set_versioning(found["name"], enabled=found["versioning"]["status"] == "enabled")


@route("GET", "/cloud/project/{project}/region/{region}/storage/{name}")
def bucket_info(call: Call, project: str, region: str, name: str) -> Object:
    found = bucket_of(call, project, region, name)
    return described(call, found, listing(call, found, marker="marker"))


@route("PUT", "/cloud/project/{project}/region/{region}/storage/{name}")
def bucket_change(call: Call, project: str, region: str, name: str) -> None:
    old = bucket_of(call, project, region, name)
    body = Fields(**CHANGES).read(call.body, update=True)
    new = {**old, **{key: value for key, value in body.items() if value is not None}}
    if old["versioning"]["status"] != "disabled" and new["versioning"]["status"] == "disabled":
        raise ApiError(
            400, "Invalid value for parameter versioning.status: versioning once enabled can only be suspended"
        )
    apply_versioning(call, new)
    call.store.put(new, *BASE, project, "bucket", name)


@route("DELETE", "/cloud/project/{project}/region/{region}/storage/{name}")
def bucket_delete(call: Call, project: str, region: str, name: str) -> None:
    found = bucket_of(call, project, region, name)
    if held(call, found):
        # With this status and text: ovh/terraform-provider-ovh#1437.
        raise ApiError(400, "BucketNotEmpty: The bucket you tried to delete is not empty")
    call.openstack.delete_bucket(name)
    call.store.delete(*BASE, project, "bucket", name)


# Objects


def listing(call: Call, found: Object, marker: str) -> list[StoredObject]:
    """The objects a call asks for: `limit`, `prefix`, the marker's parameter, `withVersions`."""
    limit = call.query.get("limit", str(MAX_KEYS))
    if not limit.isdecimal() or not 0 <= int(limit) <= MAX_KEYS:
        raise ApiError(400, f"Invalid value for parameter limit: {limit}, not 0 to {MAX_KEYS}")
    versions = call.query.get("withVersions") == "true"
    wanted = [
        item
        for item in held(call, found)
        if item.key.startswith(call.query.get("prefix", ""))
        and item.key > call.query.get(marker, "")
        and (versions or (item.latest and not item.delete_marker))
    ]
    return wanted[: int(limit)]


@route("GET", "/cloud/project/{project}/region/{region}/storage/{name}/object")
def objects(call: Call, project: str, region: str, name: str) -> list[Object]:
    found = bucket_of(call, project, region, name)
    return [object_view(item) for item in listing(call, found, marker="keyMarker")]


@route("GET", "/cloud/project/{project}/region/{region}/storage/{name}/object/{key}")
def object_info(call: Call, project: str, region: str, name: str, key: str) -> Object:
    found = bucket_of(call, project, region, name)
    for item in held(call, found):
        if item.key == key and item.latest and not item.delete_marker:
            return object_view(item)
    raise not_found("objectKey", key)


@route("DELETE", "/cloud/project/{project}/region/{region}/storage/{name}/object/{key}")
def object_delete(call: Call, project: str, region: str, name: str, key: str) -> None:
    object_info(call, project, region, name, key)
    call.openstack.delete_object(name, key, None)


@route("POST", "/cloud/project/{project}/region/{region}/storage/{name}/bulkDeleteObjects")
def objects_delete(call: Call, project: str, region: str, name: str) -> None:
    """As with S3, an object that is not there counts as deleted."""
    bucket_of(call, project, region, name)
    body = Fields(objects=Needed(ListOf(Fields(key=Needed(text), versionId=text)))).read(call.body)
    if len(body["objects"]) > MAX_KEYS:
        raise ApiError(400, f"Invalid value for parameter objects: {len(body['objects'])} are more than {MAX_KEYS}")
    for item in body["objects"]:
        call.openstack.delete_object(name, item["key"], item["versionId"])


# Lifecycle

_TRANSITION = Fields(days=integer(0), date=text, storageClass=Needed(text))
_OLD_TRANSITION = Fields(noncurrentDays=integer(0), newerNoncurrentVersions=integer(0), storageClass=Needed(text))
RULE = Fields(
    id=Needed(text),
    status=Needed(one_of("enabled", "disabled")),
    filter=Fields(
        prefix=text,
        tags=string_map,
        objectSizeGreaterThan=integer(0),
        objectSizeLessThan=integer(0),
        **{"and": mapping},
    ),
    expiration=Fields(days=integer(1), date=text, expiredObjectDeleteMarker=boolean),
    noncurrentVersionExpiration=Fields(noncurrentDays=Needed(integer(1)), newerNoncurrentVersions=integer(0)),
    abortIncompleteMultipartUpload=Fields(daysAfterInitiation=Needed(integer(1))),
    transitions=Default(ListOf(_TRANSITION), []),
    noncurrentVersionTransitions=Default(ListOf(_OLD_TRANSITION), []),
)
LIFECYCLE = Fields(rules=Needed(ListOf(RULE)))
LIFECYCLE_PATH = "/cloud/project/{project}/region/{region}/storage/{name}/lifecycle"


def told(value: Any) -> Any:
    """As the API tells it: what a rule does not have is left out."""
    if isinstance(value, dict):
        return {name: told(item) for name, item in value.items() if item not in (None, [], {})}
    return [told(item) for item in value] if isinstance(value, list) else value


@route("GET", LIFECYCLE_PATH)
def lifecycle(call: Call, project: str, region: str, name: str) -> Object:
    bucket_of(call, project, region, name)
    found: Object = told(call.store.need("lifecycle", *BASE, project, "bucket", name, "lifecycle", "current"))
    return found


@route("PUT", LIFECYCLE_PATH)
def lifecycle_set(call: Call, project: str, region: str, name: str) -> Object:
    bucket_of(call, project, region, name)
    body = LIFECYCLE.read(call.body)
    ids = [rule["id"] for rule in body["rules"]]
    if len(set(ids)) != len(ids):
        raise ApiError(400, f"Invalid value for parameter rules: two rules have the same id, of {', '.join(ids)}")
    made: Object = told(call.store.put(body, *BASE, project, "bucket", name, "lifecycle", "current"))
    return made


@route("DELETE", LIFECYCLE_PATH)
def lifecycle_delete(call: Call, project: str, region: str, name: str) -> None:
    lifecycle(call, project, region, name)
    call.store.delete(*BASE, project, "bucket", name, "lifecycle", "current")


def expired(rules: list[Object], item: StoredObject, since: str, at: datetime) -> bool:
    """Whether a rule says that this version is not to be kept at that moment. Rules that choose by tags say nothing.

    since  when it came, or when the next one took its place
    """
    if item.latest and item.delete_marker:
        return False
    age = at - datetime.fromisoformat(since)
    for rule in rules:
        action = rule["expiration"] if item.latest else rule["noncurrentVersionExpiration"]
        days = (action or {}).get("days" if item.latest else "noncurrentDays")
        if rule["status"] == "enabled" and days and age >= timedelta(days=days) and chosen(rule["filter"] or {}, item):
            return True
    return False


def counted(objects: list[StoredObject]) -> Iterator[tuple[StoredObject, str]]:
    """Each version, and from when its days are counted."""
    newer: dict[str, StoredObject] = {}
    for item in sorted(objects, key=lambda one: (one.latest, one.last_modified), reverse=True):
        yield item, item.last_modified if item.latest else newer.get(item.key, item).last_modified
        newer[item.key] = item


def chosen(only: Object, item: StoredObject) -> bool:
    """Whether a lifecycle rule's filter is for this object."""
    wanted = {**only, **(only.get("and") or {})}
    return (
        not wanted.get("tags")
        and item.key.startswith(wanted.get("prefix") or "")
        and item.size > (wanted.get("objectSizeGreaterThan") or -1)
        and item.size < (wanted.get("objectSizeLessThan") or item.size + 1)
    )


def expire(store: Store, openstack: OpenStack, at: datetime) -> int:
    """Delete what the lifecycle configurations do not keep; how many versions that were. OVHcloud does it daily."""
    gone = 0
    for project in store.children(*BASE):
        for name in store.children(*BASE, project, "bucket"):
            configuration = store.get(*BASE, project, "bucket", name, "lifecycle", "current")
            for item, since in counted(openstack.objects(name)) if configuration else []:
                if configuration and expired(configuration["rules"], item, since, at):
                    # As with S3: the current version of a versioned bucket is hidden by a marker, not lost.
                    openstack.delete_object(name, item.key, None if item.latest else item.version)
                    gone += 1
    return gone


# Who may do what


def enforce(call: Call) -> None:
    """Tell the storage who owns which bucket, and each user's policy."""
    owners: dict[str, str] = {}
    policies: dict[str, Object] = {}
    for project in call.store.children(*BASE):
        users = call.store.children(*BASE, project, "user")
        for number, user in users.items():
            if user["status"] != "deleting":
                document = call.store.need("policy", *BASE, project, "user", number, "policy", "current")["policy"]
                policies[user["openstackId"]] = json.loads(document)
        for name, bucket in call.store.children(*BASE, project, "bucket").items():
            if owner := users.get(str(bucket["ownerId"])):
                owners[name] = owner["openstackId"]
    call.openstack.set_policies(owners, policies)
