"""Nothing that belongs to a component or to an architecture was forgotten (CONTRIBUTING.md)."""

import re
from pathlib import Path

import pytest

import architectures
import pulumi_casebook
from stacks.environment import CHECKOUT

PACKAGE = Path(pulumi_casebook.__file__).parent
FOLDERS = sorted(file.parent for file in PACKAGE.glob("*/*/component.py"))
TABLE = (CHECKOUT / "components/README.md").read_text()


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_component_has_a_readme_a_row_tests_and_is_exported(folder: Path) -> None:
    path = folder.relative_to(PACKAGE)
    classes = re.findall(r"^class ([A-Z]\w+)\((?:Component\[|Machine\))", (folder / "component.py").read_text(), re.M)
    missing = [name for name in classes if name not in pulumi_casebook.__all__]
    assert not missing, f"pulumi_casebook/__init__.py does not export {missing}"
    if folder.name == "configuration":
        return  # what components are made of; it has its page all the same
    assert (folder / "README.md").exists(), f"{path}: no README.md"
    assert f"pulumi_casebook/{path}/README.md" in TABLE, f"components/README.md has no row of {path}"
    assert list((CHECKOUT / "tests/components" / path).glob("test_*.py")), f"tests/components/{path} has no test"


@pytest.mark.parametrize("name", architectures.names())
def test_an_architecture_has_a_stack_tests_drills_and_a_row(name: str) -> None:
    stack = name.replace("_", "-")
    wanted = [
        f"stacks/Pulumi.{stack}.yaml",
        f"stacks/inventories/{stack}.yaml",
        f"tests/architectures/test_{name}.py",
        f"tests/stacks/test_{name}.py",
        f"drills/{name}.py",
        f"drills/results/{stack}.yaml",
    ]
    missing = [file for file in wanted if not (CHECKOUT / file).exists()]
    assert not missing, f"{name}: {', '.join(missing)}"
    assert f"](architectures/{name}.py)" in (CHECKOUT / "README.md").read_text(), "README has no row of it"
