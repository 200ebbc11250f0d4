"""The wheel in an empty environment serves a program of somebody else's: three components, own provider, own names."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stacks.environment import CHECKOUT, prepare
from tests.stacks.running import project

PROGRAM = """
import pulumi_casebook as casebook
import pulumi
import pulumi_ovh as ovh

account = ovh.Provider("our-account", endpoint=pulumi.Config().require("endpoint"))
ours = pulumi.ResourceOptions(provider=account)

lan = casebook.VrackNetwork("lan", vrack="pn-1002", vlan=42, cidr="10.42.0.0/24", opts=ours)
entrance = casebook.LoadBalancerIp(
    "entrance",
    service_name="loadbalancer-a94d6be0172c4f53b8e9350f6d1c7b42",
    network=lan,
    nat_cidr="10.42.0.240/28",
    servers={"app-1": "10.42.0.10", "app-2": "10.42.0.11"},
    listeners=[casebook.Listener(port=8080)],
    opts=ours,
)
archive = casebook.ObjectStorage(
    "archive",
    project=pulumi.Config().require("project"),
    region="GRA",
    prefix="our-archive",
    buckets={"invoices": {"writers": ["bookkeeping"]}},
    opts=ours,
)
pulumi.export("url", entrance.url)
pulumi.export("from", casebook.__file__)
"""

pytestmark = pytest.mark.sandbox
Run = Callable[..., str]


@pytest.fixture(scope="module", name="python")
def _python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that holds the wheel and what it depends on, in the locked versions."""
    folder = tmp_path_factory.mktemp("wheel")
    build = ("pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", f"--wheel-dir={folder}", str(CHECKOUT))
    subprocess.run([sys.executable, "-m", *build], check=True, cwd=folder)
    [wheel] = folder.glob("pulumi_casebook-*.whl")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    python = folder / "venv/bin/python"
    lock = [line for line in (CHECKOUT / "requirements.lock").read_text().splitlines() if line[:1].isalnum()]
    (folder / "versions").write_text("\n".join(line.removesuffix(" \\") for line in lock))
    install = ("pip", "install", "--quiet", "--disable-pip-version-check", f"--constraint={folder / 'versions'}")
    subprocess.run([python, "-m", *install, wheel], check=True)
    return python


@pytest.fixture(name="pulumi")
def _pulumi(python: Path, tmp_path: Path) -> Run:
    """Runs pulumi on a project that knows nothing of this checkout."""
    environment = prepare(cloud=True)
    cloud = environment.pop("OVH_CLOUD_PROJECT_SERVICE")
    run = project(tmp_path, python.parents[1], PROGRAM, environment)
    run("config", "set", "endpoint", environment["OVH_ENDPOINT"])
    run("config", "set", "project", cloud)
    return run


def test_a_program_with_its_own_provider_comes_up_twice_and_goes(pulumi: Run, python: Path) -> None:
    try:
        pulumi("up", "--yes", "--skip-preview")
        assert pulumi("stack", "output", "url") == "http://198.18.30.2:8080\n"
        assert pulumi("stack", "output", "from").startswith(str(python.parents[1]))
        state = pulumi("stack", "export")
        assert "pulumi:providers:ovh::default" not in state, "a resource or look-up did not use the program's provider"
        pulumi("up", "--yes", "--skip-preview", "--expect-no-changes")
    finally:
        pulumi("destroy", "--yes", "--skip-preview")
