"""/dedicated/nasha: the partitions of a NAS-HA, who may mount them, their snapshots, and the tasks that change them."""

import re

from .errors import ApiError
from .fields import Fields, Needed, block, boolean, integer, one_of, text
from .routing import Call, route, seed
from .store import Object, Store, iam, now
from .tasks import Effect, effect

BASE = ("dedicated", "nasha")
STATES = ("init", "todo", "doing", "done")
SMALLEST = 10  # GB, of a partition
SNAPSHOTS = ("day-1", "day-2", "day-3", "day-7", "hour-1", "hour-6")
PARTITION = Fields(
    partitionName=Needed(text),
    partitionDescription=text,
    protocol=Needed(one_of("CIFS", "NFS", "NFS_CIFS")),
    size=Needed(integer(0)),
)
CHANGES = Fields(partitionDescription=text, size=integer(0))
ACCESS = Fields(ip=Needed(block), type=one_of("readonly", "readwrite"), aclDescription=text)
SNAPSHOT = Fields(snapshotType=Needed(one_of(*SNAPSHOTS)))


@seed
def owned(store: Store, account: Object) -> None:
    for name, given in account["nas_ha"].items():
        if store.get(*BASE, name) is None:
            store.put(
                {
                    "serviceName": name,
                    "ip": given["ip"],
                    "datacenter": given["datacenter"],
                    "diskType": "ssd",
                    "zpoolSize": given["size"],
                    "zpoolCapacity": 0,
                    "canCreatePartition": True,
                    "customName": None,
                    "monitored": True,
                    "iam": iam("nasHA", name),
                },
                *BASE,
                name,
            )


@route("GET", "/dedicated/nasha")
def services(call: Call) -> list[str]:
    return list(call.store.children(*BASE))


@route("GET", "/dedicated/nasha/{nas}")
def info(call: Call, nas: str) -> Object:
    return call.store.service(*BASE, nas)


@route("PUT", "/dedicated/nasha/{nas}")
def change(call: Call, nas: str) -> None:
    call.store.service(*BASE, nas)
    call.store.merge(Fields(customName=text, monitored=boolean).read(call.body, update=True), *BASE, nas)


# Tasks


def begin(call: Call, nas: str, partition: str, operation: str, then: Effect, *args: object) -> Object:
    number = call.store.next_id()
    body = {
        "taskId": number,
        "operation": operation,
        "partitionName": partition,
        "storageName": nas,
        "details": None,
        "todoDate": now(),
        "lastUpdate": now(),
        "doneDate": None,
    }
    return call.tasks.start(
        [*BASE, nas, "task", number],
        body,
        states=STATES,
        then=then,
        args=args,
        subjects=[("nas", nas)],
        failure="ovhError",
        done_date="doneDate",
    )


@effect
def nas_put(store: Store, body: Object, path: list[object]) -> None:
    store.put(body, *BASE, *path)


@effect
def nas_delete(store: Store, path: list[object]) -> None:
    store.delete(*BASE, *path)


@route("GET", "/dedicated/nasha/{nas}/task")
def tasks(call: Call, nas: str) -> list[int]:
    call.store.service(*BASE, nas)
    return [found["taskId"] for found in call.store.children(*BASE, nas, "task").values()]


@route("GET", "/dedicated/nasha/{nas}/task/{number:int}")
def task(call: Call, nas: str, number: int) -> Object:
    call.store.service(*BASE, nas)
    return call.store.need("taskId", *BASE, nas, "task", number)


# Partitions


@route("GET", "/dedicated/nasha/{nas}/partition")
def partitions(call: Call, nas: str) -> list[str]:
    call.store.service(*BASE, nas)
    return list(call.store.children(*BASE, nas, "partition"))


def check_size(call: Call, nas: str, size: int, besides: str = "") -> None:
    """What is not another partition's is free; OVHcloud asks for 10 GB at least."""
    others = call.store.children(*BASE, nas, "partition")
    free = info(call, nas)["zpoolSize"] - sum(found["size"] for name, found in others.items() if name != besides)
    if not SMALLEST <= size <= free:
        raise ApiError(400, f"Invalid value for parameter size: {size}, not between {SMALLEST} and {free}")


@route("POST", "/dedicated/nasha/{nas}/partition")
def partition_create(call: Call, nas: str) -> Object:
    call.store.service(*BASE, nas)
    body = PARTITION.read(call.body)
    name = body["partitionName"]
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,29}", name):
        raise ApiError(400, f"Invalid value for parameter partitionName: {name}")
    if call.store.get(*BASE, nas, "partition", name) is not None:
        raise ApiError(409, f"Partition {name} already exists")
    check_size(call, nas, body["size"])
    made = {**body, "partitionCapacity": 0, "usedBySnapshots": 0}
    return begin(call, nas, name, "clusterLeclercPartitionAdd", nas_put, made, [nas, "partition", name])


@route("GET", "/dedicated/nasha/{nas}/partition/{name}")
def partition(call: Call, nas: str, name: str) -> Object:
    call.store.service(*BASE, nas)
    return call.store.need("partitionName", *BASE, nas, "partition", name)


@route("PUT", "/dedicated/nasha/{nas}/partition/{name}")
def partition_change(call: Call, nas: str, name: str) -> None:
    partition(call, nas, name)
    body = CHANGES.read(call.body, update=True)
    if "size" in body:
        check_size(call, nas, body["size"], besides=name)
    call.store.merge(body, *BASE, nas, "partition", name)


@route("DELETE", "/dedicated/nasha/{nas}/partition/{name}")
def partition_delete(call: Call, nas: str, name: str) -> Object:
    partition(call, nas, name)
    return begin(call, nas, name, "clusterLeclercPartitionDelete", nas_delete, [nas, "partition", name])


# Who may mount them


@route("GET", "/dedicated/nasha/{nas}/partition/{name}/access")
def accesses(call: Call, nas: str, name: str) -> list[str]:
    partition(call, nas, name)
    return list(call.store.children(*BASE, nas, "partition", name, "access"))


@route("POST", "/dedicated/nasha/{nas}/partition/{name}/access")
def access_create(call: Call, nas: str, name: str) -> Object:
    body = ACCESS.read(call.body)
    if body["ip"] in accesses(call, nas, name):
        raise ApiError(409, f"Access for {body['ip']} already exists")
    made = {**body, "type": body["type"] or "readwrite", "accessId": call.store.next_id()}
    path = [nas, "partition", name, "access", body["ip"]]
    return begin(call, nas, name, "clusterLeclercAclUpdate", nas_put, made, path)


@route("GET", "/dedicated/nasha/{nas}/partition/{name}/access/{ip}")
def access(call: Call, nas: str, name: str, ip: str) -> Object:
    partition(call, nas, name)
    return call.store.need("ip", *BASE, nas, "partition", name, "access", ip)


@route("DELETE", "/dedicated/nasha/{nas}/partition/{name}/access/{ip}")
def access_delete(call: Call, nas: str, name: str, ip: str) -> Object:
    access(call, nas, name, ip)
    path = [nas, "partition", name, "access", ip]
    return begin(call, nas, name, "clusterLeclercAclUpdate", nas_delete, path)


# Snapshots: how often one is taken


@route("GET", "/dedicated/nasha/{nas}/partition/{name}/snapshot")
def snapshots(call: Call, nas: str, name: str) -> list[str]:
    partition(call, nas, name)
    return list(call.store.children(*BASE, nas, "partition", name, "snapshot"))


@route("POST", "/dedicated/nasha/{nas}/partition/{name}/snapshot")
def snapshot_create(call: Call, nas: str, name: str) -> Object:
    body = SNAPSHOT.read(call.body)
    if body["snapshotType"] in snapshots(call, nas, name):
        raise ApiError(409, f"Snapshot {body['snapshotType']} already exists")
    path = [nas, "partition", name, "snapshot", body["snapshotType"]]
    return begin(call, nas, name, "clusterLeclercSnapshotUpdate", nas_put, body, path)


@route("GET", "/dedicated/nasha/{nas}/partition/{name}/snapshot/{kind}")
def snapshot(call: Call, nas: str, name: str, kind: str) -> Object:
    partition(call, nas, name)
    return call.store.need("snapshotType", *BASE, nas, "partition", name, "snapshot", kind)


@route("DELETE", "/dedicated/nasha/{nas}/partition/{name}/snapshot/{kind}")
def snapshot_delete(call: Call, nas: str, name: str, kind: str) -> Object:
    snapshot(call, nas, name, kind)
    path = [nas, "partition", name, "snapshot", kind]
    return begin(call, nas, name, "clusterLeclercSnapshotUpdate", nas_delete, path)
