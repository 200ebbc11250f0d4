"""What holds for every resource of every stack: Pulumi's options, and in which order things are made.

The inventory shows neither: a wrong one is first seen when a machine is replaced, or when two are made at once.
"""

import copy
import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

import architectures
from tests.harness import Registered, comes_after, declare

STACKS = Path(__file__).parents[2] / "stacks"
# Stacks as committed, and with what is off until it is given.
DRP = {
    "drp": {
        "region": "SBG5",
        "sizes": {"front": 4, "nginx": 1, "php": 1, "memcached": 1, "sql": 2},
        "database_servers": {f"drp-db-{n}": f"ns9900000{n}.ip-198-18-99-{n}.eu" for n in (1, 2, 3)},
    }
}
MORE: dict[str, dict[str, Any]] = {"nextradiotv": DRP}
ROLE = re.compile(r"sudo /usr/local/sbin/casebook-apply apply (\S+)")
SECRETS = re.compile(r"sudo /usr/local/sbin/casebook-apply secrets (\S+)")


class Options(NamedTuple):
    """Of a resource that needs any. `delete_first`: for two cannot be there at once, None: if it is on an adopted
    machine, which must be cleaned up before it is configured anew."""

    delete_first: bool | None = False
    ignored: frozenset[str] = frozenset()
    replaced_on: frozenset[str] = frozenset()
    kept: bool = False


PLAIN = Options()
# What Pulumi's own SDKs say of every command.
SDKS = frozenset({"triggers[*]"})
OPTIONS = {
    # Names and addresses are taken while the old one lives; a newer image or key must not destroy a machine.
    "openstack:compute/instance:Instance": Options(True, frozenset({"imageId", "userData"})),
    # An edit must never wipe a server.
    "ovh:Dedicated/serverReinstallTask:ServerReinstallTask": Options(ignored=frozenset({"os", "customizations"})),
    "ovh:Vrack/dedicatedServerInterface:DedicatedServerInterface": Options(True),
    # An update cannot take stickiness away.
    "ovh:IpLoadBalancing/tcpFarm:TcpFarm": Options(replaced_on=frozenset({"stickiness"})),
    "ovh:IpLoadBalancing/httpFarm:HttpFarm": Options(replaced_on=frozenset({"stickiness"})),
    # A port is open once.
    "ovh:IpLoadBalancing/tcpFrontend:TcpFrontend": Options(True),
    "ovh:IpLoadBalancing/httpFrontend:HttpFrontend": Options(True),
    "ovh:Dedicated/nasHAPartitionAccess:NasHAPartitionAccess": Options(True),
    "ovh:CloudProject/storage:Storage": Options(ignored=frozenset({"ownerId"})),
    "command:remote:Command": Options(None),
}
# What something else moves once the stack is up, by the setting that says so.
MOVED = {
    "ovh:IpLoadBalancing/tcpFarmServer:TcpFarmServer": frozenset({"weight", "status"}),
    "ovh:IpLoadBalancing/httpFarmServer:HttpFarmServer": frozenset({"weight", "status"}),
    "ovh:Domain/zoneRecord:ZoneRecord": frozenset({"target"}),
}
LIFECYCLE = "loudProjectStorageObjectBucketLifecycleConfiguration"
# What stays when a stack is destroyed: copies, what makes them expire, and what opens them; data without a copy.
KEPT = {
    "ovh:CloudProject/storage:Storage": r".*-backups",
    f"ovh:index/c{LIFECYCLE}:C{LIFECYCLE}": r".*-backups-lifecycle",
    "random:index/randomPassword:RandomPassword": r".*-(repository|passphrase)",
    "openstack:objectstorage/container:Container": r"storage-(photos|backups)",
}
WATCHED = {"sextant_erp", "keyzee", "nextradiotv"}


@cache
def stack_of(name: str) -> list[Registered]:
    given = yaml.safe_load((STACKS / f"Pulumi.{name.replace('_', '-')}.yaml").read_text())["config"]
    settings = json.dumps({**given["casebook:settings"], **MORE.get(name, {})})
    config = {"casebook:architecture": given["casebook:architecture"], "casebook:settings": settings}
    return declare(architectures.build, preview=False, config=config)


@pytest.fixture(name="stack", scope="module", params=architectures.names())
def _stack(request: pytest.FixtureRequest, ssh_key_file: Path) -> Iterator[list[Registered]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CASEBOOK_SSH_KEY_FILE", str(ssh_key_file))
        patch.setenv("OVH_CLOUD_PROJECT_SERVICE", "0123456789ab4cdef0123456789abcde")
        yield stack_of(request.param)


class Role(NamedTuple):
    """A role on a machine: the command that applies it."""

    machine: str
    name: str
    command: Registered

    @property
    def bundle(self) -> str:
        return str(self.command.inputs.get("stdin", ""))

    def opens(self, port: str) -> bool:
        return f" dport {port} accept" in self.bundle


def roles_of(stack: list[Registered]) -> list[Role]:
    found = []
    for one in stack:
        if one.type == "command:remote:Command" and (role := ROLE.match(str(one.inputs.get("create")))):
            assert one.name.endswith(f"-{role[1]}"), f"{one.name}: a role's command is called MACHINE-ROLE"
            found.append(Role(one.name.removesuffix(f"-{role[1]}"), role[1], one))
    return found


def test_every_resource_has_the_options_of_its_type_and_no_others(stack: list[Registered]) -> None:
    wrong = []
    for one in stack:
        if one.type.startswith(("pulumi:", "casebook:")):
            continue
        wanted = OPTIONS.get(one.type, PLAIN)._replace(kept=bool(re.fullmatch(KEPT.get(one.type, ""), one.name)))
        if one.type == "command:remote:Command":
            adopted = "delete" in one.inputs or _secrets_of_adopted(stack, one)
            wanted = wanted._replace(delete_first=bool(adopted))
        found = Options(
            one.delete_before_replace,
            frozenset(one.ignore_changes),
            frozenset(one.replace_on_changes) - SDKS,
            one.protect or one.retain_on_delete,
        )
        if found.ignored and found.ignored == MOVED.get(one.type):
            found = found._replace(ignored=frozenset())
        if found != wanted:
            wrong.append(f"{one.type} {one.name}: {found}, not {wanted}")
    assert not wrong, "\n".join(wrong)


def _secrets_of_adopted(stack: list[Registered], one: Registered) -> bool:
    if not SECRETS.match(str(one.inputs.get("create"))):
        return False
    role = one.name.removesuffix("-secrets")
    return any(other.name == role and "delete" in other.inputs for other in stack)


@pytest.mark.parametrize("name", sorted(WATCHED))
def test_what_something_else_moves_is_left_to_it(
    name: str, ssh_key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASEBOOK_SSH_KEY_FILE", str(ssh_key_file))
    monkeypatch.setenv("OVH_CLOUD_PROJECT_SERVICE", "0123456789ab4cdef0123456789abcde")
    assert any(one.ignore_changes and frozenset(one.ignore_changes) == MOVED.get(one.type) for one in stack_of(name))


def test_a_machine_is_reached_patiently(stack: list[Registered]) -> None:
    """It may still boot: 20 tries of 15 s at most, through the bastion as well."""
    for one in stack:
        if one.type == "command:remote:Command":
            connection = one.inputs["connection"]
            for part in (connection, *([connection["proxy"]] if connection.get("proxy") else [])):
                assert (part["dialErrorLimit"], part["perDialTimeout"]) == (20, 15), one.name


def test_a_role_waits_for_what_it_stands_on(stack: list[Registered]) -> None:
    """The machine, the apply program, the base role, its own secrets: in this order."""
    by_name = {(one.type, one.name): one for one in stack}
    roles = roles_of(stack)
    assert roles
    for role in roles:
        program = by_name["command:remote:Command", f"{role.machine}-apply-program"]
        assert comes_after(stack, role.command, program), role.command.name
        if role.name != "base":
            base = by_name["command:remote:Command", f"{role.machine}-base"]
            assert comes_after(stack, role.command, base), f"{role.command.name}: before its machine's base role"
        if secrets := by_name.get(("command:remote:Command", f"{role.command.name}-secrets")):
            assert comes_after(stack, role.command, secrets), role.command.name
            assert "stdin" in secrets.secrets, f"{secrets.name}: its values are no secret of Pulumi's"
        for kind, name in (
            ("openstack:compute/instance:Instance", role.machine),
            ("ovh:Dedicated/serverReinstallTask:ServerReinstallTask", f"{role.machine}-install"),
            ("ovh:Vrack/dedicatedServerInterface:DedicatedServerInterface", f"{role.machine}-vrack"),
        ):
            if ground := by_name.get((kind, name)):
                assert comes_after(stack, program, ground), f"{program.name}: before {name}"


def addresses_of(stack: list[Registered]) -> dict[str, str]:
    """Address -> machine, of the stack's own output."""
    machines = next(one for one in stack if one.type == "pulumi:pulumi:Stack").outputs["machines"]
    return {where["private"]: name for name, where in machines.items() if where.get("private")}


def test_who_passes_requests_on_is_made_after_who_takes_them(stack: list[Registered]) -> None:
    """HAProxy's and nginx' servers: the role that opens the port comes first.

    Not an HAProxy behind nginx: it is the one in front, which requests pass twice.
    """
    machines, roles = addresses_of(stack), roles_of(stack)
    seen = 0
    for role in roles:
        if role.name not in ("haproxy", "nginx"):
            continue
        # What a HAProxy asks of its own tier is no request that it passes on.
        passed, _, _ = role.bundle.partition("backend members")
        for address, port in set(re.findall(r"^\|\s+server (?:\S+ )?(10\.[0-9.]+):(\d+)", passed, re.MULTILINE)):
            behind = [one for one in roles if one.machine == machines.get(address) and one.opens(port)]
            for one in behind:
                if one.name not in ("haproxy", role.name):
                    seen += 1
                    assert comes_after(stack, role.command, one.command), (
                        f"{role.command.name} before {one.command.name}"
                    )
    assert seen or not any(role.name in ("haproxy", "nginx") for role in roles)


def of_kind(stack: list[Registered], *words: str) -> Iterator[Registered]:
    return (one for one in stack if one.type.startswith("ovh:IpLoadBalancing/") and one.type.endswith(words))


def test_a_balancer_is_told_last_and_cleaned_first(stack: list[Registered]) -> None:
    machines, roles = addresses_of(stack), roles_of(stack)
    parts = list(of_kind(stack, "Farm", "FarmServer", "Frontend"))
    for refresh in of_kind(stack, ":Refresh"):
        [clean] = [
            one for one in stack if one.type == "command:local:Command" and one.name == f"{refresh.name}-cleanup"
        ]
        for part in parts:
            assert comes_after(stack, refresh, part), f"{part.name}: in force before it is declared"
            assert comes_after(stack, part, clean), f"{part.name}: a deletion of it is never refreshed"
        for server in of_kind(stack, "FarmServer"):
            address, port = server.inputs["address"], str(server.inputs["port"])
            for role in roles:
                if role.machine == machines.get(address) and role.opens(port):
                    assert comes_after(stack, server, role.command), f"{server.name} before {role.command.name}"


def test_the_rules_see_what_is_wrong(ssh_key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each rule fails on a stack with one thing changed."""
    monkeypatch.setenv("CASEBOOK_SSH_KEY_FILE", str(ssh_key_file))
    monkeypatch.setenv("OVH_CLOUD_PROJECT_SERVICE", "0123456789ab4cdef0123456789abcde")

    def broken(change: Callable[[Registered], None], kind: str, end: str) -> list[Registered]:
        stack = copy.deepcopy(stack_of("sofoot"))
        change(next(one for one in stack if one.type.endswith(kind) and one.name.endswith(end)))
        return stack

    def without_order(one: Registered) -> None:
        one.depends_on, one.parent = (), ""

    def forgets(one: Registered) -> None:
        one.delete_before_replace = False

    def hasty(one: Registered) -> None:
        one.inputs = {**one.inputs, "connection": {**one.inputs["connection"], "dialErrorLimit": 1}}

    options, patient = (
        test_every_resource_has_the_options_of_its_type_and_no_others,
        test_a_machine_is_reached_patiently,
    )
    ground, passing = test_a_role_waits_for_what_it_stands_on, test_who_passes_requests_on_is_made_after_who_takes_them
    for check, change, kind, end in (
        (options, forgets, "compute/instance:Instance", "web-4"),
        (options, forgets, ":Command", "web-1-web"),
        (patient, hasty, ":Command", "db-1-mysql"),
        (ground, without_order, ":Command", "web-4-apply-program"),
        (ground, without_order, ":Command", "db-1-mysql"),
        (passing, without_order, ":Command", "haproxy-1-haproxy"),
        (test_a_balancer_is_told_last_and_cleaned_first, without_order, ":TcpFarmServer", "front-80-haproxy-1"),
    ):
        with pytest.raises(AssertionError):
            check(broken(change, kind, end))
