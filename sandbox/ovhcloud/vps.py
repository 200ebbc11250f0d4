"""/vps: virtual private servers: what they are, images, rebuild, reboot, start and stop."""

import uuid
from collections.abc import Sequence

from . import machines
from .errors import ApiError, not_found
from .fields import Fields, Needed, boolean, one_of, text
from .routing import Call, route, seed
from .store import Object, Store, iam, now
from .tasks import Effect, effect

DELIVERED = next(iter(machines.SYSTEMS))
RUNNING = ("todo", "doing")


@seed
def owned(store: Store, account: Object) -> None:
    for name, given in account["vps"].items():
        if store.get("vps", name) is not None:
            continue
        memory, cores, disk = given.get("memory", 2048), given.get("cores", 1), 20
        model = {
            "name": given.get("model", "vps-starter-1-2-20"),
            "offer": given.get("offer", "VPS Starter"),
            "version": "2019v1",
            "disk": disk,
            "memory": memory,
            "vcore": cores,
            "maximumAdditionnalIp": 16,
            "datacenter": [],
            "availableOptions": [],
        }
        store.put(
            {
                "name": name,
                "displayName": given.get("display_name", name),
                "cluster": "",
                "keymap": None,
                "memoryLimit": memory,
                "vcore": cores,
                "netbootMode": "local",
                "offerType": "ssd",
                "slaMonitoring": False,
                "state": "running",
                "zone": "Region OpenStack: os-" + given["datacenter"],
                "zoneType": "region",
                "monitoringIpBlocks": [],
                "model": model,
                "iam": iam("vps", name),
            },
            "vps",
            name,
        )
        store.put(
            {
                "ips": given["ips"],
                "mac": given["mac"],
                "image": DELIVERED,
                "datacenter": {"name": given["datacenter"], "longName": given.get("city", ""), "country": "fr"},
                "automatedBackup": bool(given.get("automated_backup")),
            },
            "vps",
            name,
            "detail",
        )
        store.put({"memory": memory, "cores": cores, "disk": disk}, "sandbox", "hardware", name)
        machines.install(store, name, 1, DELIVERED, hostname=name.partition(".")[0], ssh_key=account.get("ssh_key"))


@route("GET", "/vps")
def all_vps(call: Call) -> list[str]:
    return list(call.store.children("vps"))


@route("GET", "/vps/{name}")
def info(call: Call, name: str) -> Object:
    return call.store.service("vps", name)


@route("PUT", "/vps/{name}")
def change(call: Call, name: str) -> None:
    call.store.service("vps", name)
    fields = Fields(
        displayName=text, keymap=one_of("fr", "us"), netbootMode=one_of("local", "rescue"), slaMonitoring=boolean
    )
    call.store.merge(fields.read(call.body, update=True), "vps", name)


def detail(call: Call, name: str) -> Object:
    call.store.service("vps", name)
    return call.store.need("detail", "vps", name, "detail")


@route("GET", "/vps/{name}/ips")
def ips(call: Call, name: str) -> list[str]:
    addresses: list[str] = detail(call, name)["ips"]
    return addresses


@route("GET", "/vps/{name}/datacenter")
def datacenter(call: Call, name: str) -> Object:
    found: Object = detail(call, name)["datacenter"]
    return found


@route("GET", "/vps/{name}/automatedBackup")
def automated_backup(call: Call, name: str) -> Object:
    """The option, where it is rented. What it promises is not in force: nothing is saved, nothing can be restored."""
    if not detail(call, name)["automatedBackup"]:
        raise not_found("automatedBackup", name)
    return {"state": "enabled", "schedule": "03:00:00", "rotation": 7, "serviceResourceName": name}


# Images: an id for every system that can be installed


def image_id(system: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, system + ".image"))


def image(system: str) -> Object:
    return {"id": image_id(system), "name": system}


@route("GET", "/vps/{name}/images/available")
def images(call: Call, name: str) -> list[str]:
    call.store.service("vps", name)
    return [image_id(system) for system in machines.SYSTEMS]


def system_of(identity: str) -> str | None:
    return next((system for system in machines.SYSTEMS if image_id(system) == identity), None)


@route("GET", "/vps/{name}/images/available/{identity}")
def image_info(call: Call, name: str, identity: str) -> Object:
    call.store.service("vps", name)
    system = system_of(identity)
    if system is None:
        raise ApiError(404, f"The requested object (id = {identity}) does not exist")
    return image(system)


@route("GET", "/vps/{name}/images/current")
def image_current(call: Call, name: str) -> Object:
    return image(detail(call, name)["image"])


# Tasks


def begin(call: Call, name: str, kind: str, states: tuple[str, str], then: Effect, args: Sequence[object]) -> Object:
    """A task of a VPS, which shows the first of two states until it is done, and then the second."""
    found = call.store.service("vps", name)
    for running in call.store.children("vps", name, "task").values():
        if running["state"] in RUNNING:
            raise ApiError(409, f"Action pending: task {running['id']} ({running['type']})")
    number = call.store.next_id()
    call.store.put({**found, "state": states[0]}, "vps", name)
    body = {"id": number, "type": kind, "date": now(), "progress": 0}
    started = call.tasks.start(
        ["vps", name, "task", number],
        body,
        states=(*RUNNING, "done"),
        field="state",
        then=then,
        args=(name, number, *args),
        subjects=[("machine", name)],
    )
    call.tasks.settle(["vps", name], "state", states[1], "maintenance", subjects=[("machine", name)])
    return started


@route("GET", "/vps/{name}/tasks")
def tasks(call: Call, name: str) -> list[int]:
    call.store.service("vps", name)
    return [
        found["id"]
        for found in call.store.children("vps", name, "task").values()
        if call.query.get("state", found["state"]) == found["state"]
        and call.query.get("type", found["type"]) == found["type"]
    ]


@route("GET", "/vps/{name}/tasks/{number:int}")
def task(call: Call, name: str, number: int) -> Object:
    call.store.service("vps", name)
    return call.store.need("id", "vps", name, "task", number)


@route("POST", "/vps/{name}/rebuild")
def rebuild(call: Call, name: str) -> Object:
    """Wipe the VPS and install an image, with one SSH public key for the image's own user."""
    call.store.service("vps", name)
    body = Fields(
        imageId=Needed(text), publicSshKey=text, sshKey=text, doNotSendPassword=boolean, installRTM=boolean
    ).read(call.body)
    system = system_of(body["imageId"])
    if system is None:
        raise ApiError(400, f"Invalid value for parameter imageId: {body['imageId']} is not an available image")
    if body["sshKey"]:
        raise ApiError(
            400,
            f"Invalid value for parameter sshKey: {body['sshKey']} is not a key of this account; "
            "give the key itself as publicSshKey",
        )
    return begin(call, name, "reinstallVm", ("installing", "running"), rebuilt, (system, body["publicSshKey"]))


@effect
def rebuilt(store: Store, name: str, number: int, system: str, ssh_key: str | None) -> None:
    machines.install(store, name, number, system, hostname=name.partition(".")[0], ssh_key=ssh_key)
    store.merge({"image": system}, "vps", name, "detail")


def seen(store: Store, name: str, *, running: bool) -> None:
    """Show what it does by itself: a VPS that was switched off from inside is stopped. Tasks say what they do."""
    before, after = ("stopped", "running") if running else ("running", "stopped")
    tasks = store.children("vps", name, "task").values()
    if store.service("vps", name)["state"] == before and not any(one["state"] in RUNNING for one in tasks):
        store.merge({"state": after}, "vps", name)


@route("POST", "/vps/{name}/reboot")
def reboot(call: Call, name: str) -> Object:
    return begin(call, name, "rebootVm", ("rebooting", "running"), machines.boot, (True,))


@route("POST", "/vps/{name}/start")
def start(call: Call, name: str) -> Object:
    if call.store.service("vps", name)["state"] != "stopped":
        raise ApiError(400, "This VPS is already running")
    return begin(call, name, "startVm", ("stopped", "running"), machines.boot, (True,))


@route("POST", "/vps/{name}/stop")
def stop(call: Call, name: str) -> Object:
    if call.store.service("vps", name)["state"] != "running":
        raise ApiError(400, "This VPS is not running")
    return begin(call, name, "stopVm", ("stopping", "stopped"), machines.boot, (False,))
