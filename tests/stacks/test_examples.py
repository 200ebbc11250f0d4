"""The components that the README leads with, each alone: its README's example as a program of its own."""

import re
import sys
from pathlib import Path

import pytest

from stacks.environment import CHECKOUT, prepare
from tests.stacks.running import project

pytestmark = pytest.mark.sandbox
COMPONENTS = (
    "edge/load_balancer_ip",
    "network/vrack_network",
    "data/object_storage",
    "edge/haproxy_tier",
    "data/galera_cluster",
    "recovery/drp_replica_site",
)


@pytest.mark.parametrize("component", [pytest.param(name, marks=pytest.mark.example(name)) for name in COMPONENTS])
def test_the_example_comes_up_alone_twice_and_goes(component: str, tmp_path: Path) -> None:
    environment = prepare(cloud=True)
    pulumi = project(tmp_path, Path(sys.prefix), example(component, environment), environment)
    try:
        pulumi("up", "--yes", "--skip-preview")
        pulumi("up", "--yes", "--skip-preview", "--expect-no-changes")
    finally:
        pulumi("destroy", "--yes", "--skip-preview")


def example(component: str, environment: dict[str, str]) -> str:
    """The first program of a component's README, with the customer's project in the place of its own."""
    readme = (CHECKOUT / "components/pulumi_casebook" / component / "README.md").read_text()
    program = re.findall(r"^```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)[0]
    return re.sub(r'(?<=")[0-9a-f]{32}(?=")', environment["OVH_CLOUD_PROJECT_SERVICE"], program)
