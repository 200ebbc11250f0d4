"""A stack that is up in the sandbox, driven as its user would: make's commands, HTTP, SSH."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import ovh
import ovh.client

from drills.packs.ports import open_ports, tcp
from pulumi_casebook.core.args import WORLD
from sandbox import GATEWAY, authority
from stacks.deployed_stack import credentials, ssh, world
from stacks.environment import CHECKOUT

__all__ = ["credentials", "open_ports", "ssh", "world"]


def operator() -> dict[str, str]:
    """The environment of an operator who has named no account, whatever this process has read one with."""
    account = ("OS_", "OVH_", "CASEBOOK_SSH_KEY_FILE")
    return {name: value for name, value in os.environ.items() if not name.startswith(account)}


def make(action: str, stack: str, *options: str, timeout: int = 900) -> str:
    """`make ACTION STACK=...`; its output, which is also shown when it fails."""
    command = [sys.executable, "-m", "stacks", action, stack, *options]
    done = subprocess.run(command, cwd=CHECKOUT, env=operator(), text=True, capture_output=True, timeout=timeout)
    # What went wrong comes before the outputs, which are long.
    told = done.stdout.rpartition("Diagnostics:")[2].partition("\nOutputs:")[0]
    assert done.returncode == 0, f"{' '.join(command[2:])} failed:\n{told[-6000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def outputs(stack: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(make("outputs", stack, "--show-secrets"))
    return found


def open_to_the_world(up: Mapping[str, Any], name: str) -> set[int]:
    """The TCP ports of a machine, or what else takes connections, that the output `exposure` says are open to all."""
    return tcp(up["exposure"][name][WORLD])


def project(folder: Path, venv: Path, program: str, environment: dict[str, str]) -> Callable[..., str]:
    """Runs pulumi on a project in `folder`, its state included, whose program has the Python environment `venv`."""
    path = f"{venv}/bin:{environment['PATH']}"
    environment = {**environment, "PATH": path, "PULUMI_BACKEND_URL": f"file://{folder}"}
    runtime = f"{{name: python, options: {{virtualenv: {venv}}}}}"
    (folder / "Pulumi.yaml").write_text(f"name: ours\nruntime: {runtime}\n")
    (folder / "__main__.py").write_text(program)

    def run(*arguments: str) -> str:
        command = ["pulumi", *arguments, "--non-interactive"]
        done = subprocess.run(command, cwd=folder, env=environment, text=True, capture_output=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}{done.stderr}"
        return done.stdout

    run("stack", "init", "dev")
    return run


def customer() -> ovh.Client:
    """The API as the sandbox's customer may use it."""
    given = credentials()
    keys = {name: given[f"OVH_{name.upper()}"] for name in ("application_key", "application_secret", "consumer_key")}
    ovh.client.ENDPOINTS[given["OVH_ENDPOINT"]] = given["OVH_ENDPOINT"]
    return ovh.Client(endpoint=given["OVH_ENDPOINT"], **keys)


def token_of(username: str, password: str) -> str:
    """A token of the project for a user, from its identity service."""
    domain = {"name": "Default"}
    user = {"name": username, "password": password, "domain": domain}
    body = {
        "auth": {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": {"name": credentials()["OS_PROJECT_NAME"], "domain": domain}},
        }
    }
    asked = urllib.request.Request(
        f"{credentials()['OS_AUTH_URL']}/auth/tokens", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(asked, timeout=30) as answer:
        return str(answer.headers["X-Subject-Token"])


def request(url: str, *options: str) -> tuple[int, str]:
    """Status and body of a request from the world; 0 without an answer."""
    host = str(urlsplit(url).hostname)
    known: tuple[str, ...] = ("-k",)
    if host.endswith(".ovh.net"):  # as OVHcloud's name servers and authorities have it
        resolved = [word for port in (80, 443) for word in ("--resolve", f"{host}:{port}:{GATEWAY}")]
        known = (*resolved, "--cacert", str(authority.CERTIFICATE))
    answer = world("curl", "-s", "--max-time", "60", *known, "-w", "\n%{http_code}", *options, url, check=False)
    body, _, status = answer.rpartition("\n")
    return int(status), body
