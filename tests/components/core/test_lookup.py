"""What the account has is looked up again while its API is busy, and only then."""

import threading
import time

import pulumi_ovh as ovh
import pytest

from pulumi_casebook import InputError
from pulumi_casebook.core.lookup import PAUSES, LookUp
from tests.harness import Answer, Values, declare

CALL = "invoke of ovh:Vps/getVps:getVps failed: invocation of ovh:Vps/getVps:getVps returned an error: "
BUSY = (
    "OVHcloud API error (status code 503): busy \nOVH-Query-ID: EU.ext-1",
    "OVH client seems to be misconfigured: Too Many Requests \nOVH-Query-ID: EU.ext-1",
    "Expected HTTP response code [200] when accessing [GET https://x], but got 500 instead: busy",
)
UNKNOWN = "OVHcloud API error (status code 404): This service does not exist \nOVH-Query-ID: EU.ext-1"


GET_VPS = "ovh:Vps/getVps:getVps"


def question(name: str) -> LookUp[ovh.vps.GetVpsResult]:
    return LookUp("VPS", name, GET_VPS, {"serviceName": name}, ovh.vps.GetVpsResult)


VPS = question("vps-1")


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    return pauses


def answering(*errors: str) -> dict[str, Answer]:
    """A provider's function that fails so, one after the other, and then finds it."""
    left = list(errors)

    def answer(_: Values) -> Values:
        if left:
            raise LookupError(CALL + left.pop(0))
        return {"displayname": "found"}

    return {GET_VPS: answer}


def result(answers: dict[str, Answer]) -> str:
    """What a program finds."""
    found: list[str] = []
    declare(lambda: found.append(VPS.result(None).displayname), preview=True, answers=answers)
    return found[0]


def test_a_busy_api_is_asked_again(slept: list[float]) -> None:
    assert result(answering(*BUSY)) == "found"
    assert slept == list(PAUSES[: len(BUSY)])


def test_one_that_stays_busy_is_given_up_and_not_taken_for_one_that_knows_nothing(slept: list[float]) -> None:
    with pytest.raises(InputError, match=r"VPS 'vps-1': the API is too busy to show it \(OVHcloud .* 503"):
        result(answering(*BUSY[:1] * 9))
    assert slept == list(PAUSES)


def test_what_is_not_there_is_told_at_once_with_the_api_s_reason(slept: list[float]) -> None:
    with pytest.raises(InputError, match=r"does not show it \(OVHcloud .* does not exist OVH-Query-ID: .*\); check"):
        result(answering(UNKNOWN))
    assert slept == []


def test_an_error_in_the_place_of_an_answer_is_noticed_and_asked_again(slept: list[float]) -> None:
    """getVps of the real plugin answers nothing but the name, be it wrong or the API too busy."""
    left: list[Values] = [{}, {"serviceName": "vps-1", "id": "", "ips": []}, {"displayname": "found"}]
    assert result({GET_VPS: lambda _: left.pop(0)}) == "found"
    assert slept == list(PAUSES[:2])


def test_one_that_stays_silent_is_told_with_what_to_check(slept: list[float]) -> None:
    with pytest.raises(
        InputError, match=r"VPS 'vps-1': the account does not show it \(the plugin gives .*\); check ser"
    ):
        result({GET_VPS: lambda _: {}})
    assert slept == list(PAUSES)


def test_questions_that_were_begun_are_answered_together_and_asked_once() -> None:
    """All of them are with the API before the first is answered; a second reader does not ask again."""
    asked: list[str] = []
    all_are_there = threading.Barrier(3, timeout=20)

    def answer(arguments: Values) -> Values:
        asked.append(arguments["serviceName"])
        all_are_there.wait()
        return {"displayname": arguments["serviceName"]}

    found: list[str] = []

    def program() -> None:
        for name in ("a", "b", "c"):
            question(name).begin(None)
        found.extend(question(name).result(None).displayname for name in ("c", "a", "b", "a"))

    declare(program, preview=True, answers={GET_VPS: answer})
    assert (found, sorted(asked)) == (["c", "a", "b", "a"], ["a", "b", "c"])


def test_each_program_asks_for_itself() -> None:
    asked: list[str] = []

    def answer(_: Values) -> Values:
        asked.append("vps-1")
        return {"displayname": "found"}

    assert (result({GET_VPS: answer}), result({GET_VPS: answer}), len(asked)) == ("found", "found", 2)


def test_an_answer_that_nobody_needs_is_no_error() -> None:
    declare(lambda: VPS.begin(None), preview=True, answers=answering(UNKNOWN))
