"""Looking up what an account already has, with a sentence when it has it not."""

from collections.abc import Callable
from typing import TypeVar

from casebook.args import InputError

R = TypeVar("R")

RENTED = "check service_name in the stack's file, and that the credentials are of the account that rents it"


def looked_up(what: str, name: str, look: Callable[[], R], hint: str = RENTED) -> R:
    """What a provider's function finds. Errors: the thing, its name, the API's reason, and what to check."""
    try:
        return look()
    except Exception as error:
        reason = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
        raise InputError(f"{what} {name!r}: the account does not show it ({reason}); {hint}") from None
