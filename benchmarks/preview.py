"""The preview of a stack against a preview of the same resources declared flat, without components.

    make bench STACK=sofoot        (python -m benchmarks.preview STACK [RUNS])

Both run in turn, on the same machine, toolchain and (running) sandbox, against an empty state; what counts is the
ratio of the medians. The flat program declares the very resources of the stack: types, names, inputs, dependencies and
look-ups, recorded from the stack's own program.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from stacks.__main__ import config_file
from stacks.target import CHECKOUT, prepare

FLAT = """
import json
import pulumi

made = {}
for one in json.load(open("resources.json")):
    if one["invoke"]:
        pulumi.runtime.invoke(one["type"], one["inputs"])
        continue
    after = [made[name] for name in one["depends_on"]]
    options = pulumi.ResourceOptions(depends_on=after)
    made[one["urn"]] = pulumi.CustomResource(one["type"], one["name"], one["inputs"], options)
"""


def record(stack: str, environment: dict[str, str], folder: Path) -> int:
    """Write what the stack's preview declares as `resources.json`; how many resources there are."""
    printed = subprocess.run(
        ["pulumi", "preview", "--json", "--show-secrets", *of_the_checkout(stack)],
        env=environment | {"PULUMI_BACKEND_URL": backend(folder / "record", stack, environment)},
        text=True,
        capture_output=True,
        check=True,
    )
    steps = json.loads(printed.stdout)["steps"]
    states = [step["newState"] for step in steps if step.get("newState", {}).get("custom")]
    states = [state for state in states if not state["type"].startswith("pulumi:")]
    known = {state["urn"] for state in states}
    resources = [
        {
            "invoke": False,
            "type": state["type"],
            "name": state["urn"].rpartition("::")[2],
            "urn": state["urn"],
            "inputs": state.get("inputs", {}),
            "depends_on": [urn for urn in state.get("dependencies", []) if urn in known],
        }
        for state in states
    ]
    (folder / "resources.json").write_text(json.dumps(resources))
    return len(resources)


def of_the_checkout(stack: str) -> list[str]:
    return ["--stack", stack, "--config-file", str(config_file(stack)), "--cwd", str(CHECKOUT)]


def backend(folder: Path, stack: str, environment: dict[str, str]) -> str:
    """A state of its own, empty."""
    folder.mkdir()
    url = f"file://{folder}"
    file = CHECKOUT / "stacks" / f"Pulumi.{stack}.yaml"
    committed = file.read_bytes()
    try:
        subprocess.run(
            ["pulumi", "stack", "init", stack, "--cwd", str(CHECKOUT)],
            env=environment | {"PULUMI_BACKEND_URL": url},
            check=True,
            capture_output=True,
        )
    finally:
        file.write_bytes(committed)
    return url


def timed(command: list[str], environment: dict[str, str]) -> float:
    start = time.monotonic()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return time.monotonic() - start


def main() -> None:
    stack, runs = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 7
    environment = prepare(cloud=True)
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        count = record(stack, environment, folder)
        (folder / "__main__.py").write_text(FLAT)
        runtime = f"{{name: python, options: {{virtualenv: {sys.prefix}}}}}"
        (folder / "Pulumi.yaml").write_text(f"name: flat\nruntime: {runtime}\n")
        flat = environment | {"PULUMI_BACKEND_URL": f"file://{folder}"}
        subprocess.run(["pulumi", "stack", "init", "flat", "--cwd", work], env=flat, check=True, capture_output=True)
        ours = environment | {"PULUMI_BACKEND_URL": f"file://{folder / 'record'}"}
        preview = ["pulumi", "preview", "--non-interactive"]
        commands = {
            "stack": ([*preview, *of_the_checkout(stack)], ours),
            "flat": ([*preview, "--stack", "flat", "--cwd", work], flat),
        }
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(runs):
            for name, (command, variables) in commands.items():
                seconds[name].append(timed(command, variables))
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    print(f"{stack}: {count} resources, {runs} runs each, {os.cpu_count()} cores")
    for name, values in seconds.items():
        print(f"  {name:6} median {medians[name]:.2f} s   min {min(values):.2f}   max {max(values):.2f}")
    print(f"  ratio  {medians['stack'] / medians['flat']:.3f}")


if __name__ == "__main__":
    main()
