"""What the account has is looked up again while its API is busy, and only then."""

import time
from collections.abc import Callable

import pytest

from pulumi_casebook import InputError
from pulumi_casebook.core.lookup import PAUSES, looked_up

CALL = "invoke of ovh:Vps/getVps:getVps failed: invocation of ovh:Vps/getVps:getVps returned an error: "
BUSY = (
    "OVHcloud API error (status code 503): busy \nOVH-Query-ID: EU.ext-1",
    "OVH client seems to be misconfigured: Too Many Requests \nOVH-Query-ID: EU.ext-1",
    "Expected HTTP response code [200] when accessing [GET https://x], but got 500 instead: busy",
)
UNKNOWN = "OVHcloud API error (status code 404): This service does not exist \nOVH-Query-ID: EU.ext-1"


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    return pauses


def answering(*errors: str) -> Callable[[], str]:
    """A provider's function that fails so, one after the other, and then finds it."""
    left = list(errors)

    def look() -> str:
        if left:
            raise Exception(CALL + left.pop(0))
        return "found"

    return look


def test_a_busy_api_is_asked_again(slept: list[float]) -> None:
    assert looked_up("VPS", "vps-1", answering(*BUSY)) == "found"
    assert slept == list(PAUSES[: len(BUSY)])


def test_one_that_stays_busy_is_given_up_and_not_taken_for_one_that_knows_nothing(slept: list[float]) -> None:
    with pytest.raises(InputError, match=r"VPS 'vps-1': the API is too busy to show it \(OVHcloud .* 503"):
        looked_up("VPS", "vps-1", answering(*BUSY[:1] * 9))
    assert slept == list(PAUSES)


def test_what_is_not_there_is_told_at_once_with_the_api_s_reason(slept: list[float]) -> None:
    with pytest.raises(InputError, match=r"does not show it \(OVHcloud .* does not exist OVH-Query-ID: .*\); check"):
        looked_up("VPS", "vps-1", answering(UNKNOWN))
    assert slept == []
