"""The openstack plugin that is built here has the names and types of the Python SDK, and its secrets."""

import importlib
import json
import pkgutil
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi_openstack
import pytest

from sandbox.toolchain import golang, plugins
from sandbox.toolchain.home import SOURCE, ToolchainError
from sandbox.toolchain.standin import shapes
from sandbox.toolchain.standin.shapes import Shape

Served = dict[str, Any]
KINDS = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "bool": "bool",
    "map": "map",
    "any": "any",
    "object": "object",
}


@pytest.fixture(scope="module")
def served() -> dict[str, dict[str, Served]]:
    """What the bridge gives every resource and function, by token."""
    try:
        go, environment = golang.find_go(golang.needed_version(SOURCE / "openstack/go.mod"))
    except ToolchainError as error:
        pytest.skip(str(error))
    done = subprocess.run(
        [go, "run", "-mod=readonly", "-trimpath", "-buildvcs=false", "./names"],
        cwd=SOURCE / "openstack",
        env={**environment, "CGO_ENABLED": "0"},
        capture_output=True,
        check=True,
    )
    found: dict[str, dict[str, Served]] = json.loads(done.stdout)
    return found


def sdk_resources() -> Iterator[tuple[str, str, str]]:
    """(token, module, class) of every resource, from the SDK's own sources."""
    for module in pkgutil.walk_packages(pulumi_openstack.__path__, "pulumi_openstack."):
        spec = module.module_finder.find_spec(module.name, None)
        if spec and spec.origin:
            source = Path(spec.origin).read_text()
            found = re.search(r"super\((\w+), __self__\)\.__init__\(\s*'(openstack:[^']+:\w+)'", source)
            if found:
                yield found[2], module.name, found[1]


def differences(where: str, sdk: Shape, ours: Served, inputs: bool) -> Iterator[str]:
    for name, shape in sdk.properties.items():
        there = ours.get(name)
        if there is None:
            if name not in ("id", "urn"):
                yield f"{where}.{name} is missing"
            continue
        kind = "list" if shape.kind == "list" else KINDS[shape.kind]
        if there["type"] != kind and (there["type"], kind) != ("int", "float"):
            yield f"{where}.{name} is {kind} in the SDK, {there['type']} in ours"
        if inputs and not there.get("input"):
            yield f"{where}.{name} is no input of ours"
        if inputs and there.get("required") and name not in sdk.needed:
            yield f"{where}.{name} is needed by ours only"
        inner = shape.item if shape.kind == "list" else shape
        if inner and inner.kind == "object":
            yield from differences(f"{where}.{name}", inner, there.get("props", {}), inputs=False)


def test_every_resource_of_the_sdk_is_served_with_its_properties(served: dict[str, dict[str, Served]]) -> None:
    found = list(sdk_resources())
    assert len(found) > 100
    wrong = []
    for token, module, name in found:
        if token not in served["resources"]:
            wrong.append(f"{token} is not served")
            continue
        inputs, outputs = shapes.load(module, name)
        wrong += differences(token, inputs, served["resources"][token], inputs=True)
        wrong += differences(token, outputs, served["resources"][token], inputs=False)
    assert not wrong
    assert served["resources"].keys() == {token for token, *_ in found}


def test_what_the_sdk_keeps_secret_is_secret(served: dict[str, dict[str, Served]]) -> None:
    for token, module, _ in sdk_resources():
        source = Path(str(importlib.import_module(module).__file__)).read_text()
        for listed in re.findall(r"additional_secret_outputs=\[([^\]]*)\]", source):
            for name in re.findall(r'"(\w+)"', listed):
                assert served["resources"][token][name].get("secret"), (token, name)


def test_the_bridge_has_the_version_of_the_sdk() -> None:
    source = (SOURCE / "openstack/bridge/bridge.go").read_text()
    assert f'Version = "{plugins.wanted("openstack").version}"' in source
