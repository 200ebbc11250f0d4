"""The preview of a stack against a preview of the same resources declared flat, without components.

    make bench STACK=sofoot        (python -m benchmarks.preview STACK [RUNS] [LATENCY])

Both run in turn, on the same machine, toolchain and (running) sandbox, against an empty state; what counts is the
ratio of the medians. The flat program declares the very resources of the stack: types, names, inputs and dependencies,
recorded from the stack's own program under mocks, and puts the same questions to the account (servers, image, network),
all at once. With LATENCY (seconds) the sandbox's APIs answer that much later, as those of a real account do.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

import architectures
from sandbox import faults
from stacks.environment import CHECKOUT, empty_project, prepare
from stacks.stack_files import config_file
from tests.harness import Values, declare

FLAT = """
import asyncio
import json
import pulumi
import pulumi_command, pulumi_openstack, pulumi_ovh, pulumi_random, pulumi_tls
from pulumi.runtime.sync_await import _sync_await

recorded = json.load(open("resources.json"))
SDKS = {"ovh": pulumi_ovh, "openstack": pulumi_openstack}


def ask(token, arguments):
    defaults = SDKS[token.partition(":")[0]]._utilities.get_invoke_opts_defaults()
    return pulumi.runtime.invoke_async(token, arguments, defaults)


async def answers():
    return await asyncio.gather(*(ask(*question) for question in recorded["questions"]))


_sync_await(answers())
made = {}
for one in recorded["resources"]:
    after = [made[name] for name in one["depends_on"]]
    options = pulumi.ResourceOptions(depends_on=after)
    made[one["urn"]] = pulumi.CustomResource(one["type"], one["name"], one["inputs"], options)
"""


def record(stack: str, environment: dict[str, str], folder: Path) -> int:
    """Write what the stack's program declares as `resources.json`; how many resources there are."""
    os.environ.update({name: environment[name] for name in ("CASEBOOK_SSH_KEY_FILE", "OVH_CLOUD_PROJECT_SERVICE")})
    given = yaml.safe_load(config_file(stack).read_text())["config"]
    config = {key: value if isinstance(value, str) else json.dumps(value) for key, value in given.items()}
    questions: list[tuple[str, Values]] = []
    declared = [
        one
        for one in declare(architectures.build, preview=False, config=config, asked=questions)
        if one.type.split(":")[0] not in ("pulumi", "casebook")
    ]
    known = {one.urn for one in declared}
    resources = [
        {
            "type": one.type,
            "name": one.name,
            "urn": one.urn,
            "inputs": one.inputs,
            "depends_on": [urn for urn in one.depends_on if urn in known],
        }
        for one in declared
    ]
    (folder / "resources.json").write_text(json.dumps({"resources": resources, "questions": questions}))
    return len(resources)


def of_the_checkout(stack: str) -> list[str]:
    return ["--stack", stack, "--config-file", str(config_file(stack)), "--cwd", str(CHECKOUT)]


def backend(folder: Path, stack: str, environment: dict[str, str]) -> str:
    """A state of its own, empty."""
    folder.mkdir()
    url = f"file://{folder}"
    with empty_project() as project:
        command = ["pulumi", "stack", "init", stack, "--cwd", project]
        subprocess.run(command, env=environment | {"PULUMI_BACKEND_URL": url}, check=True, capture_output=True)
    return url


def timed(command: list[str], environment: dict[str, str]) -> float:
    start = time.monotonic()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return time.monotonic() - start


def main() -> None:
    stack, runs = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 7
    late = sys.argv[3] if len(sys.argv) > 3 else None
    environment = prepare(cloud=True)
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        count = record(stack, environment, folder)
        ours = environment | {"PULUMI_BACKEND_URL": backend(folder / "state", stack, environment)}
        (folder / "__main__.py").write_text(FLAT)
        runtime = f"{{name: python, options: {{virtualenv: {sys.prefix}}}}}"
        (folder / "Pulumi.yaml").write_text(f"name: flat\nruntime: {runtime}\n")
        flat = environment | {"PULUMI_BACKEND_URL": f"file://{folder}"}
        subprocess.run(["pulumi", "stack", "init", "flat", "--cwd", work], env=flat, check=True, capture_output=True)
        preview = ["pulumi", "preview", "--non-interactive"]
        commands = {
            "stack": ([*preview, *of_the_checkout(stack)], ours),
            "flat": ([*preview, "--stack", "flat", "--cwd", work], flat),
        }
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        faults.set_to([faults.Fault.parsed(f"latency={late}")] if late else [])
        try:
            for _ in range(runs):
                for name, (command, variables) in commands.items():
                    seconds[name].append(timed(command, variables))
        finally:
            faults.set_to([])
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    print(f"{stack}: {count} resources, {runs} runs each, {os.cpu_count()} cores, {late or 0} s of latency")
    for name, values in seconds.items():
        print(f"  {name:6} median {medians[name]:.2f} s   min {min(values):.2f}   max {max(values):.2f}")
    print(f"  ratio  {medians['stack'] / medians['flat']:.3f}, {medians['stack'] - medians['flat']:.2f} s more")


if __name__ == "__main__":
    main()
