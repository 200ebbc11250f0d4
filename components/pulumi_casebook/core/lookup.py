"""Looking up what an account already has, with a sentence when it has it not."""

import re
import time
from collections.abc import Callable
from typing import TypeVar

import pulumi

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


def looked_up(what: str, name: str, look: Callable[[], R], hint: str = RENTED) -> R:
    """What a provider's function finds.

    An API that is too busy (429, 5xx) is asked again, four times within 15 s: Pulumi's plugins do not do that, and one
    such answer would end the run. Errors: the thing, its name, the API's reason, and what to check.
    """
    pauses = iter(PAUSES)
    while True:
        try:
            return look()
        except Exception as error:
            reason = " ".join(str(error).rpartition("returned an error: ")[2].split()) or type(error).__name__
        if not BUSY.search(reason):
            raise InputError(f"{what} {name!r}: the account does not show it ({reason}); {hint}")
        if not (pause := next(pauses, None)):
            raise InputError(f"{what} {name!r}: the API is too busy to show it ({reason}); try again later")
        pulumi.log.info(f"{what} {name!r}: {reason}; asked again in {pause} s")
        time.sleep(pause)
