"""An additional IP between two dedicated servers of the sandbox: it answers where it is routed, and nowhere else."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from stacks.environment import prepare
from tests.stacks.running import customer, project, ssh, world
from tests.waiting import until

pytestmark = pytest.mark.sandbox
IP, OWNER = "198.18.28.1", "ns31000001.ip-198-18-16-1.eu"  # as the account is at first
SERVERS = {"srv-1": "ns31000011.ip-198-18-16-11.eu", "srv-2": "ns31000012.ip-198-18-16-12.eu"}
PROGRAM = f"""
import pulumi_casebook as casebook

machines = [
    casebook.DedicatedServer(
        name,
        service_name=service,
        install="debian13_64",
        ssh_key=casebook.ssh_key(),
        admin_cidrs=["198.18.0.1/32"],
        allow=[casebook.Allow(port=22, sources=["0.0.0.0/0"])],
    )
    for name, service in {SERVERS}.items()
]
casebook.FailoverIp("extranet", ip="{IP}", machines=machines)
"""


@pytest.fixture(name="pulumi")
def _pulumi(tmp_path: Path) -> Iterator[Callable[..., str]]:
    run = project(tmp_path, Path(sys.prefix), PROGRAM, prepare(cloud=True))
    try:
        run("up", "--yes", "--skip-preview")
        yield run
    finally:
        run("destroy", "--yes", "--skip-preview")
        route_to(OWNER)


def route_to(service: str) -> None:
    """As the watchdog does."""
    path = f"/ip/{quote(IP + '/32', safe='')}"
    task = customer().post(f"{path}/move", to=service)
    until(lambda: customer().get(f"{path}/task/{task['taskId']}")["status"] == "done")


def answers() -> str:
    return ssh(IP, "hostname").strip()


def test_it_answers_on_the_machine_that_it_was_moved_to_and_an_up_leaves_it_there(pulumi: Callable[..., str]) -> None:
    assert answers() == "srv-1"
    keys = world("ssh-keyscan", "-t", "ed25519", IP)
    route_to(SERVERS["srv-2"])
    until(lambda: answers() == "srv-2")
    assert world("ssh-keyscan", "-t", "ed25519", IP) != keys, "the world meets the other machine as well"
    pulumi("up", "--yes", "--skip-preview", "--expect-no-changes")
    assert answers() == "srv-2"
