"""Makes a stack fit to continue after a run that was killed or failed: dead locks, and operations of unknown outcome.

Pulumi notes each operation before it asks for it. When it dies in between, or the answer to a request is lost, a
resource may exist without being in the state, or the other way round. It is looked for by its planned name or address:
what is found is taken into the state, what is not was never made. So nothing is made twice, and nothing is left
behind. What is of no use without the answer to its creation, or without the request that follows it, is taken away
by Pulumi, to be created again.

A plugin that has made a thing, and then failed to read it, says so to Pulumi, which wants it updated at the next run;
but most of what OVHcloud attaches knows no update, so each run would fail again. It is read, then nothing is wrong.
"""

import json
import re
import socket
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from sandbox.building import write
from stacks.cloud_resources import INSTANCE, LISTINGS, RECORD, S3_KEY, USER, matching
from stacks.clouds import Clouds
from stacks.environment import Stop, empty_project, notes

Operation = dict[str, Any]  # `resource` and `type`, as in Pulumi's state
# A user's password is told in the answer to its creation, which is the only one that names an S3 key; a record is
# served after the refresh that follows.
RECREATED = (USER, S3_KEY, RECORD)
# Secrets that are generated when they are created. A certificate follows its key.
GENERATED = ("random:index/randomPassword:RandomPassword", "tls:index/privateKey:PrivateKey", S3_KEY)
# What an API answers to a request that it has read and will not do.
REFUSED = re.compile(r"(?:status code |but got )(?:400|403|409)\b")
UNCERTAIN = {
    "create": "creating",
    "create-replacement": "creating",
    "delete": "deleting",
    "delete-replaced": "deleting",
}


def recover(stack: str, environment: dict[str, str]) -> dict[str, Any]:
    """Bring the state in line with what exists; returns it."""
    whole = exported(stack, environment)
    adopted = notes() / f"{stack}.adopted.json"  # is there while that is not finished
    if adopted.exists():
        held = {(one["urn"], one.get("id")) for one in (whole.get("deployment") or {}).get("resources") or []}
        finish(stack, [one for one in json.loads(adopted.read_text()) if (one["urn"], one["id"]) in held], environment)
        whole = exported(stack, environment)
    operations = (whole.get("deployment") or {}).get("pending_operations") or []
    operations += failed_operations(events_of(stack)) if whole.get("deployment") else []
    if operations:
        made = reconcile(whole, operations, environment)
        write(adopted, json.dumps([{name: one[name] for name in ("urn", "id", "type")} for one in made]), 0o600)
        pulumi("stack", "import", "--stack", stack, environment=environment, stdin=json.dumps(whole))
        finish(stack, made, environment)
    if unread := [one for one in (whole.get("deployment") or {}).get("resources") or [] if one.get("initErrors")]:
        print(f"casebook: {len(unread)} resources were made and not seen to work; reading them")
        targeted("refresh", stack, unread, environment)
    for file in (adopted, events_of(stack)):
        file.unlink(missing_ok=True)
    return whole


def events_of(stack: str) -> Path:
    """Where the last run, whose outcome may be unknown, tells what it does. Pulumi writes no secret there."""
    return notes() / f"{stack}.events.jsonl"


def failed_operations(events: Path) -> list[Operation]:
    """Creations and deletions that failed without having been refused: Pulumi forgets the former."""
    said: dict[str, str] = {}
    failed = []
    for line in events.read_text().splitlines() if events.exists() else ():
        try:
            event = json.loads(line)
        except ValueError:  # the line at which it was killed
            continue
        if diagnostic := event.get("diagnosticEvent"):
            urn = diagnostic.get("urn", "")
            said[urn] = said.get(urn, "") + diagnostic["message"]
        if failure := event.get("resOpFailedEvent"):
            failed.append(failure["metadata"])
    return [
        {"resource": metadata["new"] or metadata["old"], "type": UNCERTAIN[metadata["op"]]}
        for metadata in failed
        if metadata["op"] in UNCERTAIN and not REFUSED.search(said.get(metadata["urn"], ""))
    ]


def replacements(state: dict[str, Any], environment: dict[str, str]) -> list[str]:
    """The options for instances that Nova gave up on: their creation is in the state, so pulumi alone keeps them."""
    deployment = state.get("deployment") or {}
    instances = [r for r in deployment.get("resources") or [] if r["type"] == INSTANCE and r.get("id")]
    clouds, failed = Clouds(environment), []
    for region in sorted({instance["outputs"]["region"] for instance in instances}):
        broken = {server.id for server in clouds.openstack(region).compute.servers(status="ERROR")}
        failed += [instance["urn"] for instance in instances if instance["id"] in broken]
    for urn in failed:
        print(f"casebook: the instance {urn.rpartition('::')[2]} is in the state ERROR; it is replaced")
    return [f"--replace={urn}" for urn in failed]


def rotations(state: dict[str, Any], names: list[str]) -> list[str]:
    """The options that rotate secrets, by the names of their resources; what depends on them follows."""
    secrets = [one for one in (state.get("deployment") or {}).get("resources") or [] if one["type"] in GENERATED]
    by_name = {one["urn"].rpartition("::")[2]: one["urn"] for one in secrets}
    for name in names:
        if name not in by_name:
            raise Stop(f"--rotate={name}: no secret of this stack; there are: {', '.join(sorted(by_name)) or 'none'}")
    return [f"--replace={by_name[name]}" for name in names]


def reconcile(whole: dict[str, Any], operations: list[Operation], environment: dict[str, str]) -> list[dict[str, Any]]:
    """Bring the exported state `whole` in line with what became of the operations; returns what it did not know."""
    print(f"casebook: an earlier run ended in the middle of {len(operations)} operations; looking what they did")
    clouds = Clouds(environment)
    resources = whole["deployment"].setdefault("resources", [])
    made: list[dict[str, Any]] = []
    for operation in operations:
        resource = operation["resource"]
        kind, inputs = resource["type"], resource.get("inputs") or {}
        name = resource["urn"].rpartition("::")[2]
        existing = matching(clouds, kind, inputs)
        if operation["type"] == "creating":
            known = {one.get("id") for one in (*resources, *made) if one["type"] == kind}
            if found := next((one for one in existing if one.id not in known), None):
                made.append({**resource, "custom": True, "id": found.id, "outputs": {**inputs, **found.outputs}})
                print(f"casebook: {name} was made ({found.id}); taken into the state")
        elif operation["type"] == "deleting" and kind in LISTINGS and resource["id"] not in {e.id for e in existing}:
            resources[:] = [
                one for one in resources if (one["urn"], one.get("id")) != (resource["urn"], resource["id"])
            ]
            print(f"casebook: {name} was deleted ({resource['id']}); taken out of the state")
    resources += made
    whole["deployment"]["pending_operations"] = []
    return made


def finish(stack: str, adopted: list[dict[str, Any]], environment: dict[str, str]) -> None:
    """Their outputs are what the provider reads, not what we know; and what is of no use goes."""
    targeted("refresh", stack, adopted, environment)
    targeted("destroy", stack, [resource for resource in adopted if resource["type"] in RECREATED], environment)


def targeted(action: str, stack: str, resources: list[dict[str, Any]], environment: dict[str, str]) -> None:
    if resources:
        targets = [f"--target={resource['urn']}" for resource in resources]
        pulumi(action, "--yes", "--skip-preview", "--stack", stack, *targets, environment=environment)


def release_dead_lock(stack: str, environment: dict[str, str]) -> None:
    """Take away the lock of a pulumi that is no more. Only the file backend keeps locks as files."""
    for file in kept(environment, "locks", "*.json"):
        if file.parent.name != stack:
            continue
        try:
            owner = json.loads(file.read_text())
        except (OSError, ValueError):
            continue
        pid, host = int(owner.get("pid", 0)), owner.get("hostname")
        if host != socket.gethostname():
            raise Stop(f"pulumi on {host} has locked {stack}; wait for it, or run `pulumi cancel` if it is no more")
        if is_pulumi(pid):
            raise Stop(f"pulumi (process {pid}) is at work on {stack}; wait until it has ended")
        file.unlink(missing_ok=True)
        print(f"casebook: removed the lock of process {pid}, a pulumi that was killed")


def make_readable(stack: str, environment: dict[str, str]) -> None:
    """Take away what a killed pulumi had begun to write. The file backend puts a state in place at once, but not the
    note of its type beside it: half of one makes the whole state unreadable ("failed to load checkpoint"), none does
    no harm."""
    for note in kept(environment, "stacks", f"{stack}.json*.attrs"):
        try:
            json.loads(note.read_text())
        except ValueError:
            note.unlink()
    for begun in kept(environment, "stacks", f"{stack}.json.*.tmp"):
        begun.unlink()


def kept(environment: dict[str, str], kind: str, pattern: str) -> list[Path]:
    """Files of Pulumi's file backend; none with another."""
    backend = urlparse(environment.get("PULUMI_BACKEND_URL", ""))
    return list(Path(backend.path, ".pulumi", kind).rglob(pattern)) if backend.scheme == "file" else []


def is_pulumi(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/exe").readlink().name.startswith("pulumi")
    except OSError:
        return False


def pulumi(*arguments: str, environment: dict[str, str], stdin: str = "") -> str:
    with empty_project() as folder:
        command = ["pulumi", "--cwd", folder, "--non-interactive", *arguments]
        done = subprocess.run(command, env=environment, text=True, capture_output=True, input=stdin)
    if done.returncode:
        raise Stop(f"pulumi {arguments[0]} failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def exported(stack: str, environment: dict[str, str]) -> dict[str, Any]:
    printed: dict[str, Any] = json.loads(pulumi("stack", "export", "--stack", stack, environment=environment))
    return printed
