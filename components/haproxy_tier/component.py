"""HAProxy on each of a tier's machines, all with the same configuration."""

import pulumi

from casebook.certificate import Certificate
from casebook.component import Component
from casebook.configuration import Allow, Configuration, Directory, File, Ready, Service
from casebook.haproxy_tier.args import PEERS_PORT, HaproxyTierArgs
from casebook.templates import render

CONFIGURATION = "/etc/haproxy/haproxy.cfg"
CERTIFICATES = "/etc/haproxy/certificates"


class HaproxyTier(Component[HaproxyTierArgs]):
    """HAProxy 2.6 (Debian 12) on machines that share the work: losing one loses its connections, nothing else.

    Declares the role `haproxy` on each machine, one machine after the other. A change is a reload: open connections
    end on the old process, new ones come to the new one, none is refused.

    Attributes, known at preview: `servers`, the members' addresses by name, for what stands in front; `addresses`, the
    same as /32, for the firewalls of what stands behind.
    Sources: SOF-1, SOF-10; docs.haproxy.org 2.6; Mozilla's server side TLS.
    """

    Arguments = HaproxyTierArgs

    def declare(self, args: HaproxyTierArgs) -> None:
        self.servers = {machine.name: str(machine.address) for machine in args.machines}
        self.addresses = [f"{address}/32" for address in self.servers.values()]
        before: list[pulumi.Resource] = []
        for machine in args.machines:
            configured = machine.configure(
                configuration(args, machine.name),
                role="haproxy",
                secrets=secrets(args),
                opts=self.child(depends_on=before),
            )
            before = [configured.applied]


def configuration(args: HaproxyTierArgs, member: str) -> Configuration:
    """What one member must hold."""
    others = tuple(f"{machine.address}/32" for machine in args.machines if machine.name != member)
    shared = any(backend.shared for backend in args.backends.values())
    peers = [(machine.name, machine.address) for machine in args.machines] if shared and others else []
    values = {"args": args, "member": member, "peers": peers, "peers_port": PEERS_PORT, "ms": _milliseconds}
    files = (
        File(path=CONFIGURATION, content=render(__file__, "haproxy.cfg.j2", **values)),
        *(
            File(
                path=f"{CERTIFICATES}/{name}.pem",
                content=f"@secret({name}/certificate)@\n@secret({name}/key)@\n",
                mode="0600",
            )
            for name in sorted(_certificates(args))
        ),
    )
    ports = sorted(frontend.port for frontend in args.frontends.values())
    allow = [Allow(port=port, sources=args.allowed_cidrs) for port in ports]
    allow.append(Allow(port=args.metrics_port, sources=args.metrics_cidrs))
    allow.extend([Allow(port=PEERS_PORT, sources=others)] if peers else [])
    return Configuration(
        role="haproxy",
        packages=("haproxy",),
        directories=(Directory(path=CERTIFICATES, mode="0700"),),
        files=files,
        services=(
            Service(
                unit="haproxy.service",
                follows=tuple(file.path for file in files),
                change="reload",
                check=f"haproxy -c -q -f {CONFIGURATION}",
            ),
        ),
        allow=tuple(allow),
        ready=Ready(command=_listening([*ports, args.metrics_port])),
    )


def secrets(args: HaproxyTierArgs) -> dict[str, pulumi.Input[str]]:
    """Certificates go with their keys: neither is known before it is made, while the configuration is."""
    values: dict[str, pulumi.Input[str]] = {}
    for name, certificate in _certificates(args).items():
        values[f"{name}/certificate"] = certificate.certificate_pem
        values[f"{name}/key"] = certificate.private_key_pem
    return values


def _certificates(args: HaproxyTierArgs) -> dict[str, Certificate]:
    return {name: frontend.certificate for name, frontend in args.frontends.items() if frontend.certificate}


def _milliseconds(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"


def _listening(ports: list[int]) -> str:
    """All frontends are open. That a server behind them is up is not asked: it may come after this tier."""
    filters = " or ".join(f"sport = :{port}" for port in ports)
    return f"test $(ss -Hltnp '( {filters} )' | grep -c '\"haproxy\"') -ge {len(ports)}"
