"""One program as a whole: nothing of it is declared before all of it is checked, and what is one is taken once."""

import asyncio
import inspect
import sys
import weakref
from typing import Any, cast

import pulumi
from pulumi.runtime.settings import get_root_resource
from pulumi.runtime.stack import register_stack_transformation

from pulumi_casebook.core.args import InputError

PROVIDER = "pulumi:providers:"
# How often it is looked whether the program waits for something by itself, in seconds.
LOOK = 0.1
_programs: "weakref.WeakKeyDictionary[pulumi.Resource, Program]" = weakref.WeakKeyDictionary()


class Program:
    """The program that runs.

    `checked` is for `depends_on` of what is at the program's top: it comes once the program has ended. One that ends
    with an error has declared nothing.
    """

    def __init__(self, root: pulumi.Resource) -> None:
        self._taken: dict[tuple[str, object], str] = {}
        # Resource -> its type after those of its parents, as the engine tells resources apart.
        self._types: weakref.WeakKeyDictionary[pulumi.Resource, str] = weakref.WeakKeyDictionary({root: ""})
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        task = asyncio.current_task()
        # A resource that is none adds nothing to the order.
        self.checked = cast(
            pulumi.Output[pulumi.Resource],
            pulumi.Output.from_input(asyncio.ensure_future(self._end(task.get_coro() if task else None))),
        )
        register_outputs = root.register_outputs  # type: ignore[attr-defined]

        def register(outputs: Any) -> None:
            """Its last act, whether it has ended well or not."""
            self._end_with(sys.exception())
            register_outputs(outputs)

        root.register_outputs = register  # type: ignore[attr-defined]
        register_stack_transformation(self._note)

    @classmethod
    def now(cls) -> "Program | None":
        """The one that runs; None where resources are made without a stack, as in a user's own tests."""
        root = get_root_resource()
        if root is None:
            return None
        if root not in _programs:
            _programs[root] = cls(root)
        return _programs[root]

    def take(self, kind: str, what: object, by: str, where: str) -> None:
        """Note that it is taken. Error: it was already."""
        if (other := self._taken.setdefault((kind, what), by)) != by:
            raise InputError(f"{by}: {where}: {other} has this {kind} already; one {kind} cannot be two things")

    def _note(self, made: pulumi.ResourceTransformationArgs) -> None:
        """Each resource that is declared, of whatever kind: its name is its own."""
        parent = made.opts.parent
        above = self._types.get(parent, parent.pulumi_resource_type) if parent else ""
        kind = f"{above}${made.type_}" if above else made.type_
        self._types[made.resource] = kind
        if (kind, made.name) in self._taken:
            raise InputError(
                f"{made.type_.rpartition(':')[2]} {made.name!r}: the program has one of this name already; "
                "names are told apart, so give one of them another"
            )
        self._taken[kind, made.name] = made.name
        if made.type_.startswith(PROVIDER) and (
            above or any(isinstance(v, pulumi.Output) for v in made.props.values())
        ):
            # It may come of other resources, and look-ups wait for it.
            self._end_with(None)

    def _end_with(self, error: BaseException | None) -> None:
        if self._ended.done():
            return
        if error is None:
            self._ended.set_result(None)
        else:
            self._ended.set_exception(error)

    async def _end(self, main: Any) -> None:
        while not self._ended.done():
            await asyncio.wait([self._ended], timeout=LOOK)
            # While it waits for a look-up it runs; where it is suspended it waits for outputs (`pulumi.run`).
            if inspect.iscoroutine(main) and inspect.getcoroutinestate(main) == inspect.CORO_SUSPENDED:
                self._end_with(None)
        await self._ended
