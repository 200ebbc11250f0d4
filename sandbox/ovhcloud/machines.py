"""What a dedicated server or a VPS must be, as a machine: what is installed on it, and whether it is on.

A record `sandbox/machine/NAME` of the store, written by the API's tasks and read by the estate:

    install    number of the installation; another number is another disk
    system     the operating system's template (`debian13_64`), or None: an empty disk
    hostname, ssh_key, user_data, script, metadata     what cloud-init is told
    boot       number of the last boot asked for; another number is a reboot
    on         whether it runs its own system: off before an installation, when stopped, and in rescue mode
"""

from sandbox import RELEASE

from .errors import ApiError
from .store import Object, Store
from .tasks import effect

NO_SYSTEM = "none_64.en"
# The templates that can be installed, each with the name of its root file system.
SYSTEMS = {f"debian{RELEASE}_64": f"debian-{RELEASE}"}


def check_system(name: str, parameter: str) -> None:
    offered = [*SYSTEMS, NO_SYSTEM]
    if name not in offered:
        raise ApiError(
            400,
            f"Invalid value for parameter {parameter}: {name} is not available on this server; "
            f"compatible: {', '.join(offered)}",
        )


def machine_of(store: Store, name: str) -> Object:
    return store.need("machine", "sandbox", "machine", name)


def install(
    store: Store,
    name: str,
    number: int,
    system: str,
    *,
    hostname: str | None = None,
    ssh_key: str | None = None,
    user_data: str | None = None,
    script: str | None = None,
    metadata: Object | None = None,
) -> None:
    """A new disk with `system` on it, and the machine on; with NO_SYSTEM an empty disk, and the machine off."""
    empty = system == NO_SYSTEM
    store.put(
        {
            "install": number,
            "system": None if empty else system,
            "hostname": hostname or name,
            "ssh_key": ssh_key,
            "user_data": user_data,
            "script": script,
            "metadata": metadata or {},
            "boot": number,
            "on": not empty,
        },
        "sandbox",
        "machine",
        name,
    )


@effect
def boot(store: Store, name: str, number: int, on: bool) -> None:
    """Boot a machine anew, or switch it off."""
    installed = machine_of(store, name)["system"] is not None
    store.merge({"boot": number, "on": on and installed}, "sandbox", "machine", name)
