"""What every component's arguments have in common."""

from typing import Any

import pulumi
import pytest
from pydantic import Field, SecretStr

from pulumi_casebook import InputError
from pulumi_casebook.core.args import Address, Cidr, Label, Port, Unique
from pulumi_casebook.core.component import Component, ComponentArgs, takes
from tests.harness import declare


class ThingArgs(ComponentArgs):
    count: int = Field(default=1, ge=1, le=8)
    names: Unique[Label] = ()
    cidr: Cidr = "10.8.0.0/24"
    address: Address = "10.8.0.1"
    port: Port = 80
    secret: SecretStr | None = None
    given: pulumi.Output[str] | None = None


class Thing(Component[ThingArgs]):
    @takes(ThingArgs)
    def __init__(self, args: ThingArgs) -> None:
        self.count = args.count
        self.made = pulumi.Output.from_input(args.names)


def refusal(**values: Any) -> str:
    with pytest.raises(InputError) as refused:
        declare(lambda: Thing("one", **values), preview=False)
    return str(refused.value)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"count": 9}, "Thing 'one': count=9: Input should be less than or equal to 8"),
        ({"count": "3"}, "Thing 'one': count='3': Input should be a valid integer"),
        ({"colour": "red"}, "Thing 'one': colour: no such field"),
        ({"port": 0}, "Thing 'one': port=0: Input should be greater than or equal to 1"),
        ({"names": ["Web 1"]}, "Thing 'one': names.0='Web 1': names become host names: lower-case letters, digits and"),
        ({"names": "web"}, "Thing 'one': names='web': "),
        (
            {"cidr": "10.8.0.1/24"},
            "Thing 'one': cidr='10.8.0.1/24': not an IPv4 network like 10.8.0.0/22 (10.8.0.1/24 ",
        ),
        ({"cidr": "lan"}, "Thing 'one': cidr='lan': not an IPv4 network like 10.8.0.0/22"),
        ({"address": "10.8.0"}, "Thing 'one': address='10.8.0': not an IPv4 address like 10.8.0.10"),
        ({"names": ["a" * 43]}, "'aaaaaa"),
    ],
)
def test_a_refusal_names_the_field_the_value_and_the_reason(values: dict[str, Any], sentence: str) -> None:
    assert refusal(**values).startswith(sentence) or sentence in refusal(**values)


def test_every_mistake_has_its_line() -> None:
    assert [line.split(":")[1].strip() for line in refusal(count=0, port=70000).splitlines()] == [
        "count=0",
        "port=70000",
    ]


def test_long_and_hidden_values_are_not_printed() -> None:
    assert "..." in refusal(address="x" * 500)
    assert "xxxxxxx" * 20 not in refusal(address="x" * 500)
    assert refusal(count=SecretStr("hush")).startswith("Thing 'one': count=(hidden): ")
    with pytest.raises(InputError, match=r"Thing 'one': port=\(hidden\): "):
        declare(
            lambda: Thing("one", port=pulumi.Output.secret("hush")),  # type: ignore[arg-type]
            preview=False,
        )


def test_nothing_is_declared_before_the_arguments_are_accepted() -> None:
    made: list[str] = []

    class Eager(Component[ThingArgs]):
        @takes(ThingArgs)
        def __init__(self, args: ThingArgs) -> None:
            made.append(str(args.count))

    with pytest.raises(InputError):
        declare(lambda: Eager("one", count=0), preview=False)
    assert made == []


def test_arguments_may_come_ready_made_and_outputs_are_registered() -> None:
    made = declare(lambda: Thing.of("one", ThingArgs(names=("a", "b"))), preview=False)
    assert [(r.type, r.name) for r in made[1:]] == [("casebook:index:Thing", "one")]
    assert made[1].outputs["made"] == ["a", "b"]


def test_arguments_do_not_change() -> None:
    args = ThingArgs()
    with pytest.raises(ValueError, match="frozen"):
        args.count = 2  # type: ignore[misc]
