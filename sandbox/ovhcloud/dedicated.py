"""/dedicated/server: what a server is, its network interfaces, reinstalling, boots, link aggregation."""

import uuid
from collections.abc import Sequence

from . import machines
from .errors import ApiError, not_found
from .fields import Fields, ListOf, Needed, boolean, integer, mapping, one_of, string_map, text
from .routing import Call, route, seed
from .store import Object, Store, iam, now
from .tasks import Effect, effect

BASE = ("dedicated", "server")
HARD_DISK, RESCUE = 1, 22
BOOTS = {HARD_DISK: ("harddisk", "hd", "Boot from hard drive"), RESCUE: ("rescue", "rescue-customer", "Rescue mode")}
RUNNING = ("init", "todo", "doing")


@seed
def owned(store: Store, account: Object) -> None:
    for number, (name, given) in enumerate(account["dedicated_servers"].items(), 1):
        if store.get(*BASE, name) is not None:
            continue
        datacenter = given.get("datacenter", "rbx8")
        region = "eu-west-" + datacenter.rstrip("0123456789")
        store.put(
            {
                "name": name,
                "serverId": number,
                "ip": given["ip"],
                "reverse": name + ".",
                "datacenter": datacenter,
                "region": region,
                "availabilityZone": region + "-a",
                "rack": given.get("rack", "T01A01"),
                "commercialRange": given.get("range", "advance"),
                "os": machines.NO_SYSTEM,
                "state": "ok",
                "powerState": "poweroff",
                "bootId": HARD_DISK,
                "bootScript": None,
                "efiBootloaderPath": None,
                "rootDevice": None,
                "linkSpeed": 1000,
                "monitoring": False,
                "noIntervention": False,
                "newUpgradeSystem": True,
                "professionalUse": False,
                "supportLevel": "pro",
                "rescueMail": None,
                "rescueSshKey": None,
                "iam": iam("dedicatedServer", name, given.get("display_name")),
            },
            *BASE,
            name,
        )
        for nic in given["interfaces"]:
            # Known in advance, so that a program can name it: every sandbox gives a server the same ids.
            identity = str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{nic['name']}.{name}"))
            store.put(
                {
                    "uuid": identity,
                    "name": nic["name"],
                    "mode": nic["mode"],
                    "enabled": True,
                    "networkInterfaceController": nic["macs"],
                    "serverName": name,
                    "vrack": None,
                },
                *BASE,
                name,
                "virtualNetworkInterface",
                identity,
            )
        store.put({"ips": [given["ip"] + "/32", *given.get("ips", [])]}, *BASE, name, "detail", "ips")
        store.put({"status": "active", "description": "", "interfaces": []}, *BASE, name, "detail", "networking")
        hardware = {
            "memory": given.get("memory", 65536),
            "cores": given.get("cores", 8),
            "disk": given.get("disk", 480),
        }
        store.put(hardware, "sandbox", "hardware", name)
        machines.install(store, name, 0, machines.NO_SYSTEM)


@route("GET", "/dedicated/server")
def servers(call: Call) -> list[str]:
    return list(call.store.children(*BASE))


@route("GET", "/dedicated/server/{server}")
def info(call: Call, server: str) -> Object:
    return call.store.service(*BASE, server)


@route("PUT", "/dedicated/server/{server}")
def change(call: Call, server: str) -> None:
    call.store.service(*BASE, server)
    body = Fields(
        bootId=integer(1),
        bootScript=text,
        efiBootloaderPath=text,
        monitoring=boolean,
        noIntervention=boolean,
        rescueMail=text,
        rescueSshKey=text,
        rootDevice=text,
        state=one_of("ok", "error", "hacked"),
    ).read(call.body, update=True)
    if body.get("bootId", HARD_DISK) not in BOOTS:
        raise ApiError(400, f"Invalid value for parameter bootId: {body['bootId']}")
    call.store.merge(body, *BASE, server)


@route("GET", "/dedicated/server/{server}/ips")
def ips(call: Call, server: str) -> list[str]:
    call.store.service(*BASE, server)
    addresses: list[str] = call.store.need("ips", *BASE, server, "detail", "ips")["ips"]
    return addresses


@route("GET", "/dedicated/server/{server}/serviceInfos")
def service_infos(call: Call, server: str) -> Object:
    return {"serviceId": call.store.service(*BASE, server)["serverId"], "domain": server, "status": "ok"}


@route("GET", "/dedicated/server/{server}/vrack")
def vracks(call: Call, server: str) -> list[str]:
    call.store.service(*BASE, server)
    found = call.store.children(*BASE, server, "virtualNetworkInterface").values()
    return sorted({interface["vrack"] for interface in found if interface["vrack"]})


# Boots


@route("GET", "/dedicated/server/{server}/boot")
def boots(call: Call, server: str) -> list[int]:
    call.store.service(*BASE, server)
    return [number for number, (kind, *_) in BOOTS.items() if call.query.get("bootType", kind) == kind]


@route("GET", "/dedicated/server/{server}/boot/{number:int}")
def boot_info(call: Call, server: str, number: int) -> Object:
    call.store.service(*BASE, server)
    if number not in BOOTS:
        raise not_found("bootId", number)
    kind, kernel, description = BOOTS[number]
    return {"bootId": number, "bootType": kind, "kernel": kernel, "description": description}


# Interfaces


@route("GET", "/dedicated/server/{server}/virtualNetworkInterface")
def interfaces(call: Call, server: str) -> list[str]:
    call.store.service(*BASE, server)
    return [
        identity
        for identity, found in call.store.children(*BASE, server, "virtualNetworkInterface").items()
        if call.query.get("mode", found["mode"]) == found["mode"]
    ]


@route("GET", "/dedicated/server/{server}/virtualNetworkInterface/{identity}")
def interface(call: Call, server: str, identity: str) -> Object:
    call.store.service(*BASE, server)
    return call.store.need("uuid", *BASE, server, "virtualNetworkInterface", identity)


# Tasks


def begin(call: Call, server: str, function: str, comment: str, then: Effect, args: Sequence[object]) -> Object:
    for running in call.store.children(*BASE, server, "task").values():
        if running["status"] in RUNNING:
            raise ApiError(409, f"Action pending: task {running['taskId']} ({running['function']})")
    number = call.store.next_id()
    body = {
        "taskId": number,
        "function": function,
        "comment": comment,
        "startDate": now(),
        "lastUpdate": now(),
        "doneDate": None,
        "needSchedule": False,
        "note": None,
        "plannedInterventionId": None,
        "tags": [],
        "ticketReference": None,
    }
    return call.tasks.start(
        [*BASE, server, "task", number],
        body,
        states=(*RUNNING, "done"),
        then=then,
        args=(server, number, *args),
        subjects=[("machine", server)],
        failure="ovhError",
        done_date="doneDate",
    )


@route("GET", "/dedicated/server/{server}/task")
def tasks(call: Call, server: str) -> list[int]:
    call.store.service(*BASE, server)
    return [
        found["taskId"]
        for found in call.store.children(*BASE, server, "task").values()
        if call.query.get("status", found["status"]) == found["status"]
        and call.query.get("function", found["function"]) == found["function"]
    ]


@route("GET", "/dedicated/server/{server}/task/{number:int}")
def task(call: Call, server: str, number: int) -> Object:
    call.store.service(*BASE, server)
    return call.store.need("taskId", *BASE, server, "task", number)


@route("POST", "/dedicated/server/{server}/reboot")
def reboot(call: Call, server: str) -> Object:
    """A hard reboot of what `bootId` names. In rescue mode the server's own system does not run."""
    own = call.store.service(*BASE, server)["bootId"] == HARD_DISK
    return begin(call, server, "hardReboot", "Reboot asked", machines.boot, (own,))


# Installation

_EXTRA = Fields(lv=Fields(name=text), zp=Fields(name=text))
_LAYOUT = Fields(
    fileSystem=Needed(text), mountPoint=Needed(text), raidLevel=integer(0, 60), size=integer(0), extras=_EXTRA
)
_RAID = Fields(arrays=integer(1), disks=integer(1), raidLevel=integer(0, 60), spares=integer(0))
CUSTOMIZATIONS = Fields(
    hostname=text,
    sshKey=text,
    configDriveUserData=text,
    configDriveMetadata=string_map,
    postInstallationScript=text,
    postInstallationScriptExtension=one_of("cmd", "ps1"),
    language=text,
    efiBootloaderPath=text,
    httpHeaders=string_map,
    imageURL=text,
    imageType=one_of("qcow2", "raw"),
    imageCheckSum=text,
    imageCheckSumType=one_of("md5", "sha1", "sha256", "sha512"),
)
REINSTALL = Fields(
    operatingSystem=Needed(text),
    properties=mapping,
    customizations=CUSTOMIZATIONS,
    storage=ListOf(
        Fields(
            diskGroupId=integer(0),
            hardwareRaid=ListOf(_RAID),
            partitioning=Fields(disks=integer(1), schemeName=text, layout=ListOf(_LAYOUT)),
        )
    ),
)


@route("GET", "/dedicated/server/{server}/install/compatibleTemplates")
def templates(call: Call, server: str) -> Object:
    call.store.service(*BASE, server)
    return {"ovh": [*machines.SYSTEMS, machines.NO_SYSTEM], "personal": []}


@route("GET", "/dedicated/server/{server}/install/status")
def install_status(call: Call, server: str) -> Object:
    call.store.service(*BASE, server)
    for found in call.store.children(*BASE, server, "task").values():
        if found["function"] == "reinstallServer" and found["status"] in RUNNING:
            return {
                "elapsedTime": 0,
                "progress": [{"comment": found["comment"], "status": found["status"], "error": ""}],
            }
    raise ApiError(404, "Server is not being installed or reinstalled at the moment")


@route("POST", "/dedicated/server/{server}/reinstall")
def reinstall(call: Call, server: str) -> Object:
    """Wipe the server and install it; done once it has booted and its SSH server answers."""
    call.store.service(*BASE, server)
    body = REINSTALL.read(call.body)
    machines.check_system(body["operatingSystem"], "operatingSystem")
    found = begin(call, server, "reinstallServer", "Start dedicated server installation", reinstalled, (body,))
    return {name: found[name] for name in ("taskId", "function", "comment", "status", "startDate", "doneDate")}


@effect
def reinstalled(store: Store, server: str, number: int, body: Object) -> None:
    given = body["customizations"] or CUSTOMIZATIONS.read({})
    machines.install(
        store,
        server,
        number,
        body["operatingSystem"],
        hostname=given["hostname"],
        ssh_key=given["sshKey"],
        user_data=given["configDriveUserData"],
        script=given["postInstallationScript"],
        metadata=given["configDriveMetadata"],
    )
    on = machines.machine_of(store, server)["on"]
    store.merge(
        {"os": body["operatingSystem"], "bootId": HARD_DISK, "powerState": "poweron" if on else "poweroff"},
        *BASE,
        server,
    )


# Link aggregation

NETWORKING = Fields(
    description=text,
    interfaces=Needed(ListOf(Fields(macs=Needed(ListOf(text)), type=Needed(one_of("public", "vrack"))))),
)


@route("GET", "/dedicated/server/{server}/networking")
def networking(call: Call, server: str) -> Object:
    call.store.service(*BASE, server)
    return call.store.need("networking", *BASE, server, "detail", "networking")


@route("POST", "/dedicated/server/{server}/networking")
def networking_create(call: Call, server: str) -> Object:
    call.store.service(*BASE, server)
    body = NETWORKING.read(call.body)
    known = {
        mac
        for found in call.store.children(*BASE, server, "virtualNetworkInterface").values()
        for mac in found["networkInterfaceController"]
    }
    for part in body["interfaces"]:
        for mac in part["macs"]:
            if mac not in known:
                raise ApiError(400, f"{mac} is not a network interface of this server")
    return apply_networking(call, server, body["interfaces"], body["description"] or "")


@route("DELETE", "/dedicated/server/{server}/networking")
def networking_delete(call: Call, server: str) -> Object:
    call.store.service(*BASE, server)
    return apply_networking(call, server, [], "")


def apply_networking(call: Call, server: str, wanted: list[Object], description: str) -> Object:
    if networking(call, server)["status"] != "active":
        raise ApiError(409, "A network configuration is already being deployed")
    return call.tasks.start(
        [*BASE, server, "detail", "networking"],
        {"description": description, "interfaces": wanted},
        states=("deploying", "active"),
    )
