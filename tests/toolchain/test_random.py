"""The random stand-in in the real engine."""

import ctypes
from collections.abc import Callable

import pytest

from sandbox.toolchain.standin.values import SECRET, SIGNATURE, UNKNOWN
from tests.toolchain.conftest import Plugin, Program, Values

PROGRAM = """
import pulumi, pulumi_random as random
config = pulumi.Config()
password = random.RandomPassword("password", length=config.get_int("length") or 20, min_special=2, min_numeric=3,
                                 override_special="#")
string = random.RandomString("string", length=8, special=False, upper=False,
                             keepers={"round": config.get("round") or "1"})
number = random.RandomId("id", byte_length=8, prefix="p-")
pulumi.export("password", password.result)
pulumi.export("hash", password.bcrypt_hash)
pulumi.export("string", string.result)
pulumi.export("hex", number.hex)
pulumi.export("b64", number.b64_std)
pulumi.export("integer", random.RandomInteger("integer", min=3, max=5).result)
pulumi.export("shuffled", random.RandomShuffle("shuffle", inputs=["a", "b", "c"], result_count=5, seed="s").results)
pulumi.export("uuid", random.RandomUuid("uuid").result)
pulumi.export("pet", random.RandomPet("pet", prefix="my", length=3).id)
pulumi.export("bytes", random.RandomBytes("bytes", length=4).hex)
"""


def test_values_are_drawn_once_and_as_asked(program: Program) -> None:
    program.write(PROGRAM)
    assert program.planned()["password"] == "create"
    program.up()
    first = program.outputs()
    password = first["password"]
    assert len(password) == 20
    assert sum(sign == "#" for sign in password) >= 2
    assert sum(sign.isdigit() for sign in password) >= 3
    assert set(password) <= set("#0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    crypt = ctypes.CDLL("libcrypt.so.1").crypt
    crypt.restype = ctypes.c_char_p
    assert first["hash"].startswith("$2a$10$")
    assert crypt(password.encode(), first["hash"].encode()).decode() == first["hash"]
    assert first["string"].isalnum()
    assert first["string"] == first["string"].lower()
    assert first["hex"].startswith("p-")
    assert len(first["hex"]) == 18
    assert first["b64"].startswith("p-")
    assert first["integer"] in (3, 4, 5)
    assert sorted(first["shuffled"][:3]) == ["a", "b", "c"]
    assert len(first["shuffled"]) == 5
    assert len(first["bytes"]) == 8
    assert first["pet"].startswith("my-")
    assert len(first["pet"].split("-")) == 4
    program.preview("--expect-no-changes")
    program.up()
    assert program.outputs() == first


def test_a_changed_input_or_keeper_draws_anew(program: Program) -> None:
    program.write(PROGRAM)
    program.up()
    first = program.outputs()
    program.configure(length=21, round=2)
    assert program.planned() == {"password": "replace", "string": "replace"}
    program.up()
    second = program.outputs()
    assert len(second["password"]) == 21
    assert second["string"] != first["string"]
    assert second["uuid"] == first["uuid"]


def test_passwords_are_secret_and_ids_are_not(program: Program) -> None:
    program.write(PROGRAM)
    shown = program.up()
    secret = program.outputs()
    assert secret["password"] not in shown
    resources = program.resources()
    assert secret["password"] not in str(resources)
    assert resources["password"]["id"] == "none"
    assert resources["id"]["outputs"]["hex"] == secret["hex"]


@pytest.mark.parametrize(
    ("token", "inputs", "reason"),
    [
        ("index/randomPassword:RandomPassword", {"length": 0}, "length value must be at least 1, got: 0"),
        ("index/randomPassword:RandomPassword", {}, 'The argument "length" is required'),
        ("index/randomPassword:RandomPassword", {"length": 3, "minLower": 4}, "must be at least sum of"),
        ("index/randomPassword:RandomPassword", {"length": 3, "size": 4}, "Invalid or unknown key"),
        ("index/randomPassword:RandomPassword", {"length": "three"}, "expected a number"),
        ("index/randomString:RandomString", {"length": 3, "special": "perhaps"}, "expected a bool"),
        (
            "index/randomString:RandomString",
            {"length": 3, "special": False, "upper": False, "lower": False, "numeric": False},
            "must be true",
        ),
        ("index/randomId:RandomId", {"byteLength": [1, 2]}, "single value"),
    ],
)
def test_what_the_provider_refuses_is_refused(
    plugin: Callable[[str], Plugin], token: str, inputs: Values, reason: str
) -> None:
    _, reasons = plugin("random").check(token, inputs)
    assert any(reason in found for found in reasons), reasons


def test_an_unknown_resource_is_named(plugin: Callable[[str], Plugin]) -> None:
    with pytest.raises(Exception, match="no resource random:index/dice:Dice"):
        plugin("random").check("index/dice:Dice", {})


def test_secrets_are_marked_by_the_plugin_itself(plugin: Callable[[str], Plugin]) -> None:
    made = plugin("random").create("index/randomPassword:RandomPassword", {"length": 9})
    for name in ("result", "bcryptHash"):
        assert made[name][SIGNATURE] == SECRET
    assert len(made["result"]["value"]) == 9
    planned = plugin("random").create("index/randomPassword:RandomPassword", {"length": 9}, preview=True)
    assert planned["result"]["value"] == UNKNOWN
    assert planned["special"] is True
