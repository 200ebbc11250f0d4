"""Which provider plugins to use: installed ones, else ours.

Plugins live in $PULUMI_HOME/plugins/resource-NAME-vVERSION/pulumi-resource-NAME, where the engine looks for the
version that the Python SDK asks for.
"""

import functools
import importlib.util
import json
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from sandbox import building
from sandbox.building import write
from sandbox.toolchain import golang
from sandbox.toolchain.home import SOURCE, ToolchainError, pulumi_home

NAMES = ("openstack", "ovh", "command", "random", "tls")
# What tells a plugin folder that we filled from one that Pulumi did.
MARK = "made-by-casebook"

STAND_IN = """\
#!/bin/sh
# A stand-in for the {name} plugin. Generated; `python -m sandbox.toolchain prepare` writes it again.
exec '{python}' -P '{program}' {name} {version} "$@"
"""


@dataclass(frozen=True)
class Wanted:
    """A plugin as the installed Python SDK asks for it."""

    name: str
    version: str
    server: str

    @property
    def folder(self) -> Path:
        return pulumi_home() / "plugins" / f"resource-{self.name}-v{self.version}"

    @property
    def program(self) -> Path:
        return self.folder / f"pulumi-resource-{self.name}"

    @property
    def label(self) -> str:
        return f"plugin {self.name} {self.version}"

    @property
    def command(self) -> str:
        """What installs it as it is published."""
        server = f" --server {self.server}" if self.server else ""
        return f"pulumi plugin install resource {self.name} {self.version}{server}"


@dataclass(frozen=True)
class Plugin:
    """A plugin in use, where it comes from, and why."""

    name: str
    version: str
    source: str
    reason: str


def wanted(name: str) -> Wanted:
    """What the SDK's own pulumi-plugin.json says; reading it spares the second an import takes."""
    spec = importlib.util.find_spec(f"pulumi_{name}")
    if spec is None or not spec.submodule_search_locations:
        raise ToolchainError(
            f"the Python package pulumi-{name} is not installed; install the project's requirements and run this again"
        )
    found = json.loads((Path(spec.submodule_search_locations[0]) / "pulumi-plugin.json").read_text())
    return Wanted(name, found["version"], found.get("server", ""))


def choose() -> list[Plugin]:
    """Every plugin the project's SDKs ask for, made ready side by side."""
    with ThreadPoolExecutor(len(NAMES)) as pool:
        return list(pool.map(lambda name: choose_one(wanted(name)), NAMES))


def choose_one(plugin: Wanted) -> Plugin:
    return installed(plugin) or made(plugin)


def installed(plugin: Wanted) -> Plugin | None:
    """The plugin as it is published, where somebody has installed it."""
    ambient = shutil.which(plugin.program.name)
    if ambient and os.environ.get("PULUMI_IGNORE_AMBIENT_PLUGINS", "").lower() not in ("1", "true"):
        return Plugin(plugin.name, plugin.version, "PATH", ambient)
    if is_theirs(plugin, plugin.folder):
        return Plugin(plugin.name, plugin.version, "installed", str(plugin.folder))
    return Plugin(plugin.name, plugin.version, "installed", "~/.pulumi") if adopt(plugin) else None


def is_theirs(plugin: Wanted, folder: Path) -> bool:
    return (folder / plugin.program.name).exists() and not (folder / MARK).exists()


def made(plugin: Wanted) -> Plugin:
    if plugin.name == "openstack":
        place_bridge(plugin)
        return Plugin(plugin.name, plugin.version, "built from Go modules", "none installed")
    place_stand_in(plugin)
    return Plugin(plugin.name, plugin.version, "stand-in", "none installed")


def adopt(plugin: Wanted) -> bool:
    """Use the plugin of the user's own Pulumi. The engine overlooks linked folders, so the files are linked."""
    there = Path("~/.pulumi/plugins").expanduser() / plugin.folder.name
    if there == plugin.folder or not is_theirs(plugin, there):
        return False

    def link(draft: Path) -> None:
        draft.mkdir()
        for file in there.iterdir():
            (draft / file.name).symlink_to(file)

    building.built(plugin.folder, link, plugin.label, 0.01, functools.partial(is_theirs, plugin))
    return True


def place_bridge(plugin: Wanted) -> None:
    built = golang.built(
        SOURCE / "openstack", plugin.program.name, ".", "", f"{plugin.label} (2 minutes on two cores)", 4
    )
    if plugin.program.is_symlink() and plugin.program.readlink() == built:
        return
    write(plugin.folder / MARK, "")
    building.link(plugin.program, built)


def place_stand_in(plugin: Wanted) -> None:
    write(plugin.folder / MARK, "")
    script = STAND_IN.format(
        name=plugin.name, version=plugin.version, python=sys.executable, program=SOURCE / "standin" / "__main__.py"
    )
    write(plugin.program, script, 0o755)
