"""The harness itself: an error that hides in a program must fail its test."""

import pulumi
import pulumi_command as command
import pulumi_random as random
import pytest

from tests.harness import UNKNOWN, declare, declares_the_same, only


def remote(
    name: str, create: pulumi.Input[str] = "true", stdin: pulumi.Input[str] | None = None
) -> command.remote.Command:
    connection = command.remote.ConnectionArgs(host="198.18.16.1", private_key=pulumi.Output.secret("key"))
    return command.remote.Command(name, connection=connection, create=create, stdin=stdin)


def test_an_error_inside_apply_raises() -> None:
    def program() -> None:
        pulumi.Output.from_input(0).apply(lambda zero: 1 // zero)

    with pytest.raises(ZeroDivisionError):
        declare(program, preview=False)


def test_secrets_are_unwrapped_and_named() -> None:
    def program() -> None:
        remote("one", stdin=pulumi.Output.secret("hidden"))

    made = only(declare(program, preview=False), "Command", "one")
    assert made.inputs["stdin"] == "hidden"
    assert made.inputs["connection"]["privateKey"] == "key"
    assert made.secrets == {"stdin", "connection"}


def test_preview_knows_nothing_that_a_resource_gives_birth_to() -> None:
    def program() -> None:
        password = random.RandomPassword("drawn", length=8)
        remote("one", stdin=password.result, create=remote("zero").stdout.apply(lambda text: text.strip()))

    known, shown = (only(declare(program, preview=p), "Command", "one").inputs for p in (False, True))
    assert (known["stdin"], known["create"]) == ("drawn-drawn", "1")
    assert (shown["stdin"], shown["create"]) == (UNKNOWN, UNKNOWN)


def test_a_resource_hidden_from_preview_is_found() -> None:
    def declare_late(_: str) -> None:
        remote("hidden")

    def program() -> None:
        remote("shown").stdout.apply(declare_late)

    with pytest.raises(AssertionError, match="hidden"):
        declares_the_same(program)


def test_exports_and_dependencies_are_kept() -> None:
    def program() -> None:
        first = remote("first")
        command.local.Command("second", create="true", opts=pulumi.ResourceOptions(depends_on=[first]))
        pulumi.export("out", first.stdout)

    made = declare(program, preview=False)
    assert made[0].outputs == {"out": "1\n"}
    assert only(made, "Command", "second").depends_on == (only(made, "Command", "first").urn,)


def test_a_function_without_an_answer_is_an_error() -> None:
    with pytest.raises(Exception, match="no answer for a:b:c"):
        declare(lambda: pulumi.runtime.invoke("a:b:c", {}).value, preview=False)
