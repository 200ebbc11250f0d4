"""What another stack of the same account holds already, told before this one is begun."""

from pathlib import Path
from typing import Any

import yaml
from ovh.exceptions import APIError

import architectures
from architectures.base import CloudRackSettings
from stacks.clouds import Clouds
from stacks.environment import Stop
from stacks.stack_files import names, stack_file


def config_of(file: Path) -> tuple[str, dict[str, Any]]:
    """The architecture that a stack's file names, and its settings."""
    config = yaml.safe_load(file.read_text())["config"]
    return config["casebook:architecture"], config.get("casebook:settings") or {}


def check_project(stack: str, file: Path, environment: dict[str, str]) -> None:
    """A project is in one vRack at most: another stack's would end this one's `up` half-way."""
    architecture, settings = config_of(file)
    if not issubclass(architectures.load(architecture).Arguments, CloudRackSettings) or "vrack" not in settings:
        return
    project = settings.get("project") or environment.get("OVH_CLOUD_PROJECT_SERVICE", "")
    try:
        holder = Clouds(environment).ovh(f"/cloud/project/{project}/vrack")["id"]
    except APIError:  # in no vRack; or what is wrong, the program will tell
        return
    if holder == settings["vrack"]:
        return
    others = [f"{one}, whose it is" for one in names() if config_of(stack_file(one))[1].get("vrack") == holder]
    raise Stop(
        f"vrack={settings['vrack']}: the project {project}, which {stack} needs in it, is in the vRack {holder}, and "
        f"can be in one alone; destroy {' or '.join(others) or 'what put it there'}, or give this stack another project"
    )
