"""Looking up what an account already has, with a sentence when it has it not."""

import asyncio
import importlib
import inspect
import re
import time
import weakref
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import pulumi
from pulumi.runtime.settings import get_monitor
from pulumi.runtime.sync_await import _sync_await

from pulumi_casebook.core.args import InputError

R = TypeVar("R")

RENTED = "check service_name in the stack's file, and that the credentials are of the account that rents it"
PAUSES = (1, 2, 4, 8)  # seconds
# As OVHcloud's client, OpenStack's and HTTP itself say it.
BUSY = re.compile(
    r"(status code|but got) (429|5\d\d)\b|too many requests|internal server error|bad gateway|service unavailable"
    r"|gateway time-?out",
    re.IGNORECASE,
)
# Of a function that takes an error of its API for an answer: ovh:Vps/getVps does.
SILENT = "the plugin gives no reason: there is no such thing, or the API has failed"
# What each program has asked: a question is asked once, and those that were begun together are answered together.
_asked: "weakref.WeakKeyDictionary[Any, dict[tuple[str, str, int], Awaitable[Any]]]" = weakref.WeakKeyDictionary()


@dataclass(frozen=True)
class LookUp(Generic[R]):
    """A question to a provider: what is looked for, its name, the provider's function with its arguments and what it
    gives, and what to check when there is no such thing.

    It is put by the function's token, for the typed functions of Pulumi's SDKs wait for their answer.
    """

    what: str
    name: str
    token: str
    arguments: Mapping[str, str | bool]
    gives: type[R]
    hint: str = RENTED

    def begin(self, parent: pulumi.Resource | None) -> Awaitable[R]:
        """Ask, and go on; who needs the answer later does not wait for one question after the other."""
        asked, key = _asked.setdefault(get_monitor(), {}), self._key(parent)
        if key not in asked:
            answer = asyncio.ensure_future(self._ask(parent))
            # An answer that nobody asks for any more is no error.
            answer.add_done_callback(lambda done: done.cancelled() or done.exception())
            asked[key] = answer
        return asked[key]

    def _key(self, parent: pulumi.Resource | None) -> tuple[str, str, int]:
        return self.what, self.name, id(parent.get_provider(self.token) if parent else None)

    async def _ask(self, parent: pulumi.Resource | None) -> Any:
        # The SDK's version and where its plugin is downloaded from.
        defaults = importlib.import_module(
            f"pulumi_{self.token.partition(':')[0]}._utilities"
        ).get_invoke_opts_defaults()
        options = pulumi.InvokeOptions.merge(defaults, pulumi.InvokeOptions(parent=parent))
        return await pulumi.runtime.invoke_async(self.token, dict(self.arguments), options, typ=self.gives)

    def tells(self, answer: R | None) -> bool:
        """Whether an answer says anything beside what was asked with: one that is all None is an error in disguise."""
        asked = {re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name) for name in self.arguments}
        told = set(inspect.signature(self.gives).parameters) - asked
        return any(getattr(answer, name, None) not in (None, "", [], {}) for name in told)

    def result(self, parent: pulumi.Resource | None) -> R:
        """The answer.

        An API that is too busy (429, 5xx) is asked again, four times within 15 s: Pulumi's plugins do not do that, and
        one such answer would end the run. So is one whose answer says nothing. Errors: the thing, its name, the API's
        reason, and what to check.
        """
        pauses = iter(PAUSES)
        while True:
            answer = self.begin(parent)
            try:
                if self.tells(found := _sync_await(answer)):
                    return found
                reason = SILENT
            except Exception as error:
                reason = " ".join(str(error).rpartition("returned an error: ")[2].split()) or type(error).__name__
            pause = next(pauses, None)
            if not BUSY.search(reason) and (reason != SILENT or not pause):
                raise InputError(f"{self.what} {self.name!r}: the account does not show it ({reason}); {self.hint}")
            if not pause:
                raise InputError(
                    f"{self.what} {self.name!r}: the API is too busy to show it ({reason}); try again later"
                )
            pulumi.log.info(f"{self.what} {self.name!r}: {reason}; asked again in {pause} s")
            time.sleep(pause)
            # Unless somebody else has asked again.
            asked, key = _asked[get_monitor()], self._key(parent)
            if asked.get(key) is answer:
                del asked[key]
