"""What architectures have in common: settings that most systems share, typed outputs, and the component itself."""

import contextlib
import ipaddress
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, NamedTuple, Self, TypeVar, cast

import pulumi
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from pulumi_casebook import AddressPlan, GaleraCluster, InputError, Machine, MysqlPair, VrackNetwork
from pulumi_casebook.core.args import (
    Args,
    BalancerName,
    NasName,
    PrivateCidr,
    Project,
    ProviderName,
    ServerName,
    Sources,
    System,
    Vlan,
    VpsName,
    VrackName,
    inner_models,
)
from pulumi_casebook.core.component import Claim, Component, ComponentArgs
from pulumi_casebook.core.lookup import LookUp
from pulumi_casebook.data.nas import rented_nas
from pulumi_casebook.edge.load_balancer_ip import rented_balancer
from pulumi_casebook.machines.machine import rented_server, rented_vps
from pulumi_casebook.network.vrack_network import regions_of
from pulumi_casebook.watching.autoscaler import AutoscalerArgs

T = TypeVar("T")
A = TypeVar("A", bound="Settings")
# What is rented by name, each kind with the question whether the account has it.
RENTED: tuple[tuple[TypeAdapter[str], Callable[[str], LookUp[Any]]], ...] = (
    (TypeAdapter(ServerName), rented_server),
    (TypeAdapter(VpsName), rented_vps),
    (TypeAdapter(BalancerName), rented_balancer),
    (TypeAdapter(NasName), rented_nas),
)


def _given(value: object, check: ValidatorFunctionWrapHandler) -> object:
    if value == "":
        raise ValueError("none given; set OVH_CLOUD_PROJECT_SERVICE to the Public Cloud project's id")
    try:
        return check(value)
    except ValidationError:
        if value != _from_environment():
            raise
        raise ValueError(
            "from OVH_CLOUD_PROJECT_SERVICE: a project's id is 32 digits and letters from a to f"
        ) from None


def _from_environment() -> str:
    return os.environ.get("OVH_CLOUD_PROJECT_SERVICE", "")


# The Public Cloud project's id.
ProjectId = Annotated[Project, WrapValidator(_given)]


class Rented(NamedTuple):
    """Something of the account's, and where the settings have it."""

    # OVHcloud's name of it.
    service_name: str
    where: str
    # What the drawing calls it, where the settings say that.
    name: str | None
    # Whether the account has it.
    question: LookUp[Any]


def _rented(value: object, where: str = "", name: str | None = None) -> Iterator[Rented]:
    """All that is rented by name, at any depth."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _rented(item, f"{where}.{key}".lstrip("."), key)
    elif isinstance(value, Args):
        # Not dict(): a field may be called keys.
        for key, item in value:
            yield from _rented(item, f"{where}.{key}".lstrip("."))
    elif isinstance(value, str):
        for kind, question in RENTED:
            with contextlib.suppress(ValidationError):
                yield Rented(kind.validate_python(value), where, name, question(value))


class Settings(ComponentArgs):
    """What the file of every stack may say."""

    # From where administrators reach SSH.
    admin_cidrs: Sources = Field(min_length=1)

    def claims(self, name: str) -> Iterator[Claim]:  # noqa: ARG002
        """What they name is taken by the components that are given it."""
        return iter(())

    @property
    def own_names(self) -> Iterable[str]:
        """Of the machines that the drawing names by itself."""
        return ()

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        used = dict.fromkeys(self.own_names, "a machine of the drawing")
        for one in _rented(self):
            for name in filter(None, (one.service_name, one.name)):
                if name in used:
                    raise ValueError(
                        f"{one.where}={name}: is {used[name]} already; one of it cannot be two of the drawing"
                    )
                used[name] = one.where
        return self

    @model_validator(mode="after")
    def _scales_a_number(self) -> Self:
        """The autoscaler's setting is one of these, within its bounds."""
        scaling: AutoscalerArgs | None = getattr(self, "scaling", None)
        if not scaling:
            return self
        models: list[type[Args]] = [type(self)]
        *above, last = scaling.setting.split(".")
        for name in above:
            fields = [model.model_fields[name] for model in models if name in model.model_fields]
            models = [inner for one in fields for inner in inner_models(one.annotation)]
        found = next((model.model_fields[last] for model in models if last in model.model_fields), None)
        if found is None or found.annotation is not int:
            raise ValueError(f"scaling.setting={scaling.setting}: no number of these settings")
        for bound in found.metadata:
            if (least := getattr(bound, "ge", None)) is not None and scaling.minimum < least:
                raise ValueError(f"scaling.minimum={scaling.minimum}: {scaling.setting} is {least} at least")
            if (most := getattr(bound, "le", None)) is not None and scaling.maximum > most:
                raise ValueError(f"scaling.maximum={scaling.maximum}: {scaling.setting} is {most} at most")
        return self

    @staticmethod
    def plan(field: str, cidr: str, tiers: Mapping[str, str]) -> AddressPlan:
        """For a validator: the plan of a network that holds the tiers, or a ValueError that names the field."""
        try:
            return AddressPlan(cidr, **tiers)
        except InputError as error:
            size = ipaddress.IPv4Network(cidr).num_addresses
            raise ValueError(f"{field}={cidr}: too small for the drawing, with {size} addresses ({error})") from None


class RackSettings(Settings):
    """Of a stack with a private network in a vRack."""

    vrack: VrackName
    vlan: Vlan
    private_cidr: PrivateCidr
    # The system that dedicated servers get at the first `up`, which wipes them; None: they are used as they are.
    install: System | None = None

    # Where each tier's addresses are in private_cidr.
    TIERS: ClassVar[Mapping[str, str]]

    @model_validator(mode="after")
    def _room(self) -> Self:
        self.plan("private_cidr", self.private_cidr, self.TIERS)
        return self

    @property
    def address_plan(self) -> AddressPlan:
        """Where each tier's addresses are."""
        return AddressPlan(self.private_cidr, **self.TIERS)


class ProjectSettings(Settings):
    """Of a stack in a Public Cloud project."""

    project: ProjectId = Field(default_factory=_from_environment, validate_default=True)


class CloudRackSettings(RackSettings):
    """Of a stack with a private network for machines of a Public Cloud project, too."""

    project: ProjectId = Field(default_factory=_from_environment, validate_default=True)
    flavor: ProviderName = "b3-8"

    def private_network(self, *regions: str) -> VrackNetwork:
        """The stack's own, for dedicated servers and for the project's instances in these regions."""
        return VrackNetwork(
            "private",
            vrack=self.vrack,
            vlan=self.vlan,
            cidr=self.private_cidr,
            project=self.project,
            regions=regions,
        )


def published(value: pulumi.Output[T]) -> T:
    """A value that a resource gives birth to, for a field of `Outputs`: whoever reads the outputs has it whole."""
    return cast(T, value)


# Text of the stack's outputs; while the program runs it may still be to come.
Text = Annotated[str, PlainValidator(lambda value: value)]


class OutputModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Location(OutputModel):
    """Where a machine is, and what it is at the provider."""

    public: Text | None
    private: str | None
    site: str
    # The bastion's public address, where SSH has to jump.
    via: Text | None
    kind: str
    service: Text


class Database(OutputModel):
    """A database and its application's account."""

    # host:port of the writer.
    address: str
    name: str
    user: str
    password: Text

    @classmethod
    def of(cls, database: MysqlPair | GaleraCluster, address: str) -> Self:
        """A component's, where clients reach it."""
        return cls(
            address=f"{address}:{database.port}",
            name=database.database,
            user=database.user,
            password=published(database.password),
        )


class Login(OutputModel):
    """An account that the stack has made."""

    username: Text
    password: Text


class Outputs(OutputModel):
    """What every stack tells."""

    machines: Mapping[str, Location]
    # Machine, or what else takes connections -> network -> what is open to it.
    exposure: Mapping[str, Mapping[str, list[str]]]


class Architecture(Component[A]):
    """A published system: a component whose arguments are the settings of its stack's file.

    Subclasses set `outputs`, which the stack's program exports.
    """

    outputs: Outputs
    # Stacks of earlier releases had these at the top.
    child_aliases: ClassVar[list[pulumi.Alias] | None] = [pulumi.Alias(parent=pulumi.ROOT_STACK_RESOURCE)]

    def _register(self, name: str, args: ComponentArgs) -> None:
        super()._register(name, args)
        # All questions to the account go out together; components wait for the answers that they need.
        for one in _rented(args):
            one.question.begin(self)
        if isinstance(args, ProjectSettings | CloudRackSettings):
            regions_of(args.project).begin(self)

    def exports(self) -> Mapping[str, Any]:
        """The outputs, as Pulumi takes them."""
        return {name: _plain(getattr(self.outputs, name)) for name in type(self.outputs).model_fields}


def locations(machines: Iterable[Machine]) -> dict[str, Location]:
    """Where each machine is."""
    return {machine.name: Location(**machine.location) for machine in machines}


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return {name: _plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value
