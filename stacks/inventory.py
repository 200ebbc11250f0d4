"""What a stack declares, as the engine's own preview tells it: committed, compared, and accepted by command.

The preview is of an empty state and of the full sizes, against the sandbox's empty account, so it needs no
credentials. It holds each resource's type, name and inputs; secrets appear by the names that the bundles give them,
what a resource gives birth to as `(known after up)`, and what differs between accounts (the project, the operator's
key, what was looked up) by a label.
"""

import difflib
import json
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pulumi_casebook.machines.configuration.bundle import prefixed_lines
from stacks.environment import CHECKOUT, Stop, empty_project, is_account, prepare
from stacks.inventory_file import Inventory, Resources, read, written
from stacks.stack_files import stack_file

FILES = CHECKOUT / "stacks/inventories"
# What Pulumi prints in the place of a value that is not known at preview.
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
AFTER = "(known after up)"
# An image's, a network's: another one everywhere.
LOOKED_UP = re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
# Programs that go to machines as they are: the inventory names the file instead of repeating it.
SHIPPED = sorted((CHECKOUT / "components").glob("pulumi_casebook/*/*/programs/*.py"))

# Type -> why its loss matters, and the inputs whose change replaces it (None: every input).
HOLDS_DATA: dict[str, tuple[str, frozenset[str] | None]] = {
    "openstack:compute/instance:Instance": (
        "an instance's disk goes with it",
        frozenset({"availabilityZone", "blockDevices", "configDrive", "networks", "region", "schedulerHints"}),
    ),
    "openstack:blockstorage/volume:Volume": (
        "a volume's data goes with it",
        frozenset({"availabilityZone", "imageId", "region", "snapshotId", "sourceVolId"}),
    ),
    "openstack:objectstorage/container:Container": ("its objects go with it", frozenset({"name", "region"})),
    "ovh:CloudProject/storage:Storage": (
        "a bucket's objects go with it",
        frozenset({"name", "regionName"}),
    ),
    "ovh:Dedicated/serverReinstallTask:ServerReinstallTask": (
        "a new installation wipes the server",
        frozenset({"properties", "serviceName", "storages"}),
    ),
    "random:index/randomPassword:RandomPassword": ("what was encrypted with it cannot be read without it", None),
}


def file_of(stack: str) -> Path:
    return FILES / f"{stack}.yaml"


def committed(stack: str) -> Inventory:
    return read(file_of(stack).read_text()) if file_of(stack).exists() else Inventory({}, {})


def preview(stack: str, config: Path) -> Resources:
    """Run the engine on an empty state; raises Stop with its words if it refuses."""
    environment = prepare(cloud=True)
    with tempfile.TemporaryDirectory() as state, empty_project() as project:
        environment |= {"PULUMI_BACKEND_URL": f"file://{state}"}
        _pulumi(["stack", "init", stack, "--cwd", project], environment)
        given = Path(state) / config.name
        given.write_text(config.read_text())
        options = ["--stack", stack, "--config-file", str(given), "--cwd", str(CHECKOUT)]
        steps = json.loads(_pulumi(["preview", "--json", *options], environment))["steps"]
    key = Path(environment["CASEBOOK_SSH_KEY_FILE"] + ".pub").read_text().strip()
    project_id = environment["OVH_CLOUD_PROJECT_SERVICE"]
    labels = {UNKNOWN: AFTER, key: "(the operator's key)"}
    labels |= {project_id: "(project)", project_id[:8]: "(project's first 8)"}
    for file in SHIPPED:
        text, label = file.read_text(), f"(the file {file.relative_to(CHECKOUT)})"
        labels |= {text: label, "\n".join(prefixed_lines(text)): label}
    resources = {}
    for step in steps:
        state_of, inputs = step["newState"], step["newState"].get("inputs") or {}
        if state_of.get("custom") and not state_of["type"].startswith("pulumi:"):
            resources[f"{state_of['type']} {state_of['urn'].rpartition('::')[2]}"] = _labelled(inputs, labels)
    return resources


def _pulumi(arguments: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["pulumi", "--non-interactive", *arguments], env=environment, text=True, capture_output=True, check=False
    )
    if done.returncode:
        raise Stop(f"pulumi {arguments[0]} failed:\n{done.stdout[-4000:]}{done.stderr[-2000:]}")
    return done.stdout


def _labelled(value: Any, labels: dict[str, str]) -> Any:
    """The value with labels for what differs between accounts, and without Pulumi's own notes."""
    if isinstance(value, dict):
        return {key: _labelled(one, labels) for key, one in value.items() if not key.startswith("__")}
    if isinstance(value, list):
        return [_labelled(one, labels) for one in value]
    if isinstance(value, str):
        for given, label in labels.items():
            value = value.replace(given, label)
        value = LOOKED_UP.sub("(looked up)", value)
        # YAML would give up its block style, and with it one line a line, for a tab or a space at an end.
        return "\n".join(line.rstrip() for line in value.replace("\t", "\\t").split("\n"))
    return value


def losses(old: Resources, new: Resources) -> dict[str, str]:
    """What of `old` holds data and would be deleted or replaced: "type name" to the reason."""
    found = {}
    for key, inputs in old.items():
        kind = key.split(" ")[0]
        if kind not in HOLDS_DATA:
            continue
        why, fields = HOLDS_DATA[kind]
        if key not in new:
            found[key] = f"deleted: {why}"
            continue
        changed = sorted(field for field in {*inputs, *new[key]} if inputs.get(field) != new[key].get(field))
        if forcing := [field for field in changed if fields is None or field in fields]:
            found[key] = f"replaced, for {', '.join(forcing)} changed: {why}"
    return found


def plan(old: Resources, new: Resources) -> str:
    """The difference: one line a resource, then the changed lines."""
    lines = [f"  + {key}" for key in sorted(new.keys() - old.keys())]
    lines += [f"  - {key}" for key in sorted(old.keys() - new.keys())]
    lines += [f"  ~ {key}" for key in sorted(old.keys() & new.keys()) if old[key] != new[key]]
    committed, now = (written(Inventory(one, {})).splitlines() for one in (old, new))
    changed = list(difflib.unified_diff(committed, now, "committed", "now", lineterm="", n=2))
    if len(changed) > 400:
        changed = [*changed[:400], f"... and {len(changed) - 400} lines more"]
    return "\n".join([*lines, *changed])


def compare(stack: str, now: Resources) -> None:
    """Stop with the plan, and the command that accepts it, where the committed inventory differs."""
    before = committed(stack).resources
    if before != now:
        lost = "".join(f"\n  ! {key}: {why}" for key, why in losses(before, now).items())
        raise Stop(
            f"{stack}: the stack differs from stacks/inventories/{stack}.yaml:\n{plan(before, now)}{lost}\n"
            f"If that is meant: make accept STACK={stack}{_lose(losses(before, now))}"
        )


def accept(stack: str, now: Resources, given_up: list[str]) -> None:
    """Commit the inventory to its file; data that goes must be given up by the resource's name."""
    lost = losses(committed(stack).resources, now)
    named = {key: why for key, why in lost.items() if key.split(" ", 1)[1] in given_up}
    if missing := lost.keys() - named.keys():
        raise Stop(
            "this change takes data away:\n"
            + "".join(f"  {key}: {lost[key]}\n" for key in sorted(missing))
            + f"If that is meant: make accept STACK={stack}{_lose(lost)}"
        )
    FILES.mkdir(exist_ok=True)
    file_of(stack).write_text(written(Inventory(now, named)))


def guard(before: Inventory, after: Inventory) -> dict[str, str]:
    """Losses between two committed inventories which the later one does not own up to: for pull requests."""
    return {key: why for key, why in losses(before.resources, after.resources).items() if key not in after.losses}


def _lose(lost: dict[str, str]) -> str:
    return f' LOSE="{" ".join(key.split(" ", 1)[1] for key in lost)}"' if lost else ""


def of_revision(revision: str, stack: str) -> Inventory:
    """The inventory that another revision of this repository has committed; an empty one where it has none."""
    path = f"{revision}:stacks/inventories/{stack}.yaml"
    done = subprocess.run(["git", "show", path], cwd=CHECKOUT, text=True, capture_output=True, check=False)
    return read(done.stdout) if done.returncode == 0 else Inventory({}, {})


def against(revision: str, stacks: list[str]) -> None:
    """Print what each stack would change since a revision; Stop where data would go that nobody gave up."""
    taken = []
    for stack in stacks:
        before, after = of_revision(revision, stack), committed(stack)
        if before.resources != after.resources:
            print(f"## {stack}\n\n```diff\n{plan(before.resources, after.resources)}\n```\n")
        taken += [f"  {stack}: {key}: {why}" for key, why in guard(before, after).items()]
    if taken:
        raise Stop("\n".join(["data would be taken away that the inventory does not give up (make accept):", *taken]))


def check(stacks: Sequence[str]) -> None:
    for stack, now in _previews(stacks):
        compare(stack, now)


def take(stacks: Sequence[str], given_up: list[str]) -> None:
    for stack, now in _previews(stacks):
        accept(stack, now, given_up)


def _previews(stacks: Sequence[str]) -> Iterator[tuple[str, Resources]]:
    """What each stack declares now; told once that has been dealt with."""
    if is_account():
        raise Stop("inventories are taken in the sandbox: unset OS_* and OVH_* (make says which cloud it means)")
    for stack in stacks:
        now = preview(stack, stack_file(stack))
        yield stack, now
        print(f"{stack}: {len(now)} resources, as stacks/inventories/{stack}.yaml says")
