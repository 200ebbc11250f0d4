"""Giroptic's drills: a VPS is lost in every way there is, photos, machines for a peak, and what the world can reach."""

import contextlib
import json
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from architectures.giroptic import GiropticOutputs
from drills import faults
from drills.canary import CANARY
from drills.changes import serves
from drills.drill import Drill, Figure, NotSeen
from drills.limits import BEHIND_THE_BALANCER, STARTED_AGAIN
from drills.load import Load, load
from drills.outage import AFTER, BEFORE, Bears, machine_lost
from drills.packs import ports
from drills.packs.autoscaler import autoscaler, came_and_went
from drills.patience import seconds_until
from drills.release import released
from sandbox import GATEWAY
from stacks.deployed_stack import DeployedStack, world
from stacks.environment import is_account

Stack: TypeAlias = DeployedStack[GiropticOutputs]
RATE = 20  # requests a second, each signs the URLs of one photo
PHOTO = 3_000_000  # bytes (GIR-7)
USERS = 3500
UPLOADS = 4  # photos a second: each user sends one within a quarter of an hour
EITHER_SIDE = "one IP Load Balancing in front of both sides of the Atlantic: any one VPS can be lost"
SCALING: dict[str, Any] = {
    "peaks": {"instances": 0, "vrack": "pn-1002", "monitoring": "vps-0a1b2c06.vps.ovh.net"},
    "scaling": {
        "setting": "peaks.instances",
        "minimum": 0,
        "maximum": 1,
        "cooldown_seconds": 30,
        "alertmanager": "http://127.0.0.1:9095",
    },
}


def pages(stack: Stack) -> list[str]:
    return [f"POST {stack.outputs.url}/uploads\nAuthorization: Bearer {stack.outputs.token}"]


# A VPS is lost


def ways(machine: str) -> list[Drill]:
    """The other VPS takes its half of the visitors meanwhile."""
    killed = dict.fromkeys(("nginx", "upload"), Bears(10, 4, STARTED_AGAIN))
    return machine_lost(
        machine,
        pages,
        RATE,
        killed=killed,
        lost=BEHIND_THE_BALANCER,
        share=1 / 2,
        claims=("GIR-2",),
        promise=EITHER_SIDE,
    )


# Photos


def signed(stack: Stack, photos: int) -> list[dict[str, str]]:
    """What the application hands out for new photos: names and URLs. The token is on no command line."""
    url = f'url = "{stack.outputs.url}/uploads"\n'
    asked = f'insecure\nsilent\nrequest = "POST"\nheader = "Authorization: Bearer {stack.outputs.token}"\n'
    answers = world("curl", "--config", "-", stdin=asked + photos * url, timeout=300).splitlines()
    if len(answers) != photos:
        raise NotSeen(f"{photos} photos asked for, {len(answers)} URLs given")
    return [json.loads(answer) for answer in answers]


@contextlib.contextmanager
def camera() -> Iterator[Path]:
    """A photo, of the document's size."""
    with tempfile.NamedTemporaryFile(suffix=".jpg") as file:
        file.write(bytes(range(250)) * (PHOTO // 250))
        file.flush()
        yield Path(file.name)


@contextlib.contextmanager
def taken_away(stack: Stack, photos: Sequence[dict[str, str]]) -> Iterator[None]:
    """The photos are deleted in the end, as their owner would."""
    try:
        yield
    finally:
        store = stack.clouds.openstack(region(stack)).object_store
        for photo in photos:
            store.delete_object(photo["name"], container="photos", ignore_missing=True)


def region(stack: Stack) -> str:
    """Of the object storage, from its address: storage.gra.cloud.ovh.net."""
    return str(urlsplit(stack.outputs.photos).hostname).split(".")[1].upper()


def storage(stack: Stack) -> list[str]:
    """The sandbox's object storage has OVHcloud's name, which the world's name servers do not have."""
    host = urlsplit(stack.outputs.photos).hostname
    return [] if is_account() else [f"{host}:443:{GATEWAY}:443"]


def received(stack: Stack) -> int:
    """Bytes that have come to all VPS."""
    command = "cat /sys/class/net/[!l]*/statistics/rx_bytes"
    return sum(int(line) for machine in stack.machines for line in stack.on(machine, command).split())


def transfer(stack: Stack, targets: Sequence[str], photo: Path | None = None) -> Load:
    """Each target once, at the rate of uploads."""
    seconds = len(targets) / UPLOADS
    with load(targets, rate=UPLOADS, seconds=seconds, connect_to=storage(stack), body=photo, strangers=True) as seen:
        time.sleep(seconds)
    return seen


def photos_of_everybody(stack: Stack) -> list[Figure]:
    number = 60 * UPLOADS
    photos = signed(stack, number)
    with camera() as photo, taken_away(stack, photos):
        before = received(stack)
        uploads = transfer(stack, [f"PUT {one['upload']}" for one in photos], photo)
        passed = received(stack) - before
        views = transfer(stack, [f"GET {one['view']}" for one in photos])
    return [
        Figure("photos sent", len(uploads.requests)),
        Figure("photos of 3 MB a second", round(uploads.rate, 2), goal=round(0.95 * UPLOADS, 2), least=True),
        Figure("uploads failed", len(uploads.failed), goal=0),
        Figure("99 % uploaded within", round(uploads.percentile(0.99), 2), "s"),
        Figure("views failed", len(views.failed), goal=0),
        Figure("99 % seen within", round(views.percentile(0.99), 2), "s"),
        Figure("part of it that came by a VPS", round(100 * passed / (PHOTO * number), 2), "%", goal=1),
    ]


def without_any_vps(stack: Stack) -> list[Figure]:
    photos = signed(stack, 20 * UPLOADS)
    with camera() as photo, taken_away(stack, photos), contextlib.ExitStack() as broken:
        for machine in stack.machines:
            broken.enter_context(faults.power_loss(stack, machine))
        uploads = transfer(stack, [f"PUT {one['upload']}" for one in photos], photo)
        views = transfer(stack, [f"GET {one['view']}" for one in photos])
    again = seconds_until(serves(stack, ""), "a VPS serving again", 120)
    return [
        Figure("photos sent", len(uploads.requests)),
        Figure("uploads failed", len(uploads.failed), goal=0),
        Figure("views failed", len(views.failed), goal=0),
        Figure("photos asked for again after the VPS had started", round(again, 1), "s"),
    ]


# A peak


def helper_comes_and_goes(stack: Stack) -> list[Figure]:
    servers = stack.clouds.openstack("GRA11").compute
    with autoscaler(stack.name, SCALING) as alert, load(pages(stack), rate=RATE, seconds=1200, strangers=True) as seen:
        time.sleep(BEFORE)
        alert("firing")
        came = seconds_until(serves(stack, "peak-1"), "peak-1 serving", 600)
        time.sleep(AFTER)
        moment = time.time()
        alert("resolved")
        went = seconds_until(lambda: not list(servers.servers()), "peak-1 gone", 600)
        time.sleep(AFTER)
        seen.stop()
    return came_and_went(seen, came, moment, went)


# Backup


def vps_backups(stack: Stack) -> list[Figure]:
    found = [stack.clouds.ovh(f"/vps/{one.service}/automatedBackup") for one in stack.machines.values()]
    return [
        Figure("VPS", len(found)),
        Figure("without automatic daily backup", sum(one["state"] != "enabled" for one in found), goal=0),
    ]


# Ports


def balancer(stack: Stack) -> dict[str, str]:
    return {"load balancer": str(urlsplit(stack.outputs.url).hostname)}


def storage_address(stack: Stack) -> dict[str, str]:
    host = str(urlsplit(stack.outputs.photos).hostname)
    return {"object storage": socket.gethostbyname(host) if is_account() else GATEWAY}


DRILLS = [
    *ways("europe-1"),
    *ways("america-1"),
    Drill(
        name="both VPS lose power while photos are sent",
        claims=("GIR-4",),
        promise="users' uploads and views go straight to object storage, not through the VPS",
        limit="who has no signed URL yet has to wait for a VPS",
        run=without_any_vps,
    ),
    Drill(
        name=f"{USERS} users send a photo within a quarter of an hour",
        claims=("GIR-4", "GIR-7"),
        promise="photos of 3 MB of 3,500 users, who may become hundreds of thousands",
        limit="a minute of it; machines, object storage and visitors share the machine that is named below",
        run=photos_of_everybody,
    ),
    Drill(
        name="an hourly instance comes at a peak and goes after it",
        claims=("GIR-8",),
        promise="instances join and leave the load balancer's back-ends through the API at peaks",
        run=helper_comes_and_goes,
    ),
    Drill(
        name="each VPS has its daily backup",
        claims=("GIR-5",),
        promise="VPS have snapshot or automatic daily backup",
        limit="the backup itself is OVHcloud's; that it is switched on is what the API can tell",
        run=vps_backups,
    ),
    ports.from_world(
        ("GIR-3", "GIR-4"),
        balancer,
        services=storage_address,
        promise="the balancer, and photos at the object storage itself, by HTTPS only; no VPS but by the balancer",
        limit="TCP ports up to 10000; 80 and 443 of the object storage, which is OVHcloud's",
    ),
    ports.from_tiers(("GIR-2",), (), balancer, who="VPS"),
    released(pages, RATE),
    CANARY,
]
