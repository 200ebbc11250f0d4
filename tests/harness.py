"""Runs a Pulumi program against a monitor of our own: no engine, no provider, no network.

A program is run in one of two modes. With known identifiers every resource "exists" and functions passed to
`apply` run; in preview (`preview=True`) nothing that a resource gives birth to is known, as at a first
`pulumi preview`. What a program declares must be the same in both, which `declares_the_same` asserts.
"""

import asyncio
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pulumi
import yaml
from pulumi.runtime import mocks, rpc, settings, stack

ACCOUNT = yaml.safe_load((Path(__file__).parents[1] / "sandbox/account.yaml").read_text())
RENTED = {**ACCOUNT["dedicated_servers"], **ACCOUNT["vps"]}
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # what marks a secret on the wire
Values = dict[str, Any]
Answer = Callable[[Values], Values]


@dataclass
class Registered:
    """One declared resource. `inputs` are plain: secrets are unwrapped, what is not known yet is `UNKNOWN`."""

    type: str
    name: str
    urn: str
    parent: str
    inputs: Values
    secrets: frozenset[str]  # dotted paths of the inputs that are secret: "connection", "environment.PASSWORD"
    former_names: tuple[str, ...]  # aliases: an earlier release's
    former_types: tuple[str, ...]
    depends_on: tuple[str, ...]  # urns: what it was told to depend on, and what its inputs come from
    ignore_changes: tuple[str, ...]
    replace_on_changes: tuple[str, ...]
    delete_before_replace: bool
    protect: bool
    retain_on_delete: bool
    # What a component or the stack has registered; the stack's are the program's exports.
    outputs: Values = field(default_factory=dict)
    secret_outputs: frozenset[str] = frozenset()


class _Unknown:
    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = _Unknown()


def declare(
    program: Callable[[], object],
    *,
    preview: bool,
    config: Mapping[str, str] | None = None,
    answers: Mapping[str, Answer] | None = None,
    outputs: Mapping[str, Answer] | None = None,
    datacenters: Mapping[str, str] | None = None,
    asked: list[tuple[str, Values]] | None = None,
    registered: list[Registered] | None = None,
) -> list[Registered]:
    """What the program declares, in order of registration; the first is the stack, whose `outputs` are the exports.

    `config` is the stack's configuration ("project:key" to value). `answers` (function token to what it returns for
    its arguments; a LookupError is a provider's refusal) and `outputs` (resource type to what it adds to its inputs,
    which include "name") go before the defaults below. `datacenters` says where a dedicated server or VPS stands
    (service name to datacenter); those of the sandbox's account stand where it says. `asked` takes the functions that
    were called, with their arguments; `registered` what was declared, also by a program that fails.

    Any error raises, also one inside `apply`.
    """

    def run() -> None:
        program()

    monitor = _Monitor(_Cloud(preview, answers or {}, outputs or {}, datacenters or {}, asked), registered)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        settings.configure(
            mocks.MockSettings(  # type: ignore[no-untyped-call]
                monitor=monitor,
                engine=mocks.MockEngine(None),
                project="casebook",
                stack="test",
                dry_run=preview,
                organization=None,
                callbacks=None,
            )
        )
        # Nothing of an earlier program, least of all of one that has failed.
        settings.SETTINGS.outputs.clear()
        settings.set_root_resource(None)  # type: ignore[arg-type]
        pulumi.runtime.set_all_config(dict(config or {}))
        loop.run_until_complete(stack.run_in_stack(run))
    finally:
        pulumi.runtime.set_all_config({})
        for task in (left := asyncio.all_tasks(loop)):
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.close()
        asyncio.set_event_loop(None)
    return monitor.registered


def declares_the_same(program: Callable[[], object], **options: Any) -> list[Registered]:
    """Assert that preview shows every resource that exists later; what is declared with known identifiers."""
    known, shown = declare(program, preview=False, **options), declare(program, preview=True, **options)
    created, previewed = {r.urn for r in known}, {r.urn for r in shown}
    assert created == previewed, f"only after up: {created - previewed}; only in preview: {previewed - created}"
    assert len(created) == len(known), "two resources have the same URN"
    return known


def only(registered: list[Registered], type_: str, name: str) -> Registered:
    """The one resource of a type (its last part is enough: "Command") and name."""
    found = [r for r in registered if r.name == name and (r.type == type_ or r.type.rpartition(":")[2] == type_)]
    assert len(found) == 1, f"{len(found)} resources {type_} {name!r} among {[(r.type, r.name) for r in registered]}"
    return found[0]


def comes_after(registered: list[Registered], later: Registered, earlier: Registered) -> bool:
    """Whether one resource waits for another: by itself, through others, or because a component around it does."""
    by_urn = {resource.urn: resource for resource in registered}
    seen, waiting = set[str](), [later.urn]
    while waiting:
        if (urn := waiting.pop()) not in seen and urn in by_urn:
            seen.add(urn)
            waiting += [*by_urn[urn].depends_on, by_urn[urn].parent]
    return earlier.urn in seen - {later.urn}


class _ProviderError(grpc.RpcError):  # type: ignore[misc] # grpc has no types
    """An error as it comes from the engine."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNKNOWN

    def details(self) -> str:
        return str(self.args[0])


class _Monitor(mocks.MockMonitor):
    """Pulumi's mock monitor, which also keeps the options of a registration and the outputs of components."""

    def __init__(self, cloud: "_Cloud", registered: list[Registered] | None) -> None:
        super().__init__(cloud)
        self.registered = [] if registered is None else registered

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 (gRPC's name)
        secrets: set[str] = set()
        self.registered.append(
            Registered(
                type=request.type,
                name=request.name,
                urn=self.make_urn(request.parent, request.type, request.name),
                parent=request.parent,
                inputs=_plain(rpc.deserialize_properties(request.object, keep_unknowns=True), secrets),
                secrets=frozenset(secrets),
                former_names=tuple(alias.spec.name for alias in request.aliases if alias.spec.name),
                former_types=tuple(alias.spec.type for alias in request.aliases if alias.spec.type),
                depends_on=tuple(request.dependencies),
                ignore_changes=tuple(request.ignoreChanges),
                replace_on_changes=tuple(request.replaceOnChanges),
                delete_before_replace=request.deleteBeforeReplace,
                protect=request.protect,
                retain_on_delete=request.retainOnDelete,
            )
        )
        return super().RegisterResource(request)  # type: ignore[no-untyped-call]

    def Invoke(self, request: Any) -> Any:  # noqa: N802 (gRPC's name)
        try:
            return super().Invoke(request)  # type: ignore[no-untyped-call]
        except LookupError as error:
            raise _ProviderError(error) from None

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802 (gRPC's name)
        secrets: set[str] = set()
        values = _plain(rpc.deserialize_properties(request.outputs, keep_unknowns=True), secrets)
        for resource in self.registered:
            if resource.urn == request.urn:
                resource.outputs, resource.secret_outputs = values, frozenset(secrets)
        return super().RegisterResourceOutputs(request)  # type: ignore[no-untyped-call]


def _plain(value: Any, secrets: set[str], path: str = "") -> Any:
    if isinstance(value, dict) and value.get(rpc._special_sig_key) == SECRET:
        secrets.add(path)
        # Pulumi reads a secret that is not known yet as none.
        return UNKNOWN if value["value"] is None else _plain(value["value"], secrets, path)
    if isinstance(value, dict):
        return {key: _plain(item, secrets, f"{path}.{key}".lstrip(".")) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, secrets, f"{path}.{index}".lstrip(".")) for index, item in enumerate(value)]
    return UNKNOWN if isinstance(value, pulumi.output.Unknown) else value


def number(*words: str) -> int:
    """A number that is the same in every run, for addresses and identifiers."""
    return zlib.crc32("/".join(words).encode())


class _Cloud(mocks.Mocks):
    """Plausible answers of OVHcloud and OpenStack."""

    def __init__(
        self,
        preview: bool,
        answers: Mapping[str, Answer],
        outputs: Mapping[str, Answer],
        datacenters: Mapping[str, str],
        asked: list[tuple[str, Values]] | None,
    ) -> None:
        self.preview, self.asked = preview, asked
        self.datacenters = {name: machine["datacenter"] for name, machine in RENTED.items()} | dict(datacenters)
        self.answers = {
            "ovh:index/getServer:getServer": self.server,
            "ovh:Vps/getVps:getVps": self.vps,
            "ovh:IpLoadBalancing/getIpLoadBalancing:getIpLoadBalancing": self.balancer,
            "ovh:index/getIploadbalancingNatIps:getIploadbalancingNatIps": self.nat_ips,
            "ovh:Domain/getZone:getZone": self.zone,
            "ovh:Dedicated/getNasHA:getNasHA": self.nas,
            "ovh:CloudProject/getRegions:getRegions": self.regions,
            "openstack:images/getImage:getImage": self.named,
            "openstack:networking/getNetwork:getNetwork": self.named,
            **answers,
        }
        self.outputs = {**OUTPUTS, **outputs}

    def call(self, args: mocks.MockCallArgs) -> Any:
        if self.asked is not None:
            self.asked.append((args.token, dict(args.args)))
        if args.token not in self.answers:
            raise AssertionError(f"no answer for {args.token}{args.args}: give one, declare(..., answers={{...}})")
        return self.answers[args.token](args.args)

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, Values]:
        inputs = dict(args.inputs)
        if self.preview or not args.custom:
            return None, inputs
        given = self.outputs[args.typ]({"name": args.name, **inputs}) if args.typ in self.outputs else {}
        identifier = str(number(args.typ, args.name)) if args.typ.startswith("ovh:") else f"{args.name}-id"
        return identifier, {**inputs, **given}

    def server(self, args: Values) -> Values:
        name = args["serviceName"]
        macs = [f"0c:42:a1:{number(name, mode) % 2**24:06x}" for mode in ("public", "vrack")]
        vnis = [
            {
                "enabled": True,
                "mode": mode,
                "name": mode,
                "nics": [":".join([mac[:8], mac[9:11], mac[11:13], mac[13:15]])],
                "serverName": name,
                "uuid": _uuid(name, mode),
                "vrack": "",
            }
            for mode, mac in zip(("public", "vrack"), macs, strict=True)
        ]
        return {
            "id": name,
            "serviceName": name,
            "name": name,
            "displayName": name,
            "ip": _public_address(name),
            "ips": [f"{_public_address(name)}/32"],
            "datacenter": self.datacenters.get(name, "rbx8"),
            "os": "debian13_64",
            "state": "ok",
            "vnis": vnis,
        }

    def vps(self, args: Values) -> Values:
        name = args["serviceName"]
        datacenter = self.datacenters.get(name, "gra")
        return {
            "id": name,
            "serviceName": name,
            "name": name,
            "ips": [_public_address(name), "2001:db8::1"],
            "datacenter": {"name": datacenter, "longName": datacenter.upper()},
            "state": "running",
        }

    def balancer(self, args: Values) -> Values:
        name = args["serviceName"]
        return {
            "id": name,
            "serviceName": name,
            "ipv4": _public_address(name),
            "zones": ["gra", "rbx"],
            "state": "ok",
            "vrackEligibility": True,
            "vrackName": "",
        }

    def nat_ips(self, args: Values) -> Values:
        name = args["serviceName"]
        nat = [{"zone": zone, "ips": [f"{_public_address(name)}/32"]} for zone in ("gra", "rbx")]
        return {"id": name, "serviceName": name, "natIps": nat}

    def nas(self, args: Values) -> Values:
        name = args["serviceName"]
        return {"id": name, "serviceName": name, "ip": _public_address(name), "canCreatePartition": True}

    def regions(self, args: Values) -> Values:
        names = ["BHS5", "GRA11", "RBX-A", "SBG5"]
        return {"id": args["serviceName"], "serviceName": args["serviceName"], "names": names}

    def zone(self, args: Values) -> Values:
        return {"id": args["name"], "name": args["name"], "nameServers": ["dns1.example.net", "ns1.example.net"]}

    def named(self, args: Values) -> Values:
        return {"id": _uuid(args["name"], args.get("region", "")), "name": args["name"], "region": args.get("region")}


def _uuid(*words: str) -> str:
    return f"{number(*words):08x}-0000-4000-8000-{number(*words, 'node'):012x}"


def _public_address(name: str) -> str:
    """An address of 198.18.16.0/20 (RFC 2544: for tests)."""
    low = number(name) % 4094 + 1
    return f"198.18.{16 + low // 256}.{low % 256}"


def _port(inputs: Values) -> Values:
    """The addresses that it asks for; else a public one of each family, in an order that its name decides."""
    name, fixed = inputs["name"], [ip["ipAddress"] for ip in inputs.get("fixedIps") or [] if "ipAddress" in ip]
    public = [f"2001:2::{number(name) % 65536:x}", _public_address(name)]
    return {"allFixedIps": fixed or public[:: 1 if number(name) % 2 else -1], "macAddress": "fa:16:3e:00:00:01"}


def _network_private(inputs: Values) -> Values:
    return {"regionsOpenstackIds": {region: _uuid(inputs["name"], region) for region in inputs["regions"]}}


def _secret(text: str) -> Values:
    return {rpc._special_sig_key: SECRET, "value": text}


# What a resource of a type adds to its inputs once it exists.
OUTPUTS: Mapping[str, Answer] = {
    "command:local:Command": lambda _: {"stdout": "1\n", "stderr": ""},
    "command:remote:Command": lambda _: {"stdout": "1\n", "stderr": ""},
    "openstack:networking/floatingIp:FloatingIp": lambda inputs: {"address": _public_address(inputs["name"])},
    "openstack:networking/port:Port": _port,
    "ovh:CloudProject/networkPrivate:NetworkPrivate": _network_private,
    "ovh:CloudProject/s3Credential:S3Credential": lambda inputs: {
        "accessKeyId": f"{number(inputs['name']):032x}",
        "secretAccessKey": _secret(f"{number(inputs['name'], 'secret'):032x}"),
    },
    "ovh:CloudProject/storage:Storage": lambda inputs: {
        "virtualHost": f"https://{inputs['name']}.s3.{inputs['regionName'].lower()}.io.cloud.ovh.net/"
    },
    "ovh:CloudProject/user:User": lambda inputs: {
        "username": f"user-{inputs['name']}",
        "password": _secret(f"password-of-{inputs['name']}"),
    },
    "random:index/randomPassword:RandomPassword": lambda inputs: {
        "result": _secret(f"drawn-{inputs['name']}"),
        "bcryptHash": _secret("$2a$10$" + "x" * 53),
    },
    "random:index/randomId:RandomId": lambda inputs: {"hex": f"{number(inputs['name']):08x}"},
    "random:index/randomString:RandomString": lambda inputs: {"result": f"{number(inputs['name']):08x}"},
    "tls:index/privateKey:PrivateKey": lambda inputs: {
        "privateKeyPem": _secret(f"private-key-of-{inputs['name']}"),
        "privateKeyOpenssh": _secret(f"private-key-of-{inputs['name']}"),
        "publicKeyPem": f"public-key-of-{inputs['name']}",
        "publicKeyOpenssh": f"ssh-ed25519 {inputs['name']}",
    },
    "tls:index/certRequest:CertRequest": lambda inputs: {"certRequestPem": f"request-of-{inputs['name']}"},
    "tls:index/selfSignedCert:SelfSignedCert": lambda inputs: {"certPem": f"certificate-of-{inputs['name']}"},
    "tls:index/locallySignedCert:LocallySignedCert": lambda inputs: {"certPem": f"certificate-of-{inputs['name']}"},
}
