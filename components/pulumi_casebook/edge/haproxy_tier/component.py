"""HAProxy on each of a tier's machines, all with the same configuration."""

import pulumi

from pulumi_casebook.core.args import WORLD
from pulumi_casebook.core.clients import cidrs_of
from pulumi_casebook.core.component import Component, takes
from pulumi_casebook.core.templates import render
from pulumi_casebook.edge.haproxy_tier.args import PEERS_PORT, HaproxyTierArgs, router_id
from pulumi_casebook.machines.configuration import Allow, Configuration, Directory, File, Ready, Unit
from pulumi_casebook.machines.site import Exporter, HealthCheck, Monitored, Service, alerts, servers_of
from pulumi_casebook.network.certificate import Certificate

CONFIGURATION = "/etc/haproxy/haproxy.cfg"
CERTIFICATES = "/etc/haproxy/certificates"
VIRTUAL = "/etc/keepalived/keepalived.conf"
DEVICE = "/usr/local/sbin/keepalived-device"
DEVICE_UNIT = "/etc/systemd/system/keepalived.service.d/casebook.conf"


class HaproxyTier(Component[HaproxyTierArgs]):
    """HAProxy 3.0 (Debian 13) on machines that share the work: losing one loses its connections, nothing else.

    Declares the role `haproxy` on each machine, one machine after the other. A change is a reload: open connections
    end on the old process, new ones come to the new one, none is refused. With `virtual_addresses`, keepalived 2.3
    (VRRP) moves addresses from a member that is lost, has no HAProxy or sees no server to one that is well.

    Attributes, known at preview: `service`, the members for what stands in front, with the page by which a balancer in
    `probed_by` finds out that one hangs; `services`, the same by frontend, the first of which it is;
    `virtual_addresses`, the addresses that move, by name; `monitored`. Sources:
    SOF-1, SOF-10, NRT-3, NRT-6; docs.haproxy.org 2.6; keepalived.conf(5); RFC 3768; Mozilla's server side TLS.
    """

    @takes(HaproxyTierArgs)
    def __init__(self, args: HaproxyTierArgs) -> None:
        self.virtual_addresses = args.virtual_addresses
        self.services = {name: self._service(args, name) for name in args.frontends}
        self.service = next(iter(self.services.values()))
        self.monitored = Monitored(
            f"haproxy-{self.name}",
            args.machines,
            alerts(__file__, args.machines, args=args),
            exporters=(Exporter("haproxy", args.metrics_port),),
        )
        before: list[pulumi.Resource] = []
        for machine in args.machines:
            configured = machine.configure(
                configuration(args, machine.name),
                role="haproxy",
                secrets=secrets(args),
                opts=self.child(depends_on=before),
            )
            before = [configured.applied]

    def _service(self, args: HaproxyTierArgs, name: str) -> Service:
        """The members on one frontend's port."""
        frontend = args.frontends[name]
        backends = args.reached_from(frontend)
        return Service(
            self,
            self.name,
            servers_of(args.machines),
            frontend.port,
            HealthCheck(
                path="/usable",
                port=args.metrics_port,
                proves="HAProxy answers, and has servers for all that frontends lead to, or no other member has",
            ),
            (*(frontend.allowed_cidrs or args.allowed_cidrs), *cidrs_of(args.probed_by)),
            args.backends[frontend.backend].mode,
            machines=args.machines,
            limits=args.limits_of(frontend),
            passes_to=tuple((one.to, args.passed_on(one)) for one in backends if one.to),
        )


def configuration(args: HaproxyTierArgs, member: str) -> Configuration:
    """What one member must hold."""
    others = tuple(f"{machine.address}/32" for machine in args.machines if machine.name != member)
    shared = any(backend.shared for backend in args.backends.values())
    peers = [(machine.name, machine.address) for machine in args.machines] if shared and others else []
    values = {"args": args, "member": member, "peers": peers, "peers_port": PEERS_PORT}
    values |= {"ms": _milliseconds, "world": WORLD}
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
    open_to = {one.port: one.allowed_cidrs or args.allowed_cidrs for one in args.frontends.values()}
    allow = [Allow(port=port, sources=sources) for port, sources in sorted(open_to.items())]
    allow.append(Allow(port=args.metrics_port, sources=(*cidrs_of(args.probed_by), *others)))
    allow.extend([Allow(port=PEERS_PORT, sources=others)] if peers else [])
    allow.extend([Allow(protocol="vrrp", sources=others)] if args.virtual_addresses else [])
    moving = virtual_files(args, member) if args.virtual_addresses else ()
    return Configuration(
        role="haproxy",
        packages=("haproxy", *(("curl", "keepalived") if moving else ())),
        directories=(Directory(path=CERTIFICATES, mode="0700"),),
        files=(*files, *moving),
        units=(
            Unit(
                unit="haproxy.service",
                reload_on=tuple(file.path for file in files),
                check=f"haproxy -c -q -f {CONFIGURATION}",
            ),
            *([_keepalived(moving)] if moving else []),
        ),
        allow=tuple(allow),
        ready=Ready(command=_listening([*sorted(open_to), args.metrics_port])),
    )


def virtual_files(args: HaproxyTierArgs, member: str) -> tuple[File, ...]:
    """keepalived's configuration on one member, and how it learns the name of the private interface."""
    names = [machine.name for machine in args.machines]
    addresses = [str(machine.address) for machine in args.machines]
    own = names.index(member)
    values = {
        "own": addresses[own],
        "others": [address for address in addresses if address != addresses[own]],
        "metrics_port": args.metrics_port,
        "preempt_delay_seconds": args.preempt_delay_seconds,
        "device": DEVICE,
        "virtual": [
            {
                "name": name,
                "address": address,
                "router_id": router_id(address),
                # The member that the address prefers has 250, the one after it less, and so on around the tier.
                "priority": 250 - 240 * ((own - number) % len(names)) // len(names),
            }
            for number, (name, address) in enumerate(args.virtual_addresses.items())
        ],
    }
    return (
        File(path=VIRTUAL, content=render(__file__, "keepalived.conf.j2", **values)),
        File(path=DEVICE, content=render(__file__, "keepalived-device.j2", **values), mode="0755"),
        File(path=DEVICE_UNIT, content=render(__file__, "keepalived.service.j2", **values)),
    )


def _keepalived(files: tuple[File, ...]) -> Unit:
    """A reload moves no address. The validator needs the interface as the daemon does."""
    return Unit(
        unit="keepalived.service",
        reload_on=tuple(file.path for file in files),
        check=f"{DEVICE} && keepalived --config-test --use-file {VIRTUAL}",
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
