"""OVHcloud's IP Load Balancing: adopted, joined to the vRack, and what is declared of it put in force."""

from typing import Any

import pulumi
import pulumi_command as command
import pulumi_ovh as ovh
from pulumi_ovh import iploadbalancing as iplb

from pulumi_casebook.core.args import WORLD, InputError
from pulumi_casebook.core.component import Component, takes
from pulumi_casebook.core.local_programs import own_program
from pulumi_casebook.core.lookup import LookUp
from pulumi_casebook.edge.load_balancer_ip.args import FarmServer, Listener, LoadBalancerIpArgs
from pulumi_casebook.machines.site import HealthCheck, Limits, Service
from pulumi_casebook.network.certificate import Certificate


class LoadBalancerIp(Component[LoadBalancerIpArgs]):
    """An IP Load Balancing of the account, open on the listeners' ports and on no other.

    Declares `Vrack.IpLoadbalancing` and `IpLoadBalancing.VrackNetwork` (with a network); per listener a farm, a
    frontend, and a farm server for each server; one `IpLoadBalancing.Refresh`, which puts them in force; and one
    local `Command`, whose deletion does the same for whatever was deleted. A certificate is a `Command` of its own.

    Attributes, known at preview: `ipv4`, `url` (of the first listener), `service_name`, `externally_managed`;
    `open_to`, its open ports by network, for an `exposure`; `services`, its open listeners.
    Sources: SOF-1, SOF-2, GIR-2; api.ovh.com /ipLoadbalancing; provider issues #58 to #60 (refresh), #584, #1232.
    """

    @takes(LoadBalancerIpArgs)
    def __init__(self, args: LoadBalancerIpArgs) -> None:
        self.ipv4 = self._find(args)
        self.service_name, self.externally_managed = args.service_name, args.externally_managed
        self.open_to: dict[str, list[int]] = {}
        for listener in args.listeners:
            for source in listener.allowed_cidrs or [WORLD] if listener.open else []:
                self.open_to.setdefault(source, []).append(listener.port)
        first = args.listeners[0]
        scheme = "https" if first.port == 443 or first.ends_tls else "http"
        self.url = f"{scheme}://{self.ipv4}" + ("" if first.port in (80, 443) else f":{first.port}")
        # What the refresh compares: an id alone would not change when its resource is updated.
        self._keepers: list[pulumi.Output[str]] = []
        attached: list[pulumi.Resource] = []
        if args.network and args.attach_vrack:
            attached.append(
                ovh.vrack.IpLoadbalancing(
                    self.name,
                    service_name=args.network.vrack,
                    loadbalancing_id=args.service_name,
                    opts=self.child(),
                )
            )
        self.services = [self._service(args, listener) for listener in args.listeners if listener.open]
        clean = self._cleanup(args, attached)
        network_id: pulumi.Output[int] | None = None
        if args.network and args.nat_cidr:
            network = iplb.VrackNetwork(
                self.name,
                service_name=args.service_name,
                subnet=args.network.cidr,
                vlan=args.network.vlan,
                nat_ip=args.nat_cidr,
                display_name=self.name,
                opts=self.child(depends_on=[clean]),
            )
            self._keep("network", network, f"{args.network.cidr} vlan={args.network.vlan} nat={args.nat_cidr}")
            network_id = network.vrack_network_id
        for listener in args.listeners:
            self._listen(args, listener, network_id, clean)
        iplb.Refresh(self.name, service_name=args.service_name, keepers=self._keepers, opts=self.child())

    def _service(self, args: LoadBalancerIpArgs, listener: Listener) -> Service:
        """What the world sees on a port. OVHcloud publishes none of the balancer's own limits."""
        behind = [one for one in (args.to, *(server.to for server in args.planned.values())) if one]
        passes_to = tuple((one, Limits()) for one in behind)
        cidrs = tuple(listener.allowed_cidrs) or (WORLD,)
        servers = {"balancer": self.ipv4}
        return Service(
            self,
            self.name,
            servers,
            listener.port,
            HealthCheck(path=None),
            cidrs,
            listener.protocol,
            passes_to=passes_to,
        )

    def _find(self, args: LoadBalancerIpArgs) -> str:
        """The balancer's address, once the account has shown that it can do what is asked of it."""
        found = rented_balancer(args.service_name).result(self)
        if args.zone not in ("all", *found.zones):
            raise InputError(
                f"LoadBalancerIp {self.name!r}: zone={args.zone}: {args.service_name} is in "
                f"{', '.join(found.zones)}; use one of them, or all"
            )
        if args.network and found.vrack_name and found.vrack_name != args.network.vrack:
            raise InputError(
                f"LoadBalancerIp {self.name!r}: {args.service_name} is in the vRack {found.vrack_name}, the network "
                f"in {args.network.vrack}; a balancer is in one vRack: take it out of the other first"
            )
        return found.ipv4

    def _listen(
        self,
        args: LoadBalancerIpArgs,
        listener: Listener,
        network_id: pulumi.Output[int] | None,
        clean: pulumi.Resource,
    ) -> None:
        """A farm, its servers and its frontend, all named after the listener's port."""
        farm_of, _, frontend_of = KINDS[listener.protocol]
        name = f"{self.name}-{listener.port}"
        probe = args.probe_of(listener)
        farm = farm_of(
            name,
            service_name=args.service_name,
            zone=args.zone,
            display_name=name,
            port=listener.target,
            balance=listener.balance,
            stickiness=listener.stickiness,
            probe={
                "type": probe.type,
                "port": probe.port or listener.target,
                "interval": probe.interval,
                "url": probe.url,
            },
            vrack_network_id=network_id,
            # An update cannot take stickiness away (terraform-provider-ovh#584).
            opts=self.child(depends_on=[clean], replace_on_changes=["stickiness"]),
        )
        found = listener.model_copy(update={"probe": probe})
        self._keep(f"farm {name}", farm, found.model_dump_json(exclude_none=True, exclude={"certificate"}))
        for server_name, server in args.planned.items():
            self._serve(args, listener, farm, f"{name}-{server_name}", server, clean)
        if not listener.open:
            return
        certificate_id: pulumi.Input[int] | None = listener.certificate_id
        if listener.certificate:
            certificate_id = self._upload(args, listener.certificate, name, clean)
        frontend = frontend_of(
            name,
            service_name=args.service_name,
            zone=args.zone,
            display_name=name,
            port=str(listener.port),
            default_farm_id=farm.id.apply(int),
            allowed_sources=list(listener.allowed_cidrs),
            ssl=listener.ends_tls,
            default_ssl_id=certificate_id,
            # A port is open once: the old frontend must go before the new one comes.
            opts=self.child(depends_on=[clean], delete_before_replace=True),
        )
        self._keep(f"frontend {name}", frontend)

    def _upload(
        self, args: LoadBalancerIpArgs, certificate: Certificate, name: str, clean: pulumi.Resource
    ) -> pulumi.Output[int]:
        """The certificate's id on the balancer. Not `IpLoadBalancing.Ssl`: its create loses the resource (#306)."""
        program = own_program("casebook-load-balancer")
        pair = {"certificate": certificate.certificate_pem, "key": certificate.private_key_pem}
        uploaded = command.local.Command(
            f"{name}-certificate",
            create=f"{program} certificate {args.service_name} {name}",
            delete=f"{program} discard {args.service_name} $PULUMI_COMMAND_STDOUT",
            stdin=pulumi.Output.json_dumps(pair),
            triggers=[args.service_name, certificate.certificate_pem],
            opts=self.child(depends_on=[clean]),
        )
        number = pulumi.Output.unsecret(uploaded.stdout).apply(int)
        self._keepers.append(pulumi.Output.concat("certificate ", number.apply(str)))
        return number

    def _serve(
        self,
        args: LoadBalancerIpArgs,
        listener: Listener,
        farm: pulumi.CustomResource,
        name: str,
        server: FarmServer,
        clean: pulumi.Resource,
    ) -> None:
        _, server_of, _ = KINDS[listener.protocol]
        made = server_of(
            name,
            service_name=args.service_name,
            farm_id=farm.id.apply(int),
            display_name=name,
            address=server.address,
            port=listener.target,
            weight=server.weight,
            status="active" if server.active else "inactive",
            backup=server.backup,
            probe=True,
            proxy_protocol_version=listener.proxy_protocol,
            opts=self.child(
                depends_on=[clean], ignore_changes=["weight", "status"] if args.externally_managed else None
            ),
        )
        settings = server.model_dump_json(exclude={"to", "address"})
        self._keep(f"server {name}", made, pulumi.Output.concat(server.address, f" {settings}"))

    def _keep(self, what: str, resource: pulumi.CustomResource, values: pulumi.Input[str] = "") -> None:
        self._keepers.append(pulumi.Output.concat(f"{what} ", resource.id, " ", values))

    def _cleanup(self, args: LoadBalancerIpArgs, attached: list[pulumi.Resource]) -> command.local.Command:
        """Refreshes after deletions, which the provider's Refresh cannot do: it runs before them.

        Everything on the balancer depends on this command, so it is deleted after them, and `delete` refreshes.
        It depends on what the servers need, so a server is taken away only when the balancer sends it nothing any more.
        It is replaced, that is made anew and its old self deleted at the end of the `up`, whenever something below
        it is deleted or replaced: all that can cause either is in `triggers`.
        """
        program = own_program("casebook-load-balancer")
        return command.local.Command(
            f"{self.name}-cleanup",
            create=f"{program} check {args.service_name}",
            delete=f"{program} refresh {args.service_name}",
            triggers=[
                args.service_name,
                f"{args.zone} {args.network.cidr if args.network else 'public'}",
                *(f"{one.protocol} {one.port} {one.stickiness or 'not sticky'}" for one in args.listeners),
                *(one.certificate.certificate_pem for one in args.listeners if one.certificate),
                *(pulumi.Output.concat(f"{name} ", server.address) for name, server in args.planned.items()),
            ],
            opts=self.child(depends_on=[*attached, *self.after]),
        )


def rented_balancer(service_name: str) -> LookUp[iplb.GetIpLoadBalancingResult]:
    """The account's IP Load Balancing of this name."""
    return LookUp(
        "IP Load Balancing",
        service_name,
        "ovh:IpLoadBalancing/getIpLoadBalancing:getIpLoadBalancing",
        {"serviceName": service_name},
        iplb.GetIpLoadBalancingResult,
    )


def balancer_cidrs(service_name: str, parent: pulumi.Resource | None = None) -> list[str]:
    """From where a balancer connects to servers that it reaches by public address: what these must let in."""
    found = LookUp(
        "addresses of the IP Load Balancing",
        service_name,
        "ovh:index/getIploadbalancingNatIps:getIploadbalancingNatIps",
        {"serviceName": service_name},
        ovh.GetIploadbalancingNatIpsResult,
    ).result(parent)
    return sorted({cidr for zone in found.nat_ips for cidr in zone.ips})


# The provider's two families have the same arguments.
KINDS: dict[str, tuple[Any, Any, Any]] = {
    "tcp": (iplb.TcpFarm, iplb.TcpFarmServer, iplb.TcpFrontend),
    "http": (iplb.HttpFarm, iplb.HttpFarmServer, iplb.HttpFrontend),
}
