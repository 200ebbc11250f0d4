"""The base of every component: its arguments are checked whole before anything is declared."""

import functools
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, ClassVar, Concatenate, Generic, NamedTuple, ParamSpec, Self, TypeVar, cast

import pulumi
from pydantic import Field, TypeAdapter, ValidationError

from pulumi_casebook.core.args import Args, Label, Rented, explained, shown
from pulumi_casebook.core.program import Program


class Claim(NamedTuple):
    """Something that there is once, which a component takes: no other of the program may."""

    # In words, for a message: "dedicated server", "address".
    kind: str
    what: object
    # The field, with its value.
    where: str


class ComponentArgs(Args):
    """What every component takes beside its own arguments."""

    # Pulumi's options of the component: provider, protect, depends_on, aliases.
    opts: pulumi.ResourceOptions | None = Field(default=None, repr=False)

    def claims(self, name: str) -> Iterator[Claim]:  # noqa: ARG002 (of machines)
        """What is the alone of the component of this name: of what is rented, all that its fields name."""
        for field, said in type(self).model_fields.items():
            for kind in (one.kind for one in said.metadata if isinstance(one, Rented)):
                yield Claim(kind, value := getattr(self, field), f"{field}={value}")


@dataclass(frozen=True, eq=False)
class HandedOver:
    """What a component hands to others: whose arguments hold it is made after the component."""

    component: pulumi.Resource


A = TypeVar("A", bound=ComponentArgs)
C = TypeVar("C", bound="Component[Any]")
P = ParamSpec("P")
NAME = TypeAdapter[str](Label)
# Whose constructor runs.
_declaring: ContextVar["Component[Any] | None"] = ContextVar("declaring", default=None)


def takes(model: Callable[P, A]) -> Callable[[Callable[[C, A], None]], Callable[Concatenate[C, str, P], None]]:
    """Makes `__init__(self, args)` a constructor that takes the name first and the model's fields as keywords.

    The signature is the model's, so that type checkers and editors know every keyword. Decorated is what declares the
    component's resources; it runs once the arguments are right. Attributes that are outputs become the component's.
    """

    def decorate(declare: Callable[[C, A], None]) -> Callable[Concatenate[C, str, P], None]:
        @functools.wraps(declare)
        def construct(self: C, name: str, /, *_: P.args, **values: P.kwargs) -> None:
            args = _checked(f"{type(self).__name__} {shown(name)}", name, self.Arguments, values)
            self._register(name, args)
            token = _declaring.set(self)
            try:
                declare(self, args)
            finally:
                _declaring.reset(token)
            self.register_outputs({key: value for key, value in vars(self).items() if isinstance(value, pulumi.Output)})

        construct.__dict__["model"] = model
        return construct

    return decorate


def _checked(where: str, name: str, model: type[Args], values: dict[str, Any]) -> Any:
    """The arguments, if they and the name can be declared."""
    try:
        NAME.validate_python(name)
        return model.model_validate(values)
    except ValidationError as error:
        raise explained(where, error, model) from None


def _taken(value: Any) -> Iterator[pulumi.Resource]:
    """The components whose services an argument holds, at any depth."""
    if isinstance(value, HandedOver):
        yield value.component
    elif isinstance(value, Args):
        for name in type(value).model_fields:
            yield from _taken(getattr(value, name))
    elif isinstance(value, Mapping | tuple | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _taken(item)


class Component(pulumi.ComponentResource, Generic[A]):
    """A Pulumi component whose arguments are one pydantic model.

    Used like any Pulumi resource: the name first, the arguments and `opts` as keywords. Subclasses decorate `__init__`
    with `takes`. A component that is made in another one's constructor is its child.
    """

    Arguments: ClassVar[type[ComponentArgs]]
    # Where earlier releases had its children.
    child_aliases: ClassVar[list[pulumi.Alias] | None] = None
    # Pulumi's, of it and of all below: aliases for what earlier releases named otherwise.
    transformations: ClassVar[list[pulumi.ResourceTransformation]] = []

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if model := getattr(vars(cls).get("__init__"), "model", None):
            cls.Arguments = model

    @classmethod
    def of(cls, name: str, args: A) -> Self:
        """The component of arguments that are checked already: those that a stack's file gives."""
        return cls(name, **dict(iter(args)))

    def _register(self, name: str, args: ComponentArgs) -> None:
        parent = _declaring.get()
        program = Program.now()
        if program:
            for claim in args.claims(name):
                program.take(claim.kind, claim.what, f"{type(self).__name__} {name!r}", claim.where)
        inside = pulumi.ResourceOptions(
            parent=parent,
            # What is in another component waits with it.
            depends_on=[*_taken(args), *([program.checked] if program and parent is None else [])],
            aliases=parent.child_aliases if parent else None,
            transformations=self.transformations,
        )
        opts = pulumi.ResourceOptions.merge(inside, args.opts)
        pulumi.ComponentResource.__init__(self, f"casebook:index:{type(self).__name__}", name, {}, opts)
        self.name = name
        # Its children are made after these, but may outlive them: Pulumi's state knows nothing of it.
        waiting = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[]))
        self.after = cast(list[pulumi.Resource], waiting.depends_on)

    def child(self, **options: Any) -> pulumi.ResourceOptions:
        """Options of a child resource."""
        return pulumi.ResourceOptions(parent=self, **options)
