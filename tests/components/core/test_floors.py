"""Components are grouped by purpose, and a group knows only those below it (docs/adr/0001)."""

import re
from pathlib import Path

import pulumi_casebook

PACKAGE = Path(pulumi_casebook.__file__).parent
FLOORS = ("core", "network", "machines", "edge", "data", "web", "backups", "watching", "recovery")
IMPORT = re.compile(r"^\s*(?:from|import) pulumi_casebook(?:\.(\w+))?", re.MULTILINE)
INCLUDE = re.compile(r"""\{%-?\s*(?:include|import|from)\s+["'](\w+)/""")


def test_a_group_imports_only_from_its_own_floor_and_those_below() -> None:
    upwards = [
        f"{file.relative_to(PACKAGE)} imports {other or 'the whole package'}"
        for file in [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.j2")]
        if (group := file.relative_to(PACKAGE).parts[0]) in FLOORS
        for other in (IMPORT if file.suffix == ".py" else INCLUDE).findall(file.read_text())
        if other not in FLOORS[: FLOORS.index(group) + 1]
    ]
    assert not upwards, "\n".join(upwards)


def test_every_folder_is_a_group_with_a_floor() -> None:
    assert {folder.name for folder in PACKAGE.iterdir() if folder.is_dir()} - {"__pycache__"} == set(FLOORS)
