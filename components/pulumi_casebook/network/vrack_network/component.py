"""A private network in a vRack, for dedicated servers, instances and load balancers alike."""

import ipaddress
from collections.abc import Iterator, Mapping

import pulumi
import pulumi_ovh as ovh
from pydantic import model_validator

from pulumi_casebook.core.args import InputError, Label, PrivateCidr, Project, ProviderName, Unique, Vlan, VrackName
from pulumi_casebook.core.component import Claim, Component, ComponentArgs, takes
from pulumi_casebook.core.lookup import LookUp


class VrackNetworkArgs(ComponentArgs):
    # The vRack is adopted: OVHcloud gives it out by order.
    vrack: VrackName
    # The VLAN's number; 0 is the untagged network of the vRack.
    vlan: Vlan
    # The private network that the addresses are planned in.
    cidr: PrivateCidr
    # The Public Cloud project whose instances join; None: no instances.
    project: Project | None = None
    # The compute regions where they run.
    regions: Unique[ProviderName] = ()
    # A project is in one vRack at most; False where another stack, or a person, has put it there already.
    attach_project: bool = True
    # What OVHcloud shows as its name; None: the component's.
    label: Label | None = None

    def claims(self, name: str) -> Iterator[Claim]:  # noqa: ARG002
        yield Claim("VLAN", (self.vrack, self.vlan), f"vrack={self.vrack}, vlan={self.vlan}")

    @model_validator(mode="after")
    def _instances(self) -> "VrackNetworkArgs":
        if bool(self.project) != bool(self.regions):
            raise ValueError("project and regions go together: instances need both, other machines neither")
        return self


def regions_of(project: str) -> LookUp[ovh.cloudproject.GetRegionsResult]:
    """The compute regions of a Public Cloud project."""
    return LookUp(
        "Public Cloud project",
        project,
        "ovh:CloudProject/getRegions:getRegions",
        {"serviceName": project},
        ovh.cloudproject.GetRegionsResult,
        hint="check project (OVH_CLOUD_PROJECT_SERVICE), and that the credentials are of the account that has it",
    )


class VrackNetwork(Component[VrackNetworkArgs]):
    """One VLAN of a vRack with its addresses.

    Declares `Vrack.CloudProject`, `CloudProject.NetworkPrivate` and a `NetworkPrivateSubnet` per region (no DHCP,
    no gateway: addresses are planned). Machines and load balancers that take this network attach themselves.

    Outputs: `network_ids` (region to the OpenStack network's id). Sources: SOF-1, ERP-4, NRT-5;
    docs.ovhcloud.com "vRack"; traps: research of the provider (private network races, one region list).
    """

    @takes(VrackNetworkArgs)
    def __init__(self, args: VrackNetworkArgs) -> None:
        self.vrack, self.vlan, self.cidr = args.vrack, args.vlan, args.cidr
        self.prefix = ipaddress.IPv4Network(args.cidr).prefixlen
        self.network_ids: pulumi.Output[Mapping[str, str]] = pulumi.Output.from_input({})
        self.regions = args.regions
        self.attached: list[pulumi.Resource] = []
        if args.project:
            self._join_project(args, args.project)

    def claim(self, field: str, address: str) -> Claim:
        """An address of it that is a machine's, or moves between machines, as one component's own."""
        return Claim("address", (self.vrack, self.vlan, address), f"{field}={address}")

    def _join_project(self, args: VrackNetworkArgs, project: str) -> None:
        hosts = ipaddress.IPv4Network(args.cidr)
        self._check_regions(args, project)
        if args.attach_project:
            self.attached.append(
                ovh.vrack.CloudProject(
                    f"{self.name}-project", service_name=args.vrack, project_id=project, opts=self.child()
                )
            )
        network = ovh.cloudproject.NetworkPrivate(
            self.name,
            service_name=project,
            # Given in full, for the provider would add a random suffix.
            name=args.label or self.name,
            vlan_id=args.vlan,
            regions=list(args.regions),
            opts=self.child(depends_on=self.attached),
        )
        for region in args.regions:
            self.attached.append(
                ovh.cloudproject.NetworkPrivateSubnet(
                    f"{self.name}-{region}",
                    service_name=project,
                    network_id=network.id,
                    region=region,
                    network=args.cidr,
                    start=str(hosts[1]),
                    end=str(hosts[-2]),
                    dhcp=False,
                    no_gateway=True,
                    opts=self.child(),
                )
            )
        self.network_ids = network.regions_openstack_ids

    def _check_regions(self, args: VrackNetworkArgs, project: str) -> None:
        """A region that the project has not would be found out half-way through the `up`."""
        known = regions_of(project).result(self).names
        for region in args.regions:
            if region not in known:
                raise InputError(
                    f"VrackNetwork {self.name!r}: regions={region}: the project has no such region; it has "
                    f"{', '.join(sorted(known))}"
                )
