"""Which provider plugins to use: installed ones, Pulumi's own downloads, or ours.

Plugins live in $PULUMI_HOME/plugins/resource-NAME-vVERSION/pulumi-resource-NAME, where the engine looks for the
version that the Python SDK asks for.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from sandbox import building
from sandbox.building import write
from sandbox.toolchain import golang
from sandbox.toolchain.download import unreachable
from sandbox.toolchain.engine import INSTALLER, Engine
from sandbox.toolchain.home import SOURCE, Failures, ToolchainError, not_had, pulumi_home, say

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


def choose(engine: Callable[[], Engine], failures: Failures, official: bool = False) -> list[Plugin]:
    """Every plugin the project's SDKs ask for, made ready side by side.

    engine     answers once there is one; only downloads wait for it
    official   what Pulumi and the vendors publish, or an error; else ours where that cannot be had
    """
    with ThreadPoolExecutor(len(NAMES)) as pool:
        return list(pool.map(lambda name: choose_one(wanted(name), engine, failures, official), NAMES))


def choose_one(plugin: Wanted, engine: Callable[[], Engine], failures: Failures, official: bool = False) -> Plugin:
    def chosen(source: str, reason: str) -> Plugin:
        return Plugin(plugin.name, plugin.version, source, reason)

    ambient = shutil.which(plugin.program.name)
    if ambient and os.environ.get("PULUMI_IGNORE_AMBIENT_PLUGINS", "").lower() not in ("1", "true"):
        return chosen("PATH", ambient)
    ours = (plugin.folder / MARK).exists()
    if plugin.program.exists() and not ours:
        return chosen("installed", str(plugin.folder))
    if adopt(plugin):
        return chosen("installed", "~/.pulumi")
    why = download(plugin, engine, Failures.none() if official else failures)
    if not why:
        return chosen("Pulumi's download", str(plugin.folder))
    if official:
        raise ToolchainError(not_had(plugin.label, why))
    if plugin.name == "openstack":
        place_bridge(plugin)
        return chosen("built from Go modules", why)
    place_stand_in(plugin)
    return chosen("stand-in", why)


def adopt(plugin: Wanted) -> bool:
    """Use the plugin of the user's own Pulumi. The engine overlooks linked folders, so the files are linked."""
    there = Path("~/.pulumi/plugins").expanduser() / plugin.folder.name
    if there == plugin.folder or not (there / plugin.program.name).exists() or (there / MARK).exists():
        return False

    def link(draft: Path) -> None:
        draft.mkdir()
        for file in there.iterdir():
            (draft / file.name).symlink_to(file)

    def is_theirs(folder: Path) -> bool:
        return (folder / plugin.program.name).exists() and not (folder / MARK).exists()

    building.built(plugin.folder, link, plugin.label, 0.01, is_theirs)
    return True


def download(plugin: Wanted, engine: Callable[[], Engine], failures: Failures) -> str | None:
    """Let Pulumi install the plugin; answers why that could not be done, or nothing."""
    if known := failures.of(plugin.label):
        return known
    why = unreachable(plugin.server.replace("github://", "https://") or INSTALLER)
    if not why:
        say(f"downloading {plugin.label}")
        command = [engine().command, "plugin", "install", "--reinstall", "resource", plugin.name, plugin.version]
        if plugin.server:
            command += ["--server", plugin.server]
        environment = {**os.environ, "PULUMI_HOME": str(pulumi_home()), "PULUMI_SKIP_UPDATE_CHECK": "true"}
        try:
            with building.room(plugin.folder.parent, plugin.label, 0.5):
                done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
                lines = done.stderr.strip().splitlines()
                if done.returncode or not plugin.program.exists():
                    raise ToolchainError(lines[-1] if lines else "`pulumi plugin install` failed")
                (plugin.folder / MARK).unlink(missing_ok=True)
                return None
        except building.NoSpace:
            raise
        except ToolchainError as error:
            why = str(error)
        except subprocess.TimeoutExpired:
            why = "its download did not end within 10 minutes"
    failures.add(plugin.label, why)
    return why


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
