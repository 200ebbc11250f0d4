"""The base of every component: its arguments are checked whole before anything is declared."""

from typing import Any, ClassVar, Generic, TypeVar, cast

import pulumi
from pulumi_casebook.core.args import Args, InputError, Label, explained, shown
from pydantic import TypeAdapter, ValidationError

A = TypeVar("A", bound=Args)
NAME = TypeAdapter[str](Label)


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
        checked = self._checked(f"{kind} {shown(name)}", name, args, values)
        super().__init__(f"casebook:index:{kind}", name, {}, opts)
        self.name = name
        # Its children are made after these, but may outlive them: Pulumi's state knows nothing of it.
        waiting = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[]))
        self.after = cast(list[pulumi.Resource], waiting.depends_on)
        self.declare(checked)
        self.register_outputs({key: value for key, value in vars(self).items() if isinstance(value, pulumi.Output)})

    def _checked(self, where: str, name: str, args: A | None, values: dict[str, Any]) -> Any:
        """The arguments, if they and the name can be declared."""
        try:
            NAME.validate_python(name)
            if args is None:
                return self.Arguments.model_validate(values)
        except ValidationError as error:
            raise explained(where, error) from None
        if not isinstance(args, self.Arguments) or values:
            raise InputError(
                f"{where}: args={shown(args)}: takes a {self.Arguments.__name__}, and no keywords beside it"
            )
        return args

    def declare(self, args: A) -> None:
        """Declare the component's resources, as children."""
        raise NotImplementedError

    def child(self, **options: Any) -> pulumi.ResourceOptions:
        """Options of a child resource."""
        return pulumi.ResourceOptions(parent=self, **options)
