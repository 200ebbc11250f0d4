"""Which checks belong to a file: `make mutants` runs those on each slip."""

from pathlib import Path

import pytest

from tests.mutants import checks_of


@pytest.mark.parametrize(
    ("file", "checks"),
    [
        ("components/pulumi_casebook/core/plan.py", "tests/components/core/test_plan.py"),
        ("components/pulumi_casebook/data/galera_cluster/component.py", "tests/components/data/galera_cluster"),
        ("components/pulumi_casebook/data/galera_cluster/programs/galera.py", "tests/components/data/galera_cluster"),
        ("components/pulumi_casebook/web/environment.py", "tests/components/web"),
        ("architectures/base.py", "tests/architectures"),
        ("architectures/sofoot.py", "tests/architectures/test_sofoot.py"),
        ("stacks/inventory.py", "tests/stacks/test_inventory.py"),
        ("drills/drill.py", "tests/drills"),
        ("sandbox/building.py", "tests/sandbox/test_building.py"),
        ("sandbox/machine.py", "tests/sandbox/test_machine.py"),
        ("sandbox/toolchain/plugins.py", "tests/toolchain"),
        ("tests/harness.py", None),
        ("docs/adr/0001.md", None),
    ],
)
def test_the_checks_of_a_file(file: str, checks: str | None) -> None:
    assert checks_of(Path(file)) == checks
