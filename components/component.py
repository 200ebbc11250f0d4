"""The base of every component: its arguments are checked whole before anything is declared."""

from typing import Any, ClassVar, Generic, TypeVar

import pulumi
from pydantic import ValidationError

from casebook.args import Args, explained

A = TypeVar("A", bound=Args)


class Component(pulumi.ComponentResource, Generic[A]):
    """A Pulumi component whose arguments are one pydantic model.

    Used like any Pulumi resource: the name first, the arguments as keywords (or one ready `args` object),
    `opts` last. Subclasses set `Arguments` and write `declare`; what they set as attributes is the output.
    """

    Arguments: ClassVar[type[Args]]

    def __init__(
        self, name: str, args: A | None = None, opts: pulumi.ResourceOptions | None = None, **values: Any
    ) -> None:
        kind = type(self).__name__
        try:
            checked: Any = args if args is not None else self.Arguments(**values)
        except ValidationError as error:
            raise explained(f"{kind} {name!r}", error) from None
        super().__init__(f"casebook:index:{kind}", name, {}, opts)
        self.name = name
        self.declare(checked)
        self.register_outputs({key: value for key, value in vars(self).items() if isinstance(value, pulumi.Output)})

    def declare(self, args: A) -> None:
        """Declare the component's resources, as children."""
        raise NotImplementedError

    def child(self, **options: Any) -> pulumi.ResourceOptions:
        """Options of a child resource."""
        return pulumi.ResourceOptions(parent=self, **options)
